// crash_cycles: kills the shipped mooringd at a failpoint, or its PostgreSQL, again and
// again, under backups, pruning, collection, scrubbing and exports; starts it without any
// manual work, and checks that no acknowledged snapshot is lost. README.md has the rest.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/private_postgres.h"
#include "storage/catalog/sql.h"
#include "tests/crash/crash_world.h"
#include "tests/crash/failpoint_board.h"
#include "tests/crash/watched.h"

namespace mooring::testing {
namespace {

constexpr absl::Duration kHung = absl::Minutes(3);
constexpr int kPhones = 3;
// All is restored, and all that is stored read, after so many cycles.
constexpr std::uint64_t kEverythingEvery = 20;

struct Options {
  std::uint64_t cycles = 200;
  std::uint64_t seed = 1;
  std::string replay;
  bool verbose = false;
};

// What happens to whom in one cycle. In words "STEP/FAULT", as --replay takes it.
struct Plan {
  enum class Fault {
    kFailpoint,
    kStartFailpoint,   // While the server starts.
    kMoment,           // SIGKILL of the server after a while.
    kDatabaseSession,  // SIGKILL of a session of PostgreSQL: it restarts all of itself.
    kDatabase,         // Immediate stop of PostgreSQL.
  };
  Step step = Step::kBackup;
  Fault fault = Fault::kMoment;
  Failpoint failpoint;
  std::uint64_t after_ms = 0;
};

std::string ToWords(const Plan& plan) {
  const std::string step = std::string(NameOf(plan.step)) + "/";
  switch (plan.fault) {
    case Plan::Fault::kFailpoint:
      return step + ToWords(plan.failpoint);
    case Plan::Fault::kStartFailpoint:
      return step + "start:" + ToWords(plan.failpoint);
    case Plan::Fault::kMoment:
      return fmt::format("{}kill:{}", step, plan.after_ms);
    case Plan::Fault::kDatabaseSession:
      return fmt::format("{}database-session:{}", step, plan.after_ms);
    case Plan::Fault::kDatabase:
      return fmt::format("{}database:{}", step, plan.after_ms);
  }
  return step;
}

std::optional<Plan> PlanOf(const std::string& words) {
  const std::size_t slash = words.find('/');
  if (slash == std::string::npos) return std::nullopt;
  Plan plan;
  plan.step = Step::kEnd;
  for (int i = 0; i < static_cast<int>(Step::kEnd); ++i) {
    if (words.substr(0, slash) == NameOf(static_cast<Step>(i))) plan.step = static_cast<Step>(i);
  }
  if (plan.step == Step::kEnd) return std::nullopt;
  std::string fault = words.substr(slash + 1);
  plan.fault = Plan::Fault::kFailpoint;
  if (fault.rfind("start:", 0) == 0) {
    plan.fault = Plan::Fault::kStartFailpoint;
    fault = fault.substr(6);
  }
  if (const auto failpoint = FailpointOf(fault)) {
    plan.failpoint = *failpoint;
    return plan;
  }
  const std::map<std::string, Plan::Fault> kTimed = {
      {"kill", Plan::Fault::kMoment},
      {"database-session", Plan::Fault::kDatabaseSession},
      {"database", Plan::Fault::kDatabase}};
  const std::size_t colon = fault.find(':');
  const auto timed = kTimed.find(fault.substr(0, colon));
  if (colon == std::string::npos || timed == kTimed.end()) return std::nullopt;
  plan.fault = timed->second;
  plan.after_ms = std::strtoull(fault.c_str() + colon + 1, nullptr, 10);
  return plan;
}

// How often a step, or the start, makes each call: where a failpoint can be.
class Census {
 public:
  struct Call {
    FailOp op;
    FailPlace place;
    std::uint64_t count;
  };
  explicit Census(const FailpointBoard& board) : board_(board) { Take(before_); }

  std::vector<Call> Since() {
    Counts now;
    Take(now);
    std::vector<Call> calls;
    for (const auto& [key, count] : now) {
      const std::uint64_t made = count - before_[key];
      if (made > 0) calls.push_back({key.first, key.second, made});
    }
    return calls;
  }

 private:
  using Counts = std::map<std::pair<FailOp, FailPlace>, std::uint64_t>;
  void Take(Counts& counts) {
    for (std::uint32_t op = 0; op < kFailOps; ++op) {
      for (std::uint32_t place = 0; place < kFailPlaces; ++place) {
        const auto key = std::pair(static_cast<FailOp>(op), static_cast<FailPlace>(place));
        counts[key] = board_.Count(key.first, key.second);
      }
    }
  }
  const FailpointBoard& board_;
  Counts before_;
};

class Cycles {
 public:
  explicit Cycles(const Options& options)
      : options_(options),
        random_(options.seed),
        server_({.state_dir = dir_.path() + "/server"}),
        board_(dir_.path() + "/failpoints", dir_.path() + "/server/repository") {}

  ~Cycles() {
    server_.Kill();
    if (failed_) {
      dir_.Keep();
      std::fprintf(stderr, "state and logs are kept in %s\n", dir_.path().c_str());
    }
  }

