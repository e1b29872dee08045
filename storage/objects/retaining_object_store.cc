#include "storage/objects/retaining_object_store.h"

#include <algorithm>
#include <string>

#include "storage/base/status.h"
#include "storage/objects/object_layout.h"

namespace mooring::storage {

// The lock counts from the commit, not from the first byte.
class RetainingObjectStore::Writer final : public ObjectWriter {
 public:
  Writer(RetainingObjectStore& store, std::string key, std::unique_ptr<ObjectWriter> inner)
      : store_(store), key_(std::move(key)), inner_(std::move(inner)) {}

  absl::Status Append(const OpContext& ctx, ByteView bytes) override {
    return inner_->Append(ctx, bytes);
  }
  absl::Status Commit(const OpContext& ctx, absl::Time locked_until) override {
    return inner_->Commit(ctx, store_.LockFor(key_, locked_until));
  }

 private:
  RetainingObjectStore& store_;
  const std::string key_;
  const std::unique_ptr<ObjectWriter> inner_;
};

absl::Time RetainingObjectStore::LockFor(std::string_view key, absl::Time asked) {
  return IsLockedWhenWritten(key) ? std::max(asked, clock_.Now() + lock_) : asked;
}

absl::Status RetainingObjectStore::Put(const OpContext& ctx, std::string_view key, ByteView body,
                                       absl::Time locked_until) {
  return inner_->Put(ctx, key, body, LockFor(key, locked_until));
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> RetainingObjectStore::NewObject(
    const OpContext& ctx, std::string_view key) {
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<ObjectWriter> writer, inner_->NewObject(ctx, key));
  return std::make_unique<Writer>(*this, std::string(key), std::move(writer));
}

absl::StatusOr<std::size_t> RetainingObjectStore::ReadAt(const OpContext& ctx, std::string_view key,
                                                         std::uint64_t offset_bytes,
                                                         std::span<std::byte> out) {
  return inner_->ReadAt(ctx, key, offset_bytes, out);
}

absl::StatusOr<ObjectInfo> RetainingObjectStore::Stat(const OpContext& ctx, std::string_view key) {
  return inner_->Stat(ctx, key);
}

absl::Status RetainingObjectStore::List(const OpContext& ctx, std::string_view prefix,
                                        absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) {
  return inner_->List(ctx, prefix, visit);
}

absl::Status RetainingObjectStore::Remove(const OpContext& ctx, std::string_view key) {
  return inner_->Remove(ctx, key);
}

absl::Status RetainingObjectStore::ExtendLock(const OpContext& ctx, std::string_view key,
                                              absl::Time locked_until) {
  return inner_->ExtendLock(ctx, key, locked_until);
}

absl::StatusOr<SpaceInfo> RetainingObjectStore::Space(const OpContext& ctx) {
  return inner_->Space(ctx);
}

}  // namespace mooring::storage
