#include <csignal>
#include <filesystem>

#include <absl/time/clock.h>
#include <fmt/format.h>

#include "tests/bench/compare/contestant.h"
#include "tests/bench/process_cost.h"
#include "tests/support/subprocess.h"

namespace mooring::testing {
namespace {

using Words = std::vector<std::string>;

class Restic final : public Contestant {
 public:
  Restic(const std::string& directory, bool over_rest)
      : over_rest_(over_rest), repository_(directory + "/repository") {
    std::filesystem::create_directories(repository_);
    environment_ = {{"RESTIC_PASSWORD", "x"},
                    {"RESTIC_CACHE_DIR", directory + "/cache"},
                    {"RESTIC_REPOSITORY", repository_}};
    if (over_rest_) {
      server_ = std::make_unique<Background>(
          Words{"rclone", "--config", "/dev/null", "serve", "restic", "--addr", "127.0.0.1:18735",
                repository_},
          Environment(), directory + "/rclone.out", directory + "/rclone.err");
      absl::SleepFor(absl::Seconds(2));
      environment_["RESTIC_REPOSITORY"] = "rest:http://127.0.0.1:18735/";
    }
    Run({"init"});
  }
  ~Restic() override {
    if (server_ != nullptr) server_->Signal(SIGTERM);
    if (server_ != nullptr) server_->Wait(absl::Seconds(10));
  }

  std::string name() const override { return over_rest_ ? "restic, REST" : "restic, local"; }

  StepCost Backup(int device, const std::string& folder) override {
    return Run({"backup", "--host", fmt::format("dev{}", device), folder});
  }
  StepCost Restore(int device, const std::string& folder) override {
    return Run({"restore", "latest", "--host", fmt::format("dev{}", device), "--target", folder});
  }
  StepCost Verify() override { return Run({"check", "--read-data"}); }
  StepCost Prune() override {
    return Run(
        {"forget", "--keep-last", "1", "--group-by", "host", "--prune", "--max-unused", "0"});
  }

 private:
  StepCost Run(const Words& words) {
    Words argv = {"restic", "-q"};
    argv.insert(argv.end(), words.begin(), words.end());
    const double server_before = server_ ? TreeCpuSeconds(server_->pid()) : 0;
    StepCost cost = RunMeasured(argv, environment_);
    if (server_) cost.cpu_seconds += TreeCpuSeconds(server_->pid()) - server_before;
    cost.stored_bytes = BytesBelow(repository_);
    return cost;
  }

  const bool over_rest_;
  const std::string repository_;
  Environment environment_;
  std::unique_ptr<Background> server_;
};

class Borg final : public Contestant {
 public:
  explicit Borg(const std::string& directory) : repository_(directory + "/repository") {
    environment_ = {{"BORG_PASSPHRASE", "x"},
                    {"BORG_BASE_DIR", directory},
                    {"BORG_REPO", repository_},
                    {"BORG_RELOCATED_REPO_ACCESS_IS_OK", "yes"}};
    std::filesystem::create_directories(directory);
    Run({"init", "-e", "repokey-blake2"});
  }

  std::string name() const override { return "borg"; }

  StepCost Backup(int device, const std::string& folder) override {
    newest_[device] = fmt::format("dev{}-{}", device, ++archives_);
    return Run({"create", "-C", "zstd,1", "::" + newest_[device], folder});
  }
  StepCost Restore(int device, const std::string& folder) override {
    return Run({"extract", "::" + newest_[device]}, folder);
  }
  StepCost Verify() override { return Run({"check", "--verify-data"}); }
  StepCost Prune() override {
    StepCost total = Run({"prune", "--keep-last", "1", "--glob-archives", "dev0-*"});
    const StepCost compacted = Run({"compact", "--threshold", "0"});
    total.wall_seconds += compacted.wall_seconds;
    total.cpu_seconds += compacted.cpu_seconds;
    total.peak_mib = std::max(total.peak_mib, compacted.peak_mib);
    total.stored_bytes = compacted.stored_bytes;
    return total;
  }

 private:
  StepCost Run(const Words& words, const std::string& directory = "/") {
    Words argv = {"env", "-C", directory, "borg"};
    argv.insert(argv.end(), words.begin(), words.end());
    StepCost cost = RunMeasured(argv, environment_);
    cost.stored_bytes = BytesBelow(repository_);
    return cost;
  }

  const std::string repository_;
  Environment environment_;
  std::map<int, std::string> newest_;
  int archives_ = 0;
};

}  // namespace

std::unique_ptr<Contestant> MakeRestic(const std::string& directory, bool over_rest) {
  return std::make_unique<Restic>(directory, over_rest);
}

std::unique_ptr<Contestant> MakeBorg(const std::string& directory) {
  return std::make_unique<Borg>(directory);
}

}  // namespace mooring::testing