  absl::Status SetUp() {
    storage::PrivatePostgresOptions postgres;
    postgres.directory = dir_.path() + "/postgres";
    postgres.shared_buffers = "32MB";
    MOORING_ASSIGN_OR_RETURN(
        postgres_, storage::PrivatePostgres::Start(
                       {.deadline = absl::Now() + absl::Minutes(2), .stop = {}}, postgres, clock_));
    server_.set_database_url(postgres_->url());
    MOORING_RETURN_IF_ERROR(server_.Init());
    MOORING_RETURN_IF_ERROR(StartServer());
    world_ = std::make_unique<CrashWorld>(server_, kPhones, options_.seed);
    MOORING_RETURN_IF_ERROR(world_->SetUp());
    return TakeCensus();
  }

  absl::Status Run() {
    for (std::uint64_t cycle = 1; cycle <= options_.cycles; ++cycle) {
      const Plan plan = options_.replay.empty() ? Draw() : PlanOf(options_.replay).value();
      const absl::Time begin = absl::Now();
      const absl::Status status = Watched(server_, kHung, [&] { return RunCycle(plan, cycle); });
      if (!status.ok()) {
        failed_ = true;
        std::fprintf(stderr,
                     "cycle %llu: %s: %s\nagain: crash_cycles --seed %llu --cycles %llu, or "
                     "--replay %s\nthe server's last words:\n%s\n",
                     static_cast<unsigned long long>(cycle), ToWords(plan).c_str(),
                     status.ToString().c_str(), static_cast<unsigned long long>(options_.seed),
                     static_cast<unsigned long long>(cycle), ToWords(plan).c_str(),
                     server_.LastWords().c_str());
        return status;
      }
      if (options_.verbose) {
        std::printf("%llu %s%s %s\n", static_cast<unsigned long long>(cycle), ToWords(plan).c_str(),
                    was_hit_ ? "" : " (not reached)",
                    absl::FormatDuration(absl::Now() - begin).c_str());
        std::fflush(stdout);
      }
    }
    MOORING_RETURN_IF_ERROR(world_->Check(true));
    std::printf(
        "%llu cycles, %llu failpoints reached, %llu snapshots acknowledged, 0 lost, "
        "%llu restores compared\n",
        static_cast<unsigned long long>(options_.cycles), static_cast<unsigned long long>(hits_),
        static_cast<unsigned long long>(world_->acknowledged()),
        static_cast<unsigned long long>(world_->restored()));
    return absl::OkStatus();
  }

 private:
  absl::Status StartServer() { return server_.Start(board_.environment()); }

  absl::Status TakeCensus() {
    // Something to prune, to collect and to merge.
    for (int i = 0; i < 8 * kPhones; ++i) MOORING_RETURN_IF_ERROR(world_->Run(Step::kBackup));
    for (int i = 0; i < static_cast<int>(Step::kEnd); ++i) {
      const Step step = static_cast<Step>(i);
      Census census(board_);
      MOORING_RETURN_IF_ERROR(Annotate(world_->Run(step), NameOf(step)));
      calls_[step] = census.Since();
    }
    MOORING_RETURN_IF_ERROR(world_->Settle());
    server_.Kill();
    Census census(board_);
    MOORING_RETURN_IF_ERROR(StartServer());
    start_calls_ = census.Since();
    world_->Reconnect();
    if (options_.verbose) std::printf("%s", board_.Counts().c_str());
    return world_->Check(true);
  }

  Plan Draw() {
    Plan plan;
    // Backups in half of the cycles.
    const std::uint64_t step = random_.Below(12);
    plan.step = step < 6 ? (step < 4 ? Step::kBackup : Step::kTwoBackups)
                         : (step < 8    ? Step::kCollect
                            : step < 10 ? Step::kPrune
                            : step < 11 ? Step::kScrub
                                        : Step::kExport);
    plan.after_ms = random_.Below(400);
    const std::uint64_t fault = random_.Below(100);
    if (fault < 82) {
      plan.fault = fault < 6 ? Plan::Fault::kStartFailpoint : Plan::Fault::kFailpoint;
      plan.failpoint = DrawFailpoint(fault < 6 ? start_calls_ : calls_[plan.step]);
    } else if (fault < 90) {
      plan.fault = Plan::Fault::kMoment;
    } else {
      plan.fault = fault < 95 ? Plan::Fault::kDatabaseSession : Plan::Fault::kDatabase;
    }
    return plan;
  }

  Failpoint DrawFailpoint(const std::vector<Census::Call>& calls) {
    const Census::Call& call = calls.at(random_.Below(calls.size()));
    Failpoint failpoint{.op = call.op,
                        .place = call.place,
                        // Rather early: what comes late is not reached when there is less to do.
                        .nth = 1 + random_.Below(1 + random_.Below(call.count)),
                        .action = FailAction::kKillBefore,
                        .error = 0,
                        .forever = false};
    const std::uint64_t action = random_.Below(10);
    if (action < 4) return failpoint;
    failpoint.action = FailAction::kKillAfter;
    if (action < 7) return failpoint;
    // What else can happen to this call.
    if (call.op == FailOp::kAllocate) {
      failpoint.action = FailAction::kError;
      failpoint.error = ENOMEM;
    } else if (call.op == FailOp::kAnswer) {
      failpoint.action = FailAction::kLoseReply;
    } else if (call.op == FailOp::kWrite && action < 9) {
      failpoint.action = FailAction::kKillTorn;
    } else if (call.place != FailPlace::kDatabase) {
      failpoint.action = FailAction::kError;
      failpoint.error = call.op == FailOp::kWrite || call.op == FailOp::kCreate ? ENOSPC : EIO;
    }
    return failpoint;
  }

