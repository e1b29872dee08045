// What a backup costs: chunking and sealing alone, and the whole path from a
// phone through agent and server, agent and server apart, held against what
// this machine can do at best in the same run.
//
//   pipeline_bench [FILES [AVERAGE_BYTES]]      default 20000 files of 100 kB
//
// Content is generated, not stored. Build with the release preset.

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <absl/time/clock.h>
#include <fmt/format.h>

#include "agent/pipeline/snapshot_builder_impl.h"
#include "agent/process/progress_reporter.h"
#include "tests/bench/limits.h"
#include "tests/integration/agent/agent_bench.h"
#include "tests/support/memory_link.h"
#include "tests/support/synthetic_engine.h"

namespace mooring::testing {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

double OwnCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

struct ProcessTimes {
  int parent = 0;
  double own = 0;
  double reaped = 0;  // Of children that have ended.
};

std::map<int, ProcessTimes> AllProcesses() {
  std::map<int, ProcessTimes> processes;
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "stat");
    std::string line;
    std::getline(file, line);
    const std::size_t paren = line.rfind(')');
    if (paren == std::string::npos) continue;
    std::istringstream fields(line.substr(paren + 2));
    std::string skip;
    ProcessTimes times;
    double user = 0;
    double system = 0;
    double child_user = 0;
    double child_system = 0;
    fields >> skip >> times.parent;
    for (int i = 0; i < 9; ++i) fields >> skip;
    fields >> user >> system >> child_user >> child_system;
    times.own = (user + system) / ticks;
    times.reaped = (child_user + child_system) / ticks;
    processes[std::stoi(name)] = times;
  }
  return processes;
}

// CPU of a process and all below it, living and reaped.
double TreeCpuSeconds(int root) {
  const std::map<int, ProcessTimes> processes = AllProcesses();
  double sum = 0;
  for (const auto& [pid, times] : processes) {
    for (int at = pid; at > 1;) {
      if (at == root) {
        sum += times.own + times.reaped;
        break;
      }
      const auto it = processes.find(at);
      at = it == processes.end() ? 0 : it->second.parent;
    }
  }
  return sum;
}

std::string StatusField(int pid, const std::string& field) {
  std::ifstream file(fmt::format("/proc/{}/status", pid));
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(field + ":", 0) == 0) return line.substr(field.size() + 1);
  }
  return "?";
}

void PrintRow(const std::string& what, double bytes, double wall, double cpu) {
  const double best = 1.0 / (1.0 / MeasuredLimits().sha256 + 1.0 / MeasuredLimits().aes_256_gcm);
  const double rate = cpu > 0 ? bytes / cpu : 0;
  fmt::print("{:<44} {:>9.1f} {:>11.2f} {:>14.1f} %\n", what, wall > 0 ? bytes / wall / 1e6 : 0.0,
             cpu / (bytes / kGiB), 100 * rate / best);
}

// Generation, chunking, framing, sealing; the link throws away.
void BenchInProcess(const SyntheticPhone& phone, bool discard_everything) {
  SeededRandom random(5);
  MemoryLink link(random);
  link.set_discard_content(true);
  const std::string serial = SyntheticEngines::SerialOf(phone);
  SyntheticHooks hooks;
  SyntheticEngine engine(serial, phone, hooks);
  SystemClock clock;
  agent::ProgressReporter progress(clock, [](const v1::Progress&) {});
  const auto grant = link.Begin(OpContext(), v1::BeginBackupRequest());
  agent::SnapshotBuilderImpl::Options options;
  options.pipeline.samples_max = 0;
  const absl::Time begun = absl::Now();
  const double cpu = OwnCpuSeconds();
  std::uint64_t bytes = 0;
  if (discard_everything) {
    Bytes piece;
    for (std::uint32_t file = 0; file < phone.files; ++file) {
      SyntheticContent content(phone, file);
      bytes += content.size_bytes();
      while (content.Next(piece)) {
      }
    }
  } else {
    auto builder = agent::SnapshotBuilderImpl::Create(OpContext(), link, random, *grant,
                                                      link.hpke_private_key(), options);
    const auto outcome = engine.Backup(OpContext(), agent::BackupOptions(), **builder, progress);
    const auto receipt = (*builder)->Finish(OpContext(), agent::CommitFacts());
    if (!outcome.ok() || !receipt.ok()) std::abort();
    bytes = (*builder)->read_bytes();
  }
  PrintRow(discard_everything ? "generating the content alone"
                              : "generate, chunk, frame, seal, manifest, commit",
           static_cast<double>(bytes), absl::ToDoubleSeconds(absl::Now() - begun),
           OwnCpuSeconds() - cpu);
}

