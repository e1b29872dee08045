// Healer: gives chunks whose pack has gone bad a new place. Good bytes come from
// the pack itself or from the replica, each verified by id; they are written to
// a new pack, and the rows follow in one transaction. What has no good copy is
// lost, which the device's next backup heals.
//
// The bad pack stays as evidence until the collector finds that nothing lies in
// it any more. Nothing here deletes.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/chunk_index.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

struct HealOutcome {
  std::uint64_t healed = 0;        // Chunks that lie in the new pack now.
  std::uint64_t from_replica = 0;  // Of those.
  std::uint64_t revived = 0;       // Of those, lost before.
  std::uint64_t lost = 0;          // Newly lost.
  bool changed_damage() const { return revived > 0 || lost > 0; }
};

// Thread-safe. What it is given outlives it.
class Healer {
 public:
  struct Parts {
    Catalog& catalog;
    ObjectStore& objects;
    ObjectStore* replica = nullptr;  // None: only what the pack itself still has.
    const SecretBytes& pack_index_key;
    Clock& clock;
    Random& random;
  };
  explicit Healer(const Parts& parts) : parts_(parts) {}

  // Moves `chunks`, all of pack `from`, out of it. A chunk that was moved or
  // doomed meanwhile is left alone. `why` goes into the audit record. After an
  // error nothing is lost: what was staged is discarded or left for the collector,
  // and another call goes on. kUnavailable: the store is not there; then nothing is
  // called lost.
  absl::StatusOr<HealOutcome> Heal(const OpContext& ctx, const PackId& from,
                                   const std::vector<ChunkLocation>& chunks,
                                   const std::string& why);

  // Looks for good bytes of every lost chunk.
  absl::StatusOr<HealOutcome> HealLost(const OpContext& ctx);

 private:
  struct NewPack;

  absl::Status Take(const OpContext& ctx, const ChunkLocation& chunk, ByteView sealed,
                    NewPack& pack);
  absl::Status Stage(const OpContext& ctx, NewPack& pack);
  absl::Status Finish(const OpContext& ctx, const PackId& from, const std::string& why,
                      NewPack& pack, HealOutcome& outcome);
  absl::Status Lose(const OpContext& ctx, const PackId& from,
                    const std::vector<ChunkLocation>& chunks, const std::string& why,
                    HealOutcome& outcome);
  void Discard(const OpContext& ctx, NewPack& pack);

  const Parts parts_;
};

}  // namespace mooring::storage
