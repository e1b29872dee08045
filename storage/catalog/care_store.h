// CareStore: what scrub, heal, damage and replica need of packs, chunks and
// snapshots, and what they found.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/pack_store.h"
#include "storage/catalog/row_lock.h"

namespace mooring::storage {

enum class FindingKind {
  kPack = 1,          // Missing, of another size, or with wrong bytes.
  kPackFooter = 2,    // Its description of itself is damaged or not what the rows say.
  kCommitRecord = 3,  // Missing, or not what the snapshot's row says.
  kKey = 4,           // A key object is missing or another one.
  kSnapshot = 5,      // A drill could not restore it.
  kReplica = 6,       // The replica does not take it, or has it wrong.
};

struct Finding {
  std::int64_t no = 0;
  FindingKind kind = FindingKind::kPack;
  std::string subject;
  std::string message;
  absl::Time found_at;
  std::optional<absl::Time> resolved_at;
  std::string resolution;
};

// A chunk's new place in another pack.
struct NewPlace {
  std::uint64_t no = 0;
  std::uint64_t offset = 0;
};

struct MoveOutcome {
  std::uint64_t moved = 0;
  std::uint64_t healed = 0;  // Of those, lost ones that live again.
};

struct LiveSnapshotRefs {
  SnapshotId snapshot;
  Bytes refs;  // As SnapshotContent::refs.
  std::uint64_t damaged_chunks = 0;
};

struct LostTotals {
  std::uint64_t count = 0;
  std::uint64_t sum = 0;  // Of their numbers: tells one set from another.
  friend bool operator==(const LostTotals&, const LostTotals&) = default;
};

struct CareTotals {
  std::uint64_t packs = 0;  // Live ones.
  std::uint64_t packs_unscrubbed = 0;
  std::optional<absl::Time> oldest_scrub_at;       // Of those that were scrubbed.
  std::optional<absl::Time> oldest_unscrubbed_at;  // When it was made.
  std::uint64_t packs_unreplicated = 0;
  std::uint64_t bytes_unreplicated = 0;
  std::optional<absl::Time> oldest_unreplicated_at;
  std::uint64_t lost_chunks = 0;
  std::uint64_t damaged_snapshots = 0;  // Not deleted.
  std::uint64_t open_findings = 0;
};

// One row for the repository.
struct CareState {
  std::optional<absl::Time> scrub_pass_at;  // Start of a full pass that is not over.
  std::optional<absl::Time> records_checked_at;
  std::optional<absl::Time> replica_synced_at;
  std::optional<absl::Time> exported_at;
  std::optional<absl::Time> rebuilt_at;
  std::optional<absl::Time> holds_confirmed_at;

  // After a rebuild nothing is pruned or collected before a person has looked.
  bool holds_unconfirmed() const {
    return rebuilt_at.has_value() && (!holds_confirmed_at || *holds_confirmed_at < *rebuilt_at);
  }
};

class CareStore {
 public:
  virtual ~CareStore() = default;

  // Live packs that were scrubbed before `before`, those never scrubbed first
  // (the newest of them first), then the longest ago.
  virtual absl::StatusOr<std::vector<PackRecord>> NextToScrub(absl::Time before, int limit) = 0;
  virtual absl::Status MarkScrubbed(const PackId& pack, std::optional<absl::Time> at) = 0;
  // Its rows, by offset.
  virtual absl::StatusOr<std::vector<ChunkLocation>> ChunksOfPack(const PackId& pack) = 0;

  // Live and condemned chunks that are still in `pack` become lost. Returns how many.
  virtual absl::StatusOr<std::uint64_t> MarkLost(const PackId& pack,
                                                 std::span<const std::uint64_t> numbers) = 0;
  // Those that are still in `from` and live, condemned or lost now lie in `to`;
  // lost ones live again. kNotFound: no such pack.
  virtual absl::StatusOr<MoveOutcome> Move(const PackId& from, const PackId& to,
                                           std::span<const NewPlace> chunks) = 0;

  // Lost chunks with a number above `after`, in order.
  virtual absl::StatusOr<std::vector<ChunkLocation>> LostChunks(std::uint64_t after, int limit) = 0;
  virtual absl::StatusOr<LostTotals> CountLost() = 0;

  // Snapshots that are not deleted, in the order of their ids above `after`.
  virtual absl::StatusOr<std::vector<LiveSnapshotRefs>> SnapshotsAfter(const SnapshotId& after,
                                                                       int limit) = 0;
  virtual absl::Status SetDamaged(const SnapshotId& snapshot, std::uint64_t chunks) = 0;

  // Live packs that are not in the replica, the oldest first, with numbers above `after`.
  virtual absl::StatusOr<std::vector<PackRecord>> NextToReplicate(std::int64_t after,
                                                                  int limit) = 0;
  // Nothing where the pack is gone. None: it is not there (any more).
  virtual absl::Status MarkReplicated(const PackId& pack, std::optional<absl::Time> at) = 0;

  // Notes what is wrong; a finding that is open already keeps its time and takes the message.
  virtual absl::Status Report(FindingKind kind, std::string_view subject, std::string_view message,
                              absl::Time at) = 0;
  // OK if there is none.
  virtual absl::Status Resolve(FindingKind kind, std::string_view subject,
                               std::string_view resolution, absl::Time at) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<Finding>> Findings(bool with_resolved, int limit) = 0;

  virtual absl::StatusOr<CareTotals> Totals() = 0;
  virtual absl::StatusOr<CareState> State(RowLock lock = RowLock::kNone) = 0;
  // Writes every field. The caller holds the row (RowLock::kExclusive).
  virtual absl::Status SetState(const CareState& state) = 0;
};

}  // namespace mooring::storage
