// Speed of the storage formats, each against what the machine allows.
//
//   storage_bench [--benchmark_filter=Seal]
//
// "MB/s" is of CPU time, "of_limit" the share of the bound named beside each
// benchmark, measured in the same run.

#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/chunk/chunker.h"
#include "storage/manifest/overlay.h"
#include "storage/pack/pack.h"
#include "storage/seal/frame.h"
#include "storage/seal/sealed_chunk.h"
#include "tests/bench/limits.h"
#include "tests/unit/storage/manifest/test_entries.h"
#include "tests/unit/storage/test_bytes.h"

namespace mooring::storage {
namespace {

using testing::Limits;
using testing::MeasuredLimits;
using testing::RandomBytes;
using testing::TestSecret;

constexpr std::size_t kMiB = std::size_t{1} << 20;

// Seconds that a byte costs at least, from rates that it must pass in turn.
double Bound(std::initializer_list<double> rates) {
  double seconds = 0;
  for (const double rate : rates) seconds += 1 / rate;
  return 1 / seconds;
}

void Report(benchmark::State& state, std::size_t bytes_each, double bound) {
  const double bytes = static_cast<double>(state.iterations()) * static_cast<double>(bytes_each);
  state.counters["MB/s"] = benchmark::Counter(bytes / 1e6, benchmark::Counter::kIsRate);
  state.counters["CPU_s/GiB"] = benchmark::Counter(
      bytes / (1 << 30), benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["of_limit"] = benchmark::Counter(bytes / bound, benchmark::Counter::kIsRate);
}

// Rows as a database holds them: zstd 1 makes about half of it.
Bytes Compressible(std::size_t size) {
  Bytes bytes = RandomBytes(3, size);
  for (std::size_t i = 0; i < size; ++i) {
    if (i % 16 < 8) bytes[i] = static_cast<std::byte>("message\0"[i % 8]);
  }
  return bytes;
}

// Bound: a plain gear scan of three quarters of the bytes.
void BM_Chunk(benchmark::State& state) {
  const Chunker chunker(TestSecret(1));
  const Bytes data = RandomBytes(1, 64 * kMiB);
  for (auto _ : state) {
    ByteView rest = data;
    while (!rest.empty()) rest = rest.subspan(chunker.NextCut(rest, true));
  }
  Report(state, data.size(), MeasuredLimits().gear / 0.75);
}
BENCHMARK(BM_Chunk)->Unit(benchmark::kMillisecond);

// Bound: one copy.
void BM_FrameIncompressible(benchmark::State& state) {
  const Bytes data = RandomBytes(2, kMiB);
  for (auto _ : state) benchmark::DoNotOptimize(Frame::Make(data, Compression::kProbe));
  Report(state, data.size(), MeasuredLimits().memory_copy);
}
BENCHMARK(BM_FrameIncompressible);

// Bound: one copy; zstd is what it costs.
void BM_FrameCompressible(benchmark::State& state) {
  const Bytes data = Compressible(kMiB);
  for (auto _ : state) benchmark::DoNotOptimize(Frame::Make(data, Compression::kProbe));
  Report(state, data.size(), MeasuredLimits().memory_copy);
}
BENCHMARK(BM_FrameCompressible);

// Bound: SHA-256 twice and AES-256-GCM once.
void BM_Seal(benchmark::State& state) {
  const ChunkSealer sealer(TestSecret(1));
  const auto size = static_cast<std::size_t>(state.range(0));
  const Frame frame = Frame::Make(RandomBytes(2, size), Compression::kNone).value();
  for (auto _ : state) benchmark::DoNotOptimize(sealer.Seal(frame, ChunkKind::kFileData));
  const Limits& limits = MeasuredLimits();
  Report(state, size, Bound({limits.sha256, limits.sha256, limits.aes_256_gcm}));
}
BENCHMARK(BM_Seal)->Arg(16 << 10)->Arg(256 << 10)->Arg(1 << 20)->Arg(4 << 20);

// Bound: SHA-256 twice, AES-256-GCM once and a copy.
void BM_Open(benchmark::State& state) {
  const ChunkSealer sealer(TestSecret(1));
  const Frame frame = Frame::Make(RandomBytes(2, kMiB), Compression::kNone).value();
  const SealedChunk chunk = sealer.Seal(frame, ChunkKind::kFileData).value();
  for (auto _ : state) benchmark::DoNotOptimize(OpenChunk(chunk.bytes, chunk.id, chunk.key));
  const Limits& limits = MeasuredLimits();
  Report(state, kMiB,
         Bound({limits.sha256, limits.sha256, limits.aes_256_gcm, limits.memory_copy}));
}
BENCHMARK(BM_Open);

// What a server does with a chunk that arrives. Bound: SHA-256 once.
void BM_VerifyAndPack(benchmark::State& state) {
  const SecretBytes key = TestSecret(1);
  SeededRandom random(1);
  const Frame frame = Frame::Make(RandomBytes(2, kMiB), Compression::kNone).value();
  const SealedChunk chunk = ChunkSealer(TestSecret(2)).Seal(frame, ChunkKind::kFileData).value();
  constexpr std::size_t kChunks = 32;
  const auto drop = [](ByteView) { return absl::OkStatus(); };
  for (auto _ : state) {
    PackWriter writer(key, random, PackId::Make(random), {}, {}, absl::UnixEpoch());
    MOORING_CHECK(writer.Begin(drop).ok());
    for (std::size_t i = 0; i < kChunks; ++i) {
      const ChunkId id = ChunkIdOf(chunk.bytes);
      MOORING_CHECK(writer.Add(id, DomainId(), chunk.bytes, drop).ok());
    }
    MOORING_CHECK(writer.Finish(drop).ok());
  }
  Report(state, kChunks * kMiB, MeasuredLimits().sha256);
}
BENCHMARK(BM_VerifyAndPack)->Unit(benchmark::kMillisecond);

constexpr std::uint64_t kFiles = 100'000;

Overlay MakeOverlay() {
  Overlay overlay;
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    MOORING_CHECK(overlay.Put(testing::TestPath(i), testing::TestFile(i / 3, 1)).ok());
  }
  return overlay;
}

struct EncodedManifest {
  std::vector<DomainId> domains;
  std::vector<Bytes> segments;
  std::size_t bytes = 0;
};

EncodedManifest EncodeAll(const Overlay& overlay) {
  EncodedManifest out;
  const absl::Status status = SegmentEncoder::Encode(
      overlay, out.domains, [&out](ByteView content, std::string_view, std::uint32_t) {
        out.segments.emplace_back(content.begin(), content.end());
        out.bytes += content.size();
        return absl::OkStatus();
      });
  MOORING_CHECK(status.ok());
  return out;
}

void ReportFiles(benchmark::State& state) {
  state.counters["files/s"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(kFiles),
                         benchmark::Counter::kIsRate);
}

// Bound: one copy of the segments.
void BM_ManifestEncode(benchmark::State& state) {
  const Overlay overlay = MakeOverlay();
  std::size_t bytes = 0;
  for (auto _ : state) bytes = EncodeAll(overlay).bytes;
  Report(state, bytes, MeasuredLimits().memory_copy);
  ReportFiles(state);
}
BENCHMARK(BM_ManifestEncode)->Unit(benchmark::kMillisecond);

// Bound: one copy of the segments.
void BM_ManifestDecodeAndLoad(benchmark::State& state) {
  const EncodedManifest manifest = EncodeAll(MakeOverlay());
  for (auto _ : state) {
    Overlay overlay;
    for (const Bytes& segment : manifest.segments) {
      auto entries = DecodeSegment(segment, manifest.domains);
      MOORING_CHECK(entries.ok() && overlay.Load(*std::move(entries)).ok());
    }
    MOORING_CHECK(overlay.entry_count() == kFiles);
  }
  Report(state, manifest.bytes, MeasuredLimits().memory_copy);
  ReportFiles(state);
}
BENCHMARK(BM_ManifestDecodeAndLoad)->Unit(benchmark::kMillisecond);

// An iPhone moving every file of its backup, one by one.
void BM_OverlayRename(benchmark::State& state) {
  Overlay overlay = MakeOverlay();
  std::uint64_t next = 0;
  for (auto _ : state) {
    const std::string path = testing::TestPath(next % kFiles);
    const std::string away = "full/Snapshot/" + path;
    MOORING_CHECK(overlay.Rename(path, away).ok() && overlay.Rename(away, path).ok());
    ++next;
  }
  state.counters["renames/s"] =
      benchmark::Counter(2 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}
BENCHMARK(BM_OverlayRename);

}  // namespace
}  // namespace mooring::storage

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const mooring::testing::Limits& limits = mooring::testing::MeasuredLimits();
  fmt::print(
      "limits of this machine, MB/s of CPU time: SHA-256 {:.0f}, AES-256-GCM {:.0f}, "
      "memory copy {:.0f}, plain gear scan {:.0f}\n",
      limits.sha256 / 1e6, limits.aes_256_gcm / 1e6, limits.memory_copy / 1e6, limits.gear / 1e6);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
