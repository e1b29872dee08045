// power_cuts: the repository and its PostgreSQL on one loop-mounted file system, whose power
// is cut at a random instant, or right after the server was killed at a failpoint; then it is
// mounted again, the server started, and nothing acknowledged may be lost. README.md.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/crash/crash_world.h"
#include "tests/crash/failpoint_board.h"
#include "tests/crash/loop_disk.h"
#include "tests/crash/watched.h"

namespace mooring::testing {
namespace {

constexpr std::uint64_t kDiskBytes = std::uint64_t{1} << 30;
constexpr absl::Duration kHung = absl::Minutes(3);
constexpr int kPhones = 3;
constexpr std::uint64_t kEverythingEvery = 5;
constexpr int kSkipped = 77;  // SKIP_RETURN_CODE of the test.

struct Options {
  std::uint64_t cuts = 40;
  std::uint64_t seed = 1;
  std::string file_system = "both";
  bool lying_fsync = false;
  bool verbose = false;
};

// Where durability is decided.
const std::vector<std::string>& Failpoints() {
  static const std::vector<std::string> words = {
      "write@staging:2:kill-torn",     "sync@staging:1:kill-before",
      "sync@staging:2:kill-after",     "rename@packs:1:kill-after",
      "rename@packs:2:kill-after",     "sync-dir@packs:1:kill-before",
      "sync-dir@packs:1:kill-after",   "sync-dir@staging:1:kill-after",
      "rename@keys:1:kill-after",      "sync-dir@keys:1:kill-after",
      "rename@snapshots:1:kill-after", "sync-dir@snapshots:1:kill-before",
      "commit@database:5:kill-after",  "answer@database:8:kill-before",
      "answer@database:9:kill-after",  "mkdir@packs:1:kill-after",
  };
  return words;
}

class PowerCuts {
 public:
  PowerCuts(const Options& options, std::string kind)
      : options_(options), kind_(std::move(kind)), random_(options.seed) {}

  ~PowerCuts() {
    if (server_ != nullptr) server_->Kill();
    KillPostgres(postmaster_);
    if (failed_ && disk_ != nullptr) disk_->Keep();
  }

  // kUnimplemented: not possible here.
  absl::Status SetUp() {
    MOORING_ASSIGN_OR_RETURN(disk_, LoopDisk::Make(kind_, kDiskBytes));
    server_ = std::make_unique<ShippedServer>(
        ShippedServerOptions{.state_dir = disk_->path() + "/server"});
    // The log and the board of failpoints have to outlive a cut.
    server_->set_side_dir(side_.path());
    board_ = std::make_unique<FailpointBoard>(side_.path() + "/failpoints", server_->repository());
    MOORING_RETURN_IF_ERROR(server_->Init());
    MOORING_RETURN_IF_ERROR(StartServer());
    world_ = std::make_unique<CrashWorld>(*server_, kPhones, options_.seed);
    return world_->SetUp();
  }

  absl::Status Run(std::uint64_t cuts) {
    for (std::uint64_t cut = 1; cut <= cuts; ++cut) {
      const absl::Time begin = absl::Now();
      const absl::Status status = Watched(*server_, kHung, [&] { return RunCut(cut); });
      if (!status.ok()) {
        failed_ = true;
        std::fprintf(stderr,
                     "%s cut %llu (%s): %s\nagain: power_cuts --file-system %s --seed %llu --cuts "
                     "%llu\nthe server's last words:\n%s\n",
                     kind_.c_str(), static_cast<unsigned long long>(cut), plan_.c_str(),
                     status.ToString().c_str(), kind_.c_str(),
                     static_cast<unsigned long long>(options_.seed),
                     static_cast<unsigned long long>(cut), server_->LastWords().c_str());
        return status;
      }
      if (options_.verbose) {
        std::printf("%s %llu %s %s\n", kind_.c_str(), static_cast<unsigned long long>(cut),
                    plan_.c_str(), absl::FormatDuration(absl::Now() - begin).c_str());
        std::fflush(stdout);
      }
    }
    std::printf(
        "%s: %llu power cuts, %llu snapshots acknowledged, 0 lost, %llu restores compared\n",
        kind_.c_str(), static_cast<unsigned long long>(cuts),
        static_cast<unsigned long long>(world_->acknowledged()),
        static_cast<unsigned long long>(world_->restored()));
    return absl::OkStatus();
  }

