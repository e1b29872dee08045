// RetainingObjectStore: locks what a deployment wants locked for a time, whoever
// writes it. The policy is object_layout's; this applies it over another store.

#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "storage/objects/object_store.h"

namespace mooring::storage {

// Thread-safe, as the store beneath.
class RetainingObjectStore final : public ObjectStore {
 public:
  // `clock` outlives this.
  RetainingObjectStore(std::unique_ptr<ObjectStore> inner, Clock& clock, absl::Duration lock)
      : inner_(std::move(inner)), clock_(clock), lock_(lock) {}

  absl::Status Put(const OpContext& ctx, std::string_view key, ByteView body,
                   absl::Time locked_until) override;
  absl::StatusOr<std::unique_ptr<ObjectWriter>> NewObject(const OpContext& ctx,
                                                          std::string_view key) override;
  absl::StatusOr<std::size_t> ReadAt(const OpContext& ctx, std::string_view key,
                                     std::uint64_t offset_bytes, std::span<std::byte> out) override;
  absl::StatusOr<ObjectInfo> Stat(const OpContext& ctx, std::string_view key) override;
  absl::Status List(const OpContext& ctx, std::string_view prefix,
                    absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) override;
  absl::Status Remove(const OpContext& ctx, std::string_view key) override;
  absl::Status ExtendLock(const OpContext& ctx, std::string_view key,
                          absl::Time locked_until) override;
  absl::StatusOr<SpaceInfo> Space(const OpContext& ctx) override;

 private:
  class Writer;
  absl::Time LockFor(std::string_view key, absl::Time asked);

  const std::unique_ptr<ObjectStore> inner_;
  Clock& clock_;
  const absl::Duration lock_;
};

}  // namespace mooring::storage
