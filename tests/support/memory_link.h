// MemoryLink: a server in memory for tests of builder, reader and engines. It
// keeps sealed chunks in a map, checks what a server would check (ids, presence
// of every reference, what a base may serve), and lets a test see and break things.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/pipeline/backup_link.h"
#include "agent/restore/restore_link.h"
#include "storage/base/mutex.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/seal/hpke.h"

namespace mooring::testing {

// One device and its snapshots. Sessions follow one another: Begin starts the
// next one, Commit ends it. Thread-safe.
class MemoryLink final : public agent::BackupLink, public agent::RestoreLink {
 public:
  struct Snapshot {
    v1::CommitSnapshotRequest request;
    SecretBytes key;
    v1::DeviceFacts device;
  };

  explicit MemoryLink(Random& random);

  // The private key that grants are sealed to: what an agent has in hpke.key.
  const SecretBytes& hpke_private_key() const { return hpke_.private_key; }
  // Without it Begin serves no base, as for an agent that was not admitted.
  void set_admitted(bool admitted);
  void set_quota_bytes(std::uint64_t bytes);
  // Find says no to everything, as after a loss: everything is uploaded again.
  void set_forgetful(bool forgetful);
  // Lets go of sealed bytes on arrival (their ids stay known), for tests of size.
  void set_discard_content(bool discard);

  std::uint64_t chunk_count() const;
  std::uint64_t stored_bytes() const;
  // Of the running or the last session.
  std::uint64_t uploads() const;
  std::uint64_t uploaded_bytes() const;
  std::uint64_t find_calls() const;
  std::uint64_t read_calls() const;
  std::uint64_t chunks_read() const;
  std::size_t snapshot_count() const;
  const Snapshot& snapshot(std::size_t index) const;
  // Flips one bit of every stored file-data chunk; returns how many.
  std::size_t CorruptFileChunks();
  void ForgetChunk(const ChunkId& id);
  // OpenSnapshot serves this one; default the newest.
  void ServeSnapshot(std::size_t index);

  absl::StatusOr<v1::SessionGrant> Begin(const OpContext& ctx,
                                         const v1::BeginBackupRequest& request) override;
  absl::StatusOr<std::vector<bool>> Find(const OpContext& ctx, const DomainId& domain,
                                         const std::vector<ChunkId>& ids) override;
  absl::Status Upload(const OpContext& ctx, const DomainId& domain, Bytes sealed) override;
  absl::Status Flush(const OpContext& ctx) override;
  std::uint64_t new_bytes() const override;
  absl::Status ReadBase(const OpContext& ctx, const std::vector<ChunkId>& ids,
                        absl::FunctionRef<absl::Status(Bytes sealed)> sink) override;
  absl::StatusOr<v1::CommitSnapshotResponse> Commit(
      const OpContext& ctx, const v1::CommitSnapshotRequest& request) override;

  absl::StatusOr<v1::OpenSnapshotResponse> OpenSnapshot(
      const OpContext& ctx, const v1::OpenSnapshotRequest& request) override;
  absl::Status ReadChunks(const OpContext& ctx, const std::vector<ChunkId>& ids,
                          absl::FunctionRef<absl::Status(Bytes sealed)> sink) override;

 private:
  struct Stored {
    Bytes bytes;
    std::uint64_t size = 0;
  };

  absl::StatusOr<Bytes> Get(const ChunkId& id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Random& random_;
  storage::HpkeKeyPair hpke_;
  v1::SessionKeys keys_;
  DeviceId device_;

  mutable Mutex mutex_;
  bool admitted_ ABSL_GUARDED_BY(mutex_) = true;
  bool forgetful_ ABSL_GUARDED_BY(mutex_) = false;
  bool discard_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t quota_ ABSL_GUARDED_BY(mutex_) = std::uint64_t{1} << 40;
  std::map<ChunkId, Stored> chunks_ ABSL_GUARDED_BY(mutex_);
  std::vector<Snapshot> snapshots_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::size_t> served_ ABSL_GUARDED_BY(mutex_);

  // The running session.
  v1::SessionGrant grant_ ABSL_GUARDED_BY(mutex_);
  SecretBytes snapshot_key_ ABSL_GUARDED_BY(mutex_);
  v1::DeviceFacts facts_ ABSL_GUARDED_BY(mutex_);
  std::set<ChunkId> readable_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t uploads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t uploaded_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t new_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t finds_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t reads_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t chunks_read_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mooring::testing