 private:
  absl::Status StartServer() {
    MOORING_RETURN_IF_ERROR(server_->Start(board_->environment()));
    postmaster_ = PostmasterOf(server_->state_dir() + "/postgres/data");
    if (!options_.lying_fsync) return absl::OkStatus();
    board_->Arm(FailpointOf("sync@staging:1:skip-forever").value());
    return absl::OkStatus();
  }

  absl::Status RunCut(std::uint64_t number) {
    const auto cut = number % 2 == 0 ? LoopDisk::Cut::kLogFlushed : LoopDisk::Cut::kNothingFlushed;
    const std::uint64_t draw = random_.Below(10);
    const Step step = draw < 7 ? Step::kTwoBackups : draw < 9 ? Step::kCollect : Step::kPrune;
    const bool at_failpoint = step == Step::kTwoBackups && number % 3 == 0 && !options_.lying_fsync;
    const std::string failpoint = Failpoints().at(random_.Below(Failpoints().size()));
    const auto after = absl::Milliseconds(random_.Below(700));
    plan_ =
        fmt::format("{} {} flags {}", NameOf(step),
                    at_failpoint ? failpoint : absl::FormatDuration(after), static_cast<int>(cut));
    if (at_failpoint) board_->Arm(FailpointOf(failpoint).value());
    absl::Status was_cut;
    {
      const std::jthread load([&] { LoadUntilDead(step); });
      const absl::Time until = absl::Now() + (at_failpoint ? absl::Seconds(5) : after);
      while (server_->running() && absl::Now() < until) absl::SleepFor(absl::Milliseconds(1));
      was_cut = disk_->CutPower(cut);
      server_->Kill();
    }
    if (!options_.lying_fsync) board_->Disarm();
    MOORING_RETURN_IF_ERROR(was_cut);
    KillPostgres(postmaster_);
    MOORING_RETURN_IF_ERROR(disk_->MountAgain());
    MOORING_RETURN_IF_ERROR(Annotate(StartServer(), "the start after the cut"));
    MOORING_RETURN_IF_ERROR(world_->Settle());
    return world_->Check(number % kEverythingEvery == 0);
  }

  // One after another, for as long as the server answers.
  void LoadUntilDead(Step step) {
    while (server_->running() && world_->Run(step).ok()) step = Step::kTwoBackups;
  }

  const Options options_;
  const std::string kind_;
  SeededRandom random_;
  TempDir side_;
  std::unique_ptr<LoopDisk> disk_;
  std::unique_ptr<ShippedServer> server_;
  std::unique_ptr<FailpointBoard> board_;
  std::unique_ptr<CrashWorld> world_;
  pid_t postmaster_ = 0;
  std::string plan_;
  bool failed_ = false;
};

int RunOn(const Options& options, const std::string& kind, std::uint64_t cuts) {
  PowerCuts power_cuts(options, kind);
  const absl::Status ready = power_cuts.SetUp();
  if (absl::IsUnimplemented(ready)) {
    std::printf("skipped: no %s on a loop device here: %s\n", kind.c_str(),
                std::string(ready.message()).c_str());
    return kSkipped;
  }
  if (!ready.ok()) {
    std::fprintf(stderr, "power_cuts: set up: %s\n", ready.ToString().c_str());
    return 1;
  }
  const bool lost = !power_cuts.Run(cuts).ok();
  if (options.lying_fsync) std::printf("the lying fsync was %s\n", lost ? "noticed" : "missed");
  return lost == options.lying_fsync ? 0 : 1;
}

int Main(int argc, char** argv) {
  setenv("GRPC_ENABLE_FORK_SUPPORT", "0", 1);  // Children of ours exec at once.
  Options options;
  CLI::App app{"Cuts the power under the server and checks that nothing acknowledged is lost"};
  app.add_option("--cuts", options.cuts, "how many, on all file systems together (40)");
  app.add_option("--seed", options.seed, "what is drawn (1)");
  app.add_option("--file-system", options.file_system, "ext4, xfs or both")
      ->check(CLI::IsMember({"ext4", "xfs", "both"}));
  app.add_flag("--lying-fsync", options.lying_fsync,
               "plant a bug, fsync of packs does nothing: 0 if that is noticed");
  app.add_flag("--verbose", options.verbose, "one line a cut");
  CLI11_PARSE(app, argc, argv);
  std::vector<std::string> kinds = {options.file_system};
  if (options.file_system == "both") kinds = {"ext4", "xfs"};
  for (const std::string& kind : kinds) {
    const int code = RunOn(options, kind, options.cuts / kinds.size());
    if (code != 0) return code;
  }
  return 0;
}

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  return mooring::testing::Main(argc, argv);
}
