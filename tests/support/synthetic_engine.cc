#include "tests/support/synthetic_engine.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

std::uint64_t Mix(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

bool IsChanged(const SyntheticPhone& phone, std::uint32_t file) {
  return phone.changed_every > 0 && file % phone.changed_every == 0;
}

}  // namespace

SyntheticContent::SyntheticContent(const SyntheticPhone& phone, std::uint32_t file)
    : state_(Mix(phone.seed * 1'000'003 + file) +
             (IsChanged(phone, file) ? Mix(phone.generation + 77) : 0)) {
  size_ = phone.large_every > 0 && file % phone.large_every == 0
              ? phone.large_bytes
              : Mix(phone.seed + file) % (2 * phone.file_bytes_average + 1);
}

bool SyntheticContent::Next(Bytes& piece) {
  if (done_ == size_) return false;
  piece.resize(std::min<std::uint64_t>(kPieceBytes, size_ - done_));
  for (std::size_t at = 0; at < piece.size(); at += 8) {
    state_ += 0x9e3779b97f4a7c15ULL;
    std::uint64_t word = Mix(state_);
    // A quarter of the content compresses.
    if (((done_ + at) >> 12) % 4 == 0) word &= 0x0f0f0f0f0f0f0f0fULL;
    std::memcpy(piece.data() + at, &word, std::min<std::size_t>(8, piece.size() - at));
  }
  done_ += piece.size();
  return true;
}

std::string SyntheticPath(std::uint32_t file) {
  return fmt::format("full/{:02x}/{:040x}", file % 256, Mix(file));
}

agent::ProbeResult ReadyPhone(const std::string& serial, const std::string& model) {
  agent::ProbeResult result;
  result.facts.set_platform(v1::PLATFORM_IOS);
  result.facts.set_serial(serial);
  result.facts.set_model(model);
  result.facts.set_os_version("1.0");
  result.facts.set_trusted(true);
  result.facts.set_battery_percent(80);
  result.message = "Ready";
  return result;
}

absl::StatusOr<agent::ProbeResult> SyntheticEngine::Probe(const OpContext&) {
  return ReadyPhone(serial_, "Synthetic1,1");
}

absl::StatusOr<agent::ProbeResult> SyntheticEngine::Prepare(const OpContext& ctx,
                                                            agent::ProgressSink&) {
  return Probe(ctx);
}

bool SyntheticEngine::Changed(std::uint32_t file) const {
  return IsChanged(phone_, file);
}

absl::Status SyntheticEngine::PutFile(const OpContext& ctx, std::uint32_t file,
                                      agent::SnapshotBuilder& builder,
                                      agent::ProgressSink& progress) {
  agent::FileFacts facts;
  facts.modified_unix_ns = 1'700'000'000'000'000'000 + file;
  facts.mode = 0600;
  MOORING_ASSIGN_OR_RETURN(const auto writer, builder.Put(ctx, SyntheticPath(file), facts));
  SyntheticContent content(phone_, file);
  Bytes piece;
  while (content.Next(piece)) MOORING_RETURN_IF_ERROR(writer->Write(piece));
  MOORING_RETURN_IF_ERROR(writer->Close());
  progress.Moved(1, content.size_bytes());
  return absl::OkStatus();
}

