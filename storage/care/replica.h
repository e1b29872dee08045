// Replica: a second object store that holds all that the first one does.
//
// Packs are verified chunk by chunk on their way and read back from the replica
// before they count; everything else is compared byte by byte. Nothing is removed
// from the replica because it is absent from the first store: only a snapshot's
// tombstone removes its key and its commit record, and only a doom journal
// removes a pack. So the replica survives whatever happens to the first store.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/secret_bytes.h"
#include "storage/care/pace.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/pack_store.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

struct ReplicaProgress {
  std::uint64_t packs_copied = 0;
  std::uint64_t objects_copied = 0;  // Others.
  std::uint64_t bytes_copied = 0;
  std::uint64_t packs_removed = 0;
  std::uint64_t objects_removed = 0;
  // Packs that the replica had and lost, or has wrong: to be copied again.
  std::uint64_t packs_again = 0;
  // Packs whose chunks are bad at the source: scrub heals them first.
  std::uint64_t packs_bad = 0;
  std::uint64_t packs_left = 0;
  bool is_complete = false;
};

// Thread-safe; two at once do the same work twice and no harm.
class ReplicaSync {
 public:
  struct Parts {
    Catalog& catalog;
    ObjectStore& primary;
    ObjectStore& replica;
    const SecretBytes& pack_index_key;
    Clock& clock;
  };
  ReplicaSync(const Parts& parts, std::uint64_t bytes_per_second)
      : parts_(parts), bytes_per_second_(bytes_per_second) {}

  using Report = absl::FunctionRef<void(const ReplicaProgress&)>;

  // Brings the replica up to date, until `ctx` ends it: that is not an error, the
  // next call goes on. `full` compares every object of the replica as well.
  // kFailedPrecondition: the replica belongs to another repository.
  absl::StatusOr<ReplicaProgress> Run(const OpContext& ctx, bool full, Report report);

 private:
  struct Pass;

  absl::Status Identify(const OpContext& ctx);
  absl::StatusOr<bool> IsOurs(const OpContext& ctx);
  absl::Status CopyPacks(const OpContext& ctx, Pass& pass, Report report);
  absl::Status CopyPack(const OpContext& ctx, const PackRecord& pack, Pass& pass);
  absl::Status PassOver(const OpContext& ctx, const PackRecord& pack, Pass& pass);
  absl::Status CheckPacks(const OpContext& ctx, Pass& pass);
  absl::Status CopyObjects(const OpContext& ctx, std::string_view prefix, bool full, Pass& pass);
  absl::Status CopyObject(const OpContext& ctx, const std::string& key, bool full, Pass& pass);
  absl::StatusOr<bool> MayCopy(const OpContext& ctx, const std::string& key);
  absl::Status ApplyTombstones(const OpContext& ctx, Pass& pass);
  absl::Status ApplyJournals(const OpContext& ctx, Pass& pass);

  const Parts parts_;
  const std::uint64_t bytes_per_second_;
};

}  // namespace mooring::storage
