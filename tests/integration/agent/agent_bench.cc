#include "tests/integration/agent/agent_bench.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>

#include <absl/time/clock.h>

namespace mooring::testing {
namespace {

std::string Binary(const std::string& name) {
  return std::string(MOORING_BINARY_DIR) + "/" + name;
}

}  // namespace

bool Eventually(const std::function<bool()>& ready, absl::Duration patience) {
  const absl::Time until = absl::Now() + patience;
  while (!ready()) {
    if (absl::Now() > until) return false;
    absl::SleepFor(absl::Milliseconds(100));
  }
  return true;
}

TestServer::TestServer(const std::vector<std::string>& limits) {
  // Fixed ports from the first start on, so that agents find a restarted server.
  const RunResult init =
      RunProgram({Binary("mooringd"), "init", "--state-dir", state(), "--organization", "Test Inc.",
                  "--listen-agents", "127.0.0.1:0", "--listen-enrollment", "127.0.0.1:0",
                  "--listen-metrics", "127.0.0.1:0", "--single-admin"});
  EXPECT_EQ(init.exit_code, 0) << init.out << init.err;
  if (!limits.empty()) {
    std::ofstream config(state() + "/mooringd.yaml", std::ios::app);
    config << "limits:\n";
    for (const std::string& line : limits) config << "  " << line << "\n";
  }
  Start();
  const Json endpoints = Json::parse(ReadText(state() + "/endpoints.json"), nullptr, false);
  // The ports that the system chose become the configured ones.
  std::string text = ReadText(state() + "/mooringd.yaml");
  for (const char* name : {"agents", "enrollment"}) {
    const std::string key = std::string(name) + ":";
    const std::size_t at = text.find(key);
    const std::size_t end = text.find('\n', at);
    text.replace(at, end - at, key + " \"" + endpoints.value(name, "") + "\"");
  }
  std::ofstream(state() + "/mooringd.yaml", std::ios::trunc) << text;
  const RunResult login = Admin({"login", "--server", endpoints.value("enrollment", ""), "--ca",
                                 state() + "/ca.pem", "--token-file", state() + "/admin-token"});
  EXPECT_EQ(login.exit_code, 0) << login.out << login.err;
}

TestServer::~TestServer() {
  if (server_ != nullptr) Stop(SIGTERM);
}

void TestServer::Start() {
  const std::string out = dir_.path() + "/mooringd.out";
  std::filesystem::remove(out);
  server_ = std::make_unique<Background>(
      std::vector<std::string>{Binary("mooringd"), "serve", "--state-dir", state()}, Environment(),
      out, dir_.path() + "/mooringd.log");
  EXPECT_TRUE(Eventually([&] {
    return !server_->running() || ReadText(out).find("mooringd ready") != std::string::npos;
  }));
  EXPECT_TRUE(server_->running()) << ReadText(dir_.path() + "/mooringd.log");
}

void TestServer::Stop(int signal) {
  server_->Signal(signal);
  server_->Wait(absl::Seconds(60));
  server_.reset();
}

RunResult TestServer::Admin(const std::vector<std::string>& words) {
  std::vector<std::string> argv = {Binary("mooring")};
  argv.insert(argv.end(), words.begin(), words.end());
  return RunProgram(argv, {{"MOORING_CONFIG", path() + "/mooring.yaml"},
                           {"MOORING_SERVER", ""},
                           {"MOORING_TOKEN", ""},
                           {"MOORING_CA", ""}});
}

Json TestServer::AdminJson(std::vector<std::string> words) {
  words.insert(words.end(), {"-o", "json"});
  const RunResult result = Admin(words);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  return Json::parse(result.out, nullptr, false);
}

std::string TestServer::Invite() {
  return AdminJson({"agent", "invite", "create"}).value("token", "");
}

void TestServer::Assign(const std::string& serial, const std::string& handle) {
  Admin({"person", "create", "--handle", handle, "--name", handle});
  EXPECT_TRUE(Eventually([&] {
    return Admin({"device", "assign", serial, "--person", handle}).exit_code == 0;
  })) << serial;
}

TestAgent::TestAgent(TestServer& server, const std::string& name)
    : server_(server), directory_(server.path() + "/" + name) {
  std::filesystem::create_directories(directory_);
}

TestAgent::~TestAgent() {
  if (daemon_ != nullptr) StopDaemon(SIGTERM);
}

std::vector<std::string> TestAgent::Command(const std::vector<std::string>& words) const {
  std::vector<std::string> argv = {"/usr/bin/env", "-C", directory_, Binary("synthetic_agent")};
  argv.insert(argv.end(), words.begin(), words.end());
  argv.insert(argv.end(), {"--state-dir", state()});
  return argv;
}

RunResult TestAgent::Enroll(const std::string& token, const std::vector<std::string>& more) {
  std::vector<std::string> words = {"enroll", "--invite", token.empty() ? server_.Invite() : token};
  words.insert(words.end(), more.begin(), more.end());
  RunResult result = Run(words);
  const std::size_t at = result.out.find("as agent ");
  if (at != std::string::npos) id_ = result.out.substr(at + 9, 32);
  return result;
}

RunResult TestAgent::Run(const std::vector<std::string>& words, absl::Duration timeout) {
  return RunProgram(Command(words), {}, "", timeout);
}

void TestAgent::StartDaemon() {
  daemon_ = std::make_unique<Background>(Command({"run"}), Environment(), directory_ + "/out",
                                         directory_ + "/log");
  EXPECT_TRUE(Eventually([&] {
    return Run({"status", "-o", "json"}).out.find("\"connected\": true") != std::string::npos;
  })) << log();
}

void TestAgent::StopDaemon(int signal) {
  daemon_->Signal(signal);
  daemon_->Wait(absl::Seconds(60));
  daemon_.reset();
}

void TestAgent::Attach(const std::vector<std::string>& serials) {
  {
    std::ofstream file(directory_ + "/phones.new");
    for (const std::string& serial : serials) file << serial << "\n";
  }
  std::filesystem::rename(directory_ + "/phones.new", directory_ + "/phones");
}

void TestAgent::SetGeneration(const std::string& serial, int generation) {
  std::ofstream(directory_ + "/" + serial + ".generation") << generation;
}

std::string TestAgent::log() const {
  return ReadText(directory_ + "/log") + ReadText(server_.path() + "/mooringd.log");
}

}  // namespace mooring::testing
