// SessionPackUpload: the real PackUpload. Chunks go straight from the stream
// into a pack that is staged in the object store.
//
// Order, per pack: its row, staged -> its bytes -> durable, its size asked back
// -> one transaction that makes the pack live and enters its chunks -> counted
// as durable. Whatever fails before the last step leaves nothing that anything
// points to.

#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/session_store.h"
#include "storage/objects/object_store.h"
#include "storage/pack/pack.h"
#include "storage/repository/repository.h"
#include "storage/repository/session_registry.h"

namespace mooring::storage {

// Thread-bound. What it is given outlives it.
class SessionPackUpload final : public PackUpload {
 public:
  struct Parts {
    Catalog& catalog;
    ObjectStore& objects;
    Clock& clock;
    Random& random;
    SessionRegistry& registry;
    const SecretBytes& pack_index_key;
  };
  struct Domains {
    DomainId person;
    DomainId organization;
  };

  SessionPackUpload(const Parts& parts, const SessionRecord& session, const Domains& domains);

  absl::Status Put(const OpContext& ctx, const DomainId& domain, ByteView sealed) override;
  std::uint64_t open_bytes() const override;
  absl::Duration open_for() const override;
  absl::Status Close(const OpContext& ctx) override;
  std::uint64_t durable_count() const override { return durable_count_; }
  std::uint64_t new_bytes() const override { return new_bytes_; }

 private:
  using ChunkName = std::pair<DomainId, ChunkId>;
  struct OpenPack {
    PackWriter writer;
    std::unique_ptr<ObjectWriter> object;
    absl::Duration opened_at;  // Monotonic.
    bool was_entered = false;  // Its rows were sent to the catalog; the answer may be lost.
  };

  absl::Status CheckUsable();
  absl::StatusOr<bool> IsThereAlready(const OpContext& ctx, const DomainId& domain,
                                      const ChunkId& id);
  absl::Status OpenNewPack(const OpContext& ctx);
  absl::Status ClosePack(const OpContext& ctx);
  absl::Status EnterPack(const OpContext& ctx, const PackFooter& footer, std::uint64_t pack_bytes,
                         ByteView sha256);
  absl::Status ClaimDuplicates(const OpContext& ctx);
  // Gives up for good, and takes back what can be taken back.
  absl::Status Fail(const OpContext& ctx, absl::Status why);

  Parts parts_;
  const SessionId session_;
  const DeviceId device_;
  const PersonId person_;
  const Domains domains_;
  // An earlier upload of the session may have stored what comes again now.
  const bool is_resumed_;
  const std::uint64_t upload_;

  bool has_failed_ = false;
  std::optional<OpenPack> pack_;
  absl::flat_hash_set<ChunkName> in_pack_;
  // The organization's chunks that others stored and this person has now shown.
  std::vector<ChunkId> claims_;
  std::uint64_t put_count_ = 0;
  std::uint64_t durable_count_ = 0;
  std::uint64_t new_bytes_ = 0;
};

}  // namespace mooring::storage