void BenchWholePath(const SyntheticPhone& phone) {
  TestServer server;
  TestAgent agent(server, "agent");
  agent.Enroll();
  const std::string serial = SyntheticEngines::SerialOf(phone);
  agent.StartDaemon();
  // Not before it is measured.
  agent.Attach({serial});
  std::uint64_t bytes = 0;
  for (const char* what : {"first backup", "no change", "10 % of the files changed"}) {
    if (std::string(what) == "10 % of the files changed") agent.SetGeneration(serial, 1);
    const double server_cpu = TreeCpuSeconds(server.pid());
    const double agent_cpu = TreeCpuSeconds(agent.daemon_pid());
    const absl::Time begun = absl::Now();
    if (std::string(what) == "first backup") server.Assign(serial, "ada");
    const RunResult result =
        agent.Run({"backup", "--device", serial, "-o", "yaml"}, absl::Hours(1));
    const double wall = absl::ToDoubleSeconds(absl::Now() - begun);
    if (result.exit_code != 0) {
      fmt::print("{}{}{}\n", result.out, result.err, agent.log());
      std::exit(1);
    }
    if (bytes == 0) {
      for (std::uint32_t file = 0; file < phone.files; ++file) {
        bytes += SyntheticContent(phone, file).size_bytes();
      }
    }
    PrintRow(fmt::format("{}: agent and session", what), static_cast<double>(bytes), wall,
             TreeCpuSeconds(agent.daemon_pid()) - agent_cpu);
    PrintRow(fmt::format("{}: server and PostgreSQL", what), static_cast<double>(bytes), wall,
             TreeCpuSeconds(server.pid()) - server_cpu);
    const std::size_t peak = result.out.find("peak_memory_bytes");
    fmt::print("  session {}, agent VmHWM{}, server VmHWM{}, {:.1f} s\n",
               result.out.substr(peak, result.out.find('\n', peak) - peak),
               StatusField(agent.daemon_pid(), "VmHWM"), StatusField(server.pid(), "VmHWM"), wall);
    std::fflush(stdout);
  }
}

int Main(int argc, char** argv) {
  SyntheticPhone phone;
  phone.seed = 11;
  phone.files = argc > 1 ? static_cast<std::uint32_t>(std::atoi(argv[1])) : 20'000;
  phone.file_bytes_average = argc > 2 ? static_cast<std::uint64_t>(std::atoll(argv[2])) : 100'000;
  phone.changed_every = 10;
  const Limits& limits = MeasuredLimits();
  fmt::print(
      "limits of one core: SHA-256 {:.0f} MB/s, AES-256-GCM {:.0f} MB/s, memcpy {:.0f} MB/s\n",
      limits.sha256 / 1e6, limits.aes_256_gcm / 1e6, limits.memory_copy / 1e6);
  fmt::print("{:<44} {:>9} {:>11} {:>16}\n", "", "MB/s", "CPU-s/GiB", "of SHA + GCM");
  BenchInProcess(phone, true);
  BenchInProcess(phone, false);
  BenchWholePath(phone);
  return 0;
}

}  // namespace
}  // namespace mooring::testing

int main(int argc, char** argv) {
  return mooring::testing::Main(argc, argv);
}
