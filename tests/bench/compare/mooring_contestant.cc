#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include <absl/time/clock.h>
#include <fmt/format.h>

#include "tests/bench/compare/contestant.h"
#include "tests/bench/process_cost.h"
#include "tests/integration/agent/agent_bench.h"

namespace mooring::testing {
namespace {

// The shipped server, its PostgreSQL and CLI, and the agent with folders for
// phones, over mutual TLS. Both phones are one person's, as an old phone and its
// replacement are: other people's phones share app packages alone.
// To condemn, two marks, to doom, to remove, and the same for what was compacted.
constexpr int kRounds = 8;

class MooringContestant final : public Contestant {
 public:
  MooringContestant() : server_({"store_reserve_bytes: 1"}), agent_(server_, "agent") {
    // Collection waits for nothing and scrubbing does not hold back, as with the others.
    std::ofstream(server_.state() + "/mooringd.yaml", std::ios::app)
        << "collection:\n  pack_hours: 0\n  condemned_hours: 0\n  doomed_hours: 0\n"
           "  orphan_hours: 0\ncare:\n  scrub_bytes_per_second: 100000000000\n";
    server_.Stop(SIGTERM);
    server_.Start();
    agent_.Enroll();
    agent_.StartDaemon();
  }

  std::string name() const override { return "Mooring"; }

  StepCost Backup(int device, const std::string& folder) override {
    const std::string serial = SerialOf(device);
    std::ofstream(agent_.directory() + "/" + serial + ".source") << folder << "\n";
    if (std::find(attached_.begin(), attached_.end(), serial) == attached_.end()) {
      attached_.push_back(serial);
      agent_.Attach(attached_);
      // Bound to its owner inside the measured step: the backup begins with it.
      return Measure([&] {
        server_.Assign(serial, "ada");
        return agent_.Run({"backup", "--device", serial}, absl::Hours(1));
      });
    }
    return Measure([&] { return agent_.Run({"backup", "--device", serial}, absl::Hours(1)); });
  }

  StepCost Restore(int device, const std::string& folder) override {
    const std::string serial = SerialOf(device);
    std::ofstream(agent_.directory() + "/" + serial + ".target") << folder << "\n";
    return Measure([&] {
      // Exits with "waiting for approval".
      const RunResult asked = server_.Admin({"restore", "start", "--from", serial, "--to", serial,
                                             "--reason", "comparison", "-o", "json"});
      const Json created = Json::parse(asked.out, nullptr, false);
      server_.Admin({"request", "approve", created["request"].value("id", "")});
      return server_.Admin({"restore", "status", created.value("restore_id", ""), "--wait"});
    });
  }

  StepCost Verify() override {
    return Measure([&] { return server_.Admin({"repository", "scrub", "--all"}); });
  }

  // Rounds until nothing waits: what is unreferenced has to be seen so by several.
  StepCost Prune() override {
    const std::string policy = agent_.directory() + "/keep-one.yaml";
    std::ofstream(policy) << "group: default\nretention:\n  keep_last: 1\n";
    return Measure([&] {
      // Exits with "waiting for approval": less is kept than before.
      server_.Admin({"policy", "apply", "-f", policy});
      const Json listed = server_.AdminJson({"request", "list"});
      for (const Json& request : listed["requests"]) {
        server_.Admin({"request", "approve", request.value("id", "")});
      }
      RunResult last = server_.Admin({"repository", "prune", "--yes"});
      for (int round = 0; round < kRounds && last.exit_code == 0; ++round) {
        server_.Admin({"repository", "export"});  // Nothing is doomed before one.
        last = server_.Admin({"repository", "gc", "--ignore-share"});
      }
      return last;
    });
  }

 private:
  static std::string SerialOf(int device) { return fmt::format("FOLDER-{}", device); }

  struct Cpu {
    double agent = 0;
    double agent_tree = 0;  // With its sessions.
    double server = 0;
    double server_tree = 0;  // With PostgreSQL.
  };
  Cpu CpuNow() {
    return {ProcessCpuSeconds(agent_.daemon_pid()), TreeCpuSeconds(agent_.daemon_pid()),
            ProcessCpuSeconds(server_.pid()), TreeCpuSeconds(server_.pid())};
  }

  StepCost Measure(const std::function<RunResult()>& step) {
    const Cpu before = CpuNow();
    StepCost cost;
    const absl::Time begun = absl::Now();
    {
      std::jthread watch([&](const std::stop_token& stop) {
        while (!stop.stop_requested()) {
          double session = 0;
          for (const pid_t child : ChildrenOf(agent_.daemon_pid())) session += PeakMiB(child);
          cost.peak_mib = std::max(cost.peak_mib, session);
          absl::SleepFor(absl::Milliseconds(50));
        }
      });
      const RunResult result = step();
      if (result.exit_code != 0) {
        fmt::print(stderr, "Mooring failed:\n{}{}{}\n", result.out, result.err, agent_.log());
        std::exit(1);
      }
    }
    cost.ran = true;
    cost.wall_seconds = absl::ToDoubleSeconds(absl::Now() - begun);
    const Cpu after = CpuNow();
    cost.cpu_seconds =
        after.agent_tree + after.server_tree - before.agent_tree - before.server_tree;
    cost.stored_bytes = BytesBelow(server_.state() + "/repository");
    fmt::print(
        "  CPU-s: session {:.1f}, agent {:.1f}, server {:.1f}, PostgreSQL {:.1f}; agent at most "
        "{:.1f} MiB, server {:.1f} MiB\n",
        after.agent_tree - before.agent_tree - (after.agent - before.agent),
        after.agent - before.agent, after.server - before.server,
        after.server_tree - before.server_tree - (after.server - before.server),
        PeakMiB(agent_.daemon_pid()), PeakMiB(server_.pid()));
    return cost;
  }

  TestServer server_;
  TestAgent agent_;
  std::vector<std::string> attached_;
};

}  // namespace

std::unique_ptr<Contestant> MakeMooring() {
  return std::make_unique<MooringContestant>();
}

}  // namespace mooring::testing
