// CollectionStore: where garbage collection stands, what open sessions were told
// is there, and which server runs which job.
//
// The protocol is storage/design/gc-safety.md. One row of CollectionState is read
// under a row lock, changed and written back in the same transaction.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/catalog/row_lock.h"

namespace mooring::storage {

struct CollectionState {
  // Also in the object store (gc/epoch-<epoch>): a store that is ahead of both
  // numbers has seen rounds that this catalog has not, so the catalog is an old one.
  std::uint64_t epoch = 0;
  std::optional<std::uint64_t> pending_epoch;  // Being written to the store.
  // 16 random bytes of the newest round; empty before the first. A round that is
  // no longer the newest may change nothing more.
  Bytes round_id;
  // Marks completed. Chunks remember the mark that condemned them, packs the one
  // that doomed them; gc/doom-<generation> is its journal.
  std::uint64_t generation = 0;
  // Newest commit that the newest round's mark covers.
  std::uint64_t mark_no = 0;
  // The server's clock when a round last began: it may not go behind this.
  std::optional<absl::Time> last_round_at;
  // Not empty: something that must never be was found. Nothing is deleted until
  // a person has looked and cleared it.
  std::string stop_reason;
  std::optional<absl::Time> stopped_at;
  // Not empty: the catalog is older than the store. No new sessions, no answers
  // about what is there, no collection until it is reconciled.
  std::string recovery_reason;
  Bytes figures;  // Of the last complete round; serialized, opaque here.
};

// What one Find told an open session is there.
struct SessionTouch {
  std::uint64_t no = 0;  // Ascending with time.
  SessionId session;
  Bytes refs;  // Serialized set of chunk numbers.
};

struct JobLease {
  std::string holder;
  absl::Time until;  // By the database's clock.
};

class CollectionStore {
 public:
  virtual ~CollectionStore() = default;

  virtual absl::StatusOr<CollectionState> Get(RowLock lock = RowLock::kNone) = 0;
  // Writes every field. The caller holds the row (RowLock::kExclusive).
  virtual absl::Status Put(const CollectionState& state) = 0;

  // Notes that `session` was told of these chunks; returns how many rows it has.
  // Gone once the session is over. The caller holds the session's row.
  virtual absl::StatusOr<std::uint64_t> AddTouch(const SessionId& session, ByteView refs) = 0;
  virtual absl::StatusOr<std::vector<SessionTouch>> ListTouches(const SessionId& session) = 0;
  // One row in place of these.
  virtual absl::Status MergeTouches(const SessionId& session,
                                    const std::vector<std::uint64_t>& numbers, ByteView refs) = 0;
  // Of open sessions: at most `limit` with a number above `after`, in order.
  virtual absl::StatusOr<std::vector<SessionTouch>> ListOpenTouches(std::uint64_t after,
                                                                    int limit) = 0;

  // The database's clock; not the transaction's start.
  virtual absl::StatusOr<absl::Time> DatabaseNow() = 0;

  // Takes the lease of `job`, or extends it where `holder` has it. False: another
  // has it. By the database's clock, so that servers need not agree on theirs.
  virtual absl::StatusOr<bool> AcquireLease(const std::string& job, const std::string& holder,
                                            absl::Duration length) = 0;
  // OK where `holder` does not have it.
  virtual absl::Status ReleaseLease(const std::string& job, const std::string& holder) = 0;
  // Only while it lasts.
  virtual absl::StatusOr<std::optional<JobLease>> GetLease(const std::string& job) = 0;
};

}  // namespace mooring::storage
