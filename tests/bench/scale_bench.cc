// scale_bench [--files N] [--bytes N]: one phone of N generated files through
// the shipped binaries, and what that cost: wall, CPU of agent and server
// apart, and the largest resident set of the device session.
//
// The simulated phone costs CPU of its own on the same cores, so the wall time
// is a floor of what a real phone would see.

#include <algorithm>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "tests/bench/process_cost.h"
#include "tests/e2e/deployment.h"

namespace mooring::testing {
namespace {

struct Cost {
  double wall = 0;
  double agent_cpu = 0;
  double server_cpu = 0;
  double session_peak_mib = 0;
  double agent_peak_mib = 0;
  double server_peak_mib = 0;
  bool ok = false;
};

Cost Measure(Deployment& d, const std::string& phone) {
  Cost cost;
  const pid_t agent = d.agent("desk").pid();
  const pid_t server = d.server().pid();
  const double agent_before = TreeCpuSeconds(agent);
  const double server_before = TreeCpuSeconds(server);
  const absl::Time start = absl::Now();
  Background backup({Deployment::Binary("mooring-agent"), "backup", "--device", phone,
                     "--state-dir", d.agent_dir("desk")},
                    d.FarmEnvironment("usb"), d.path() + "/bench.out", d.path() + "/bench.err");
  while (backup.Wait(absl::Milliseconds(100)) == -1 && backup.running()) {
    for (const pid_t session : ChildrenOf(agent)) {
      cost.session_peak_mib = std::max(cost.session_peak_mib, PeakMiB(session));
    }
  }
  cost.wall = absl::ToDoubleSeconds(absl::Now() - start);
  cost.ok = backup.Wait(absl::Seconds(1)) == 0;
  cost.agent_cpu = TreeCpuSeconds(agent) - agent_before;
  cost.server_cpu = TreeCpuSeconds(server) - server_before;
  cost.agent_peak_mib = PeakMiB(agent);
  cost.server_peak_mib = PeakMiB(server);
  return cost;
}

void Print(const char* name, const Cost& cost, double read_bytes) {
  const double gib = read_bytes / (1 << 30);
  fmt::print("{:<12} {:>9.1f} s {:>8.1f} MB/s {:>9.2f} {:>9.2f} {:>9.1f} {:>9.1f} {:>9.1f}\n", name,
             cost.wall, read_bytes / 1e6 / cost.wall, gib > 0 ? cost.agent_cpu / gib : 0,
             gib > 0 ? cost.server_cpu / gib : 0, cost.session_peak_mib, cost.agent_peak_mib,
             cost.server_peak_mib);
}

int RunBench(const std::string& files, const std::string& bytes) {
  Deployment d;
  d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "1", "--seed", "61", "--files", files, "--bytes", bytes});
  d.StartAgent("desk", "usb");
  const std::string phone = d.Phones("usb").at(0);
  d.AwaitDevice(phone);
  d.Assign(phone, "alice");

  fmt::print("{:<12} {:>11} {:>13} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "", "wall", "read", "agent",
             "server", "session", "agent", "server");
  fmt::print("{:<12} {:>11} {:>13} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "", "", "", "CPU-s/GiB",
             "CPU-s/GiB", "peak MiB", "peak MiB", "peak MiB");
  const char* names[] = {"first", "no change", "1 % churn"};
  for (int generation = 0; generation < 3; ++generation) {
    if (generation == 2) d.Farm("usb", {"mutate", phone});
    const Cost cost = Measure(d, phone);
    if (!cost.ok) {
      fmt::print("{} failed:\n{}{}", names[generation], ReadText(d.path() + "/bench.out"),
                 ReadText(d.path() + "/bench.err"));
      return 1;
    }
    const Json snapshot = d.LatestSnapshot(phone);
    Print(names[generation], cost, std::stod(snapshot.value("read_bytes", "0")));
  }
  const Json snapshot = d.LatestSnapshot(phone);
  fmt::print("files {}, logical bytes {}\n", snapshot.value("file_count", ""),
             snapshot.value("logical_bytes", ""));
  return 0;
}

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  CLI::App app{"One large generated phone through the shipped binaries."};
  std::string files = "200000";
  std::string bytes = "20G";
  app.add_option("--files", files, "Files on the phone");
  app.add_option("--bytes", bytes, "Their bytes, with K, M or G");
  CLI11_PARSE(app, argc, argv);
  return mooring::testing::RunBench(files, bytes);
}
