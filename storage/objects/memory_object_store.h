// MemoryObjectStore: a complete object store in memory, for tests and simulation.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "storage/base/mutex.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

// Thread-safe.
class MemoryObjectStore final : public ObjectStore {
 public:
  // Holds at most `capacity_bytes` of object bodies.
  explicit MemoryObjectStore(Clock& clock, std::uint64_t capacity_bytes = std::uint64_t{1} << 40)
      : clock_(clock), capacity_bytes_(capacity_bytes) {}

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

  // What a broken disk does behind our back: false if there is no such object.
  bool FlipByte(std::string_view key, std::uint64_t offset_bytes);
  bool Truncate(std::string_view key, std::uint64_t size_bytes);
  bool Lose(std::string_view key);

 private:
  class Writer;
  struct Object {
    Bytes body;
    absl::Time stored_at;
    absl::Time locked_until;
  };
  using Objects = std::map<std::string, Object, std::less<>>;

  Clock& clock_;
  const std::uint64_t capacity_bytes_;

  Mutex mutex_;
  Objects objects_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t used_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mooring::storage