absl::StatusOr<agent::BackupOutcome> SyntheticEngine::Backup(const OpContext& ctx,
                                                             const agent::BackupOptions&,
                                                             agent::SnapshotBuilder& builder,
                                                             agent::ProgressSink& progress) {
  if (hooks_.passcode_prompt) hooks_.passcode_prompt(serial_);
  progress.Report(v1::PHASE_CAPTURING, v1::WAITING_FOR_UNSPECIFIED, "Copying");
  for (std::uint32_t file = 0; file < phone_.files; ++file) {
    if (ctx.stop.stop_requested()) return absl::CancelledError("called off");
    const bool kept = builder.has_base() && !Changed(file) && builder.Find(SyntheticPath(file));
    if (!kept) MOORING_RETURN_IF_ERROR(PutFile(ctx, file, builder, progress));
    if (hooks_.after_file) MOORING_RETURN_IF_ERROR(hooks_.after_file(serial_, file));
  }
  agent::BackupOutcome outcome;
  v1::Capture capture;
  capture.set_kind(v1::CAPTURE_KIND_FULL);
  capture.set_result(v1::CAPTURE_RESULT_COMPLETE);
  capture.mutable_started_at()->set_seconds(1'700'000'000);
  capture.mutable_completed_at()->set_seconds(1'700'000'100);
  outcome.captures.push_back(std::move(capture));
  MOORING_ASSIGN_OR_RETURN(const agent::ProbeResult probe, Probe(ctx));
  outcome.facts = probe.facts;
  return outcome;
}

absl::StatusOr<agent::RestoreCheck> SyntheticEngine::CheckRestore(const OpContext&,
                                                                  agent::SnapshotReader&) {
  agent::RestoreCheck check;
  check.possible = true;
  return check;
}

absl::StatusOr<agent::RestoreOutcome> SyntheticEngine::Restore(const OpContext& ctx,
                                                               agent::SnapshotReader& snapshot,
                                                               const SecretBytes&,
                                                               agent::ProgressSink& progress) {
  std::vector<std::string> paths;
  for (std::uint32_t file = 0; file < phone_.files; ++file) paths.push_back(SyntheticPath(file));
  snapshot.Prefetch(paths);
  agent::RestoreOutcome outcome;
  for (std::uint32_t file = 0; file < phone_.files; ++file) {
    SyntheticContent content(phone_, file);
    Bytes expected;
    std::size_t used = 0;
    MOORING_RETURN_IF_ERROR(snapshot.Read(ctx, paths[file], [&](ByteView piece) -> absl::Status {
      while (!piece.empty()) {
        if (used == expected.size()) {
          used = 0;
          if (!content.Next(expected)) return absl::DataLossError("longer than it was");
        }
        const std::size_t size = std::min(piece.size(), expected.size() - used);
        if (!std::equal(piece.begin(), piece.begin() + static_cast<std::ptrdiff_t>(size),
                        expected.begin() + static_cast<std::ptrdiff_t>(used))) {
          return absl::DataLossError(fmt::format("file {} differs", file));
        }
        used += size;
        piece = piece.subspan(size);
        outcome.bytes += size;
      }
      return absl::OkStatus();
    }));
    if (used != expected.size() || content.Next(expected)) {
      return absl::DataLossError(fmt::format("file {} is shorter than it was", file));
    }
    ++outcome.files;
    progress.Moved(1, content.size_bytes());
  }
  return outcome;
}

std::string SyntheticEngines::SerialOf(const SyntheticPhone& phone) {
  return fmt::format("SYN-{}-{}-{}-{}-{}-{}-{}", phone.seed, phone.files, phone.file_bytes_average,
                     phone.changed_every, phone.generation, phone.large_every, phone.large_bytes);
}

absl::StatusOr<std::unique_ptr<agent::Engine>> SyntheticEngines::Make(v1::Platform,
                                                                      const std::string& serial,
                                                                      const agent::EngineOptions&) {
  SyntheticPhone phone;
  unsigned long long seed = 0;
  unsigned long long average = 0;
  unsigned long long large = 0;
  if (std::sscanf(serial.c_str(), "SYN-%llu-%u-%llu-%u-%u-%u-%llu", &seed, &phone.files, &average,
                  &phone.changed_every, &phone.generation, &phone.large_every, &large) < 5) {
    return absl::NotFoundError("no such synthetic phone");
  }
  // A phone whose content moves on keeps its serial: the generation may stand in
  // a file of its name in the working directory, which sessions inherit.
  std::ifstream(serial + ".generation") >> phone.generation;
  phone.seed = seed;
  phone.file_bytes_average = average;
  phone.large_bytes = large;
  return std::unique_ptr<agent::Engine>(std::make_unique<SyntheticEngine>(serial, phone, hooks_));
}

}  // namespace mooring::testing
