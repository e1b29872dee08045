// Round: one round of garbage collection, as its steps share it: what it stands
// on, its place among the rounds, and its transactions.
//
// Every transaction of a round re-reads the state's row under a lock and ends the
// round if another has begun since, so that a collector that slept through its
// lease can do nothing any more.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/functional/any_invocable.h>
#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "mooring/v1/collection.pb.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/database_clock.h"
#include "storage/collection/collection_options.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

// What a collector works on. All of it is thread-safe and outlives the collector.
struct CollectionParts {
  Catalog& catalog;
  ObjectStore& objects;
  Clock& clock;
  Random& random;
  const SecretBytes& pack_index_key;
  DatabaseClock& database_clock;
  // When the newest export of the catalog that is durable was begun, where
  // exports are made: nothing condemned since is doomed. Not set: none are made.
  absl::AnyInvocable<absl::StatusOr<absl::Time>(const OpContext&)> newest_export = nullptr;
};

// Called now and then, on the calling thread. `total` 0: not known.
using CollectionProgress =
    absl::FunctionRef<void(std::string_view step, std::uint64_t done, std::uint64_t total)>;

enum class RepositoryLock { kNone, kExclusive };

// Whether the server's clock may be trusted to let time count. kFailedPrecondition
// says which clock is wrong.
absl::Status CheckCollectionTime(const OpContext& ctx, CollectionParts& parts,
                                 const CollectionOptions& options, const CollectionState& state);

// Thread-bound.
class Round {
 public:
  // Both outlive the round, and so does the progress.
  Round(CollectionParts& parts, const CollectionOptions& options, CollectionProgress progress)
      : parts_(parts), options_(options), progress_(progress) {}

  // Guards the epoch and the clock, then takes the newest round and the newest
  // commit, under the exclusive lock. kFailedPrecondition: recovery, an
  // integrity stop, or the time.
  absl::Status Begin(const OpContext& ctx);

  // The mark is complete: it counts from here on.
  absl::Status CompleteMark(const OpContext& ctx);

  // Before each step that deletes.
  absl::Status CheckTime(const OpContext& ctx);

  // One transaction, run again while its outcome is not known, so that `body`
  // must be such that this does no harm. kFailedPrecondition: the round is over.
  absl::Status Run(const OpContext& ctx, RepositoryLock lock,
                   absl::FunctionRef<absl::Status(Transaction&, CollectionState&)> body);

  // Something that must never be: nothing more is deleted, in this round or any
  // other, until a person has looked. Returns the kDataLoss to end with.
  absl::Status Stop(const OpContext& ctx, const std::string& why);

  CollectionParts& parts() { return parts_; }
  const CollectionOptions& options() const { return options_; }
  v1::CollectionReport& report() { return report_; }
  ByteView id() const { return id_; }
  std::uint64_t generation() const { return generation_; }
  std::uint64_t mark_no() const { return mark_no_; }
  absl::Time now() { return parts_.clock.Now(); }
  void Progress(std::string_view step, std::uint64_t done, std::uint64_t total) {
    progress_(step, done, total);
  }

 private:
  CollectionParts& parts_;
  const CollectionOptions& options_;
  CollectionProgress progress_;
  v1::CollectionReport report_;
  Bytes id_;
  std::uint64_t generation_ = 0;
  std::uint64_t mark_no_ = 0;
};

}  // namespace mooring::storage
