// SyntheticEngine: an Engine without a phone. Its content comes from a seed, so
// that any number of phones of any size exist without storing a byte, and a
// restore can tell whether it was given what was once backed up.

#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/device/engine_factory.h"
#include "storage/base/clock.h"

namespace mooring::testing {

struct SyntheticPhone {
  std::uint64_t seed = 1;
  std::uint32_t files = 20;
  // Sizes are spread between 0 and twice this.
  std::uint64_t file_bytes_average = 20'000;
  // Every n-th file differs between generations; 0: none does.
  std::uint32_t changed_every = 0;
  std::uint32_t generation = 0;
  // One file in this many is of this size instead; 0: none.
  std::uint32_t large_every = 0;
  std::uint64_t large_bytes = 0;
};

// Called by engines; what a test wants to see or to make happen.
struct SyntheticHooks {
  // Where a real phone would raise its passcode sheet.
  std::function<void(const std::string& serial)> passcode_prompt;
  // After each file; an error ends the backup there.
  std::function<absl::Status(const std::string& serial, std::uint32_t file)> after_file;
};

// The content of one file, in pieces of at most 1 MiB, the same at every call.
class SyntheticContent {
 public:
  SyntheticContent(const SyntheticPhone& phone, std::uint32_t file);
  std::uint64_t size_bytes() const { return size_; }
  // False when there is no more.
  bool Next(Bytes& piece);

 private:
  std::uint64_t size_;
  std::uint64_t done_ = 0;
  std::uint64_t state_;
};
std::string SyntheticPath(std::uint32_t file);

// What a phone without a phone says of itself: trusted, charged, ready.
agent::ProbeResult ReadyPhone(const std::string& serial, const std::string& model);

// Thread-bound, as every engine. The hooks outlive it.
class SyntheticEngine final : public agent::Engine {
 public:
  SyntheticEngine(std::string serial, const SyntheticPhone& phone, const SyntheticHooks& hooks)
      : serial_(std::move(serial)), phone_(phone), hooks_(hooks) {}

  absl::StatusOr<agent::ProbeResult> Probe(const OpContext& ctx) override;
  absl::StatusOr<agent::ProbeResult> Prepare(const OpContext& ctx,
                                             agent::ProgressSink& progress) override;
  absl::StatusOr<agent::BackupOutcome> Backup(const OpContext& ctx,
                                              const agent::BackupOptions& options,
                                              agent::SnapshotBuilder& builder,
                                              agent::ProgressSink& progress) override;
  absl::StatusOr<agent::RestoreCheck> CheckRestore(const OpContext& ctx,
                                                   agent::SnapshotReader& snapshot) override;
  // Compares every file with what the phone of this seed would have written.
  absl::StatusOr<agent::RestoreOutcome> Restore(const OpContext& ctx,
                                                agent::SnapshotReader& snapshot,
                                                const SecretBytes& backup_password,
                                                agent::ProgressSink& progress) override;

 private:
  bool Changed(std::uint32_t file) const;
  absl::Status PutFile(const OpContext& ctx, std::uint32_t file, agent::SnapshotBuilder& builder,
                       agent::ProgressSink& progress);

  const std::string serial_;
  const SyntheticPhone phone_;
  const SyntheticHooks& hooks_;
};

// Makes SyntheticEngines from serials of the form
// "SYN-seed-files-average-changed_every-generation[-large_every-large_bytes]".
class SyntheticEngines final : public agent::EngineFactory {
 public:
  explicit SyntheticEngines(const SyntheticHooks& hooks) : hooks_(hooks) {}
  absl::StatusOr<std::unique_ptr<agent::Engine>> Make(v1::Platform platform,
                                                      const std::string& serial,
                                                      const agent::EngineOptions& options) override;
  static std::string SerialOf(const SyntheticPhone& phone);

 private:
  const SyntheticHooks& hooks_;
};

}  // namespace mooring::testing
