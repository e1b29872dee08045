#include "tests/crash/shipped_server.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <utility>

#include <absl/time/clock.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "storage/catalog/database_url.h"
#include "storage/catalog/postgres_files.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kLastWordsBytes = 1200;

std::string Mooringd() {
  return std::string(MOORING_BINARY_DIR) + "/mooringd";
}

}  // namespace

ShippedServer::ShippedServer(ShippedServerOptions options)
    : options_(std::move(options)), side_(options_.state_dir) {}

ShippedServer::~ShippedServer() {
  if (process_ != nullptr && running()) Stop();
}

absl::Status ShippedServer::Init(const Environment& environment) {
  std::vector<std::string> words = {Mooringd(),       "init",
                                    "--state-dir",    options_.state_dir,
                                    "--organization", "Test Inc.",
                                    "--single-admin", "--listen-agents",
                                    "127.0.0.1:0",    "--listen-enrollment",
                                    "127.0.0.1:0",    "--listen-metrics",
                                    "127.0.0.1:0"};
  if (!options_.database_url.empty()) {
    words.insert(words.end(), {"--database", options_.database_url});
  }
  if (!options_.repository.empty()) {
    words.insert(words.end(), {"--repository", options_.repository});
  }
  const RunResult result = RunProgram(words, environment);
  if (result.exit_code != 0) return absl::InternalError("init: " + result.out + result.err);
  const std::string path = options_.state_dir + "/mooringd.yaml";
  std::string text = ReadText(path) + options_.configuration;
  if (options_.is_quiet) {
    for (const std::string section : {"pruning:\n", "collection:\n", "care:\n"}) {
      const std::size_t at = text.find(section);
      if (at == std::string::npos) {
        text += section + "  off: true\n";
      } else {
        text.insert(at + section.size(), "  off: true\n");
      }
    }
  }
  std::ofstream(path, std::ios::trunc) << text;
  return absl::OkStatus();
}

absl::Status ShippedServer::Start(const Environment& environment, absl::Duration patience) {
  // Not in the state directory: that may be on a disk which is full.
  const std::string ready = side_ + ".ready";
  std::filesystem::remove(ready);
  std::vector<std::string> words = options_.wrapper;
  words.insert(words.end(),
               {Mooringd(), "serve", "--state-dir", options_.state_dir, "--ready-file", ready});
  admin_.reset();
  process_ = std::make_unique<Background>(words, environment, log(), log());
  const absl::Time until = absl::Now() + patience;
  while (!std::filesystem::exists(ready)) {
    if (!running()) return absl::UnavailableError("the server ended: " + LastWords());
    if (absl::Now() > until) {
      Kill();
      return absl::DeadlineExceededError("the server does not start: " + LastWords());
    }
    absl::SleepFor(absl::Milliseconds(10));
  }
  const auto endpoints =
      nlohmann::json::parse(ReadText(options_.state_dir + "/endpoints.json"), nullptr, false);
  agents_address_ = endpoints.value("agents", "");
  std::string token = ReadText(options_.state_dir + "/admin-token");
  while (!token.empty() && token.back() == '\n') token.pop_back();
  admin_ =
      std::make_unique<AdminStubs>(ConnectAdmin(endpoints.value("enrollment", ""), ca(), token));
  return absl::OkStatus();
}

bool ShippedServer::running() {
  return process_ != nullptr && process_->running();
}

void ShippedServer::Kill() {
  if (process_ == nullptr) return;
  process_->Signal(SIGKILL);
  process_->Wait(absl::Seconds(30));
}

int ShippedServer::Stop() {
  process_->Signal(SIGTERM);
  return process_->Wait(absl::Seconds(60));
}

std::string ShippedServer::ca() const {
  return ReadText(options_.state_dir + "/ca.pem");
}

std::string ShippedServer::database_url() const {
  if (!options_.database_url.empty()) return options_.database_url;
  const auto files =
      storage::PreparePostgresFiles(options_.state_dir + "/postgres", "postgres", "");
  return files.ok() ? storage::SocketUrl(files->socket_directory, storage::kPostgresRole,
                                         storage::kPostgresDatabase)
                    : "";
}

std::string ShippedServer::LastWords() const {
  const std::string text = ReadText(log());
  return text.size() > kLastWordsBytes ? text.substr(text.size() - kLastWordsBytes) : text;
}

}  // namespace mooring::testing