  absl::Status RunCycle(const Plan& plan, std::uint64_t cycle) {
    was_hit_ = true;
    if (plan.fault == Plan::Fault::kStartFailpoint) {
      server_.Kill();
      board_.Arm(plan.failpoint);
      StartServer().IgnoreError();
      world_->Reconnect();
    } else if (plan.fault == Plan::Fault::kFailpoint) {
      board_.Arm(plan.failpoint);
    }
    {
      const std::jthread fault([&] { Hurt(plan); });
      if (server_.running()) world_->Run(plan.step).IgnoreError();
    }
    if (plan.fault == Plan::Fault::kFailpoint || plan.fault == Plan::Fault::kStartFailpoint) {
      was_hit_ = board_.acted() > 0;
      if (was_hit_) ++hits_;
    }
    board_.Disarm();
    // Whatever the fault left of it.
    server_.Kill();
    MOORING_RETURN_IF_ERROR(Annotate(StartUntilReady(), "the start after the fault"));
    MOORING_RETURN_IF_ERROR(world_->Settle());
    return world_->Check(cycle % kEverythingEvery == 0);
  }

  // PostgreSQL may be recovering: whoever supervises the server starts it again.
  absl::Status StartUntilReady() {
    const absl::Time until = absl::Now() + absl::Minutes(1);
    absl::Status status = StartServer();
    while (absl::IsUnavailable(status) && absl::Now() < until) {
      absl::SleepFor(absl::Milliseconds(200));
      status = StartServer();
    }
    return status;
  }

  // The faults that come after a while.
  void Hurt(const Plan& plan) {
    if (plan.fault == Plan::Fault::kFailpoint || plan.fault == Plan::Fault::kStartFailpoint) return;
    absl::SleepFor(absl::Milliseconds(plan.after_ms));
    if (plan.fault == Plan::Fault::kMoment) {
      kill(server_.pid(), SIGKILL);
    } else if (plan.fault == Plan::Fault::kDatabase) {
      // Immediate: no checkpoint, no good-bye. It is started again and recovers.
      if (const pid_t pid = postgres_->pid(); pid > 0) kill(pid, SIGQUIT);
    } else {
      KillDatabaseSession();
    }
  }

  void KillDatabaseSession() {
    const auto sql = storage::SqlSession::Connect(postgres_->url());
    if (!sql.ok()) return;
    const auto found = (*sql)->Exec(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() ORDER BY state = 'active' DESC, random() LIMIT 1");
    if (!found.ok() || found->empty()) return;
    const auto pid = static_cast<pid_t>(storage::SqlReader(*found, 0).Int64());
    if (pid > 1) kill(pid, SIGKILL);
  }

  const Options options_;
  SystemClock clock_;
  SeededRandom random_;
  TempDir dir_;
  std::unique_ptr<storage::PrivatePostgres> postgres_;
  ShippedServer server_;
  FailpointBoard board_;
  std::unique_ptr<CrashWorld> world_;
  std::map<Step, std::vector<Census::Call>> calls_;
  std::vector<Census::Call> start_calls_;
  bool was_hit_ = false;
  std::uint64_t hits_ = 0;
  bool failed_ = false;
};

int Main(int argc, char** argv) {
  setenv("GRPC_ENABLE_FORK_SUPPORT", "0", 1);  // Children of ours exec at once.
  Options options;
  CLI::App app{"Kills the server at failpoints and checks that nothing acknowledged is lost"};
  app.add_option("--cycles", options.cycles, "how many (200)");
  app.add_option("--seed", options.seed, "what is drawn (1)");
  app.add_option("--replay", options.replay, "STEP/FAULT in every cycle, as a failure prints it");
  app.add_flag("--verbose", options.verbose, "one line a cycle");
  CLI11_PARSE(app, argc, argv);
  if (!options.replay.empty() && !PlanOf(options.replay)) {
    std::fprintf(stderr, "crash_cycles: --replay %s is no STEP/FAULT\n", options.replay.c_str());
    return 2;
  }
  Cycles cycles(options);
  const absl::Status ready = cycles.SetUp();
  if (!ready.ok()) {
    std::fprintf(stderr, "crash_cycles: set up: %s\n", ready.ToString().c_str());
    return 1;
  }
  const absl::Status done = cycles.Run();
  if (!done.ok()) std::fprintf(stderr, "crash_cycles: %s\n", done.ToString().c_str());
  return done.ok() ? 0 : 1;
}

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  return mooring::testing::Main(argc, argv);
}
