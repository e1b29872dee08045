// What a backup costs: chunk, seal, upload and commit alone, and the whole path
// from a phone through agent and server, agent and server apart, held against
// what this machine can do at best in the same run.
//
//   pipeline_bench [FILES [AVERAGE_BYTES]]      default 20000 files of 100 kB
//
// Content is generated, not stored. Build with the release preset.

#include <cstdio>
#include <cstdlib>
#include <string>

#include <absl/time/clock.h>
#include <fmt/format.h>

#include "agent/pipeline/snapshot_builder_impl.h"
#include "agent/process/progress_reporter.h"
#include "storage/chunk/chunker.h"
#include "storage/seal/frame.h"
#include "storage/seal/sealed_chunk.h"
#include "tests/bench/limits.h"
#include "tests/bench/process_cost.h"
#include "tests/bench/wire_cost.h"
#include "tests/integration/agent/agent_bench.h"
#include "tests/support/memory_link.h"
#include "tests/support/synthetic_engine.h"

namespace mooring::testing {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

void PrintRow(const std::string& what, double bytes, double wall, double cpu) {
  const double best = 1.0 / (1.0 / MeasuredLimits().sha256 + 1.0 / MeasuredLimits().aes_256_gcm);
  const double rate = cpu > 0 ? bytes / cpu : 0;
  fmt::print("{:<44} {:>9.1f} {:>11.2f} {:>14.1f} %\n", what, wall > 0 ? bytes / wall / 1e6 : 0.0,
             cpu / (bytes / kGiB), 100 * rate / best);
}

// One step alone, over 256 MiB of content that is half databases and half media.
void BenchSteps() {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  constexpr std::size_t kBytes = 256 * kMiB;
  SeededRandom random(7);
  Bytes data(kBytes);
  random.Fill(data);
  for (std::size_t i = 0; i < kBytes / 2; ++i) {
    if (i % 16 < 8) data[i] = static_cast<std::byte>("message\0"[i % 8]);
  }
  const storage::Chunker chunker(SecretBytes::Make(random, 32));
  std::vector<std::size_t> cuts;
  double cpu = OwnCpuSeconds();
  absl::Time begun = absl::Now();
  for (ByteView rest = data; !rest.empty(); rest = rest.subspan(cuts.back())) {
    cuts.push_back(chunker.NextCut(rest, true));
  }
  PrintRow("chunk", kBytes, absl::ToDoubleSeconds(absl::Now() - begun), OwnCpuSeconds() - cpu);

  const storage::ChunkSealer sealer(SecretBytes::Make(random, 32));
  cpu = OwnCpuSeconds();
  begun = absl::Now();
  ByteView rest = data;
  for (const std::size_t cut : cuts) {
    auto frame = storage::Frame::Make(rest.first(cut), storage::Compression::kProbe);
    if (!frame.ok() || !sealer.Seal(*std::move(frame), storage::ChunkKind::kFileData).ok())
      std::abort();
    rest = rest.subspan(cut);
  }
  PrintRow("seal (compress, pad, hash, encrypt)", kBytes,
           absl::ToDoubleSeconds(absl::Now() - begun), OwnCpuSeconds() - cpu);
}

// Upload and commit alone: what was sealed beforehand goes over mutual TLS.
void BenchWire() {
  SyntheticPhone phone;
  phone.seed = 12;
  phone.files = 5'000;
  phone.file_bytes_average = 100'000;
  const absl::StatusOr<WireCost> cost = MeasureWire(phone);
  if (!cost.ok()) {
    fmt::print("upload and commit: {}\n", cost.status().ToString());
    std::exit(1);
  }
  const auto bytes = static_cast<double>(cost->bytes);
  PrintRow("upload: agent", bytes, cost->upload_wall, cost->upload_agent_cpu);
  PrintRow("upload: server and PostgreSQL", bytes, cost->upload_wall, cost->upload_server_cpu);
  PrintRow("commit: agent", bytes, cost->commit_wall, cost->commit_agent_cpu);
  PrintRow("commit: server and PostgreSQL", bytes, cost->commit_wall, cost->commit_server_cpu);
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
    fmt::print("  session {}, agent at most {:.1f} MiB, server {:.1f} MiB, {:.1f} s\n",
               result.out.substr(peak, result.out.find('\n', peak) - peak),
               PeakMiB(agent.daemon_pid()), PeakMiB(server.pid()), wall);
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
  BenchSteps();
  BenchWire();
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
