#include "storage/objects/memory_object_store.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::storage {

// Gathers the body; the store sees nothing of it before Commit.
class MemoryObjectStore::Writer final : public ObjectWriter {
 public:
  Writer(MemoryObjectStore& store, std::string key) : store_(store), key_(std::move(key)) {}

  absl::Status Append(const OpContext& ctx, ByteView bytes) override {
    MOORING_RETURN_IF_ERROR(CheckContext(ctx, store_.clock_));
    if (bytes.size() > kObjectBytesMax - body_.size()) {
      return absl::InvalidArgumentError(
          fmt::format("object {}: longer than {} bytes", key_, kObjectBytesMax));
    }
    mooring::Append(body_, bytes);
    return absl::OkStatus();
  }

  absl::Status Commit(const OpContext& ctx, absl::Time locked_until) override {
    if (std::exchange(is_spent_, true)) {
      return absl::FailedPreconditionError(fmt::format("object {}: its writer is spent", key_));
    }
    return store_.Put(ctx, key_, body_, locked_until);
  }

 private:
  MemoryObjectStore& store_;
  const std::string key_;
  Bytes body_;
  bool is_spent_ = false;
};

absl::Status MemoryObjectStore::Put(const OpContext& ctx, std::string_view key, ByteView body,
                                    absl::Time locked_until) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  if (body.size() > kObjectBytesMax) {
    return absl::InvalidArgumentError(
        fmt::format("object {}: longer than {} bytes", key, kObjectBytesMax));
  }
  MutexLock lock(mutex_);
  const Objects::iterator found = objects_.find(key);
  if (found != objects_.end()) {
    Object& object = found->second;
    if (!std::equal(body.begin(), body.end(), object.body.begin(), object.body.end())) {
      return absl::AlreadyExistsError(
          fmt::format("object {}: {} already holds other bytes", key, key));
    }
    object.locked_until = std::max(object.locked_until, locked_until);
    return absl::OkStatus();
  }
  if (body.size() > capacity_bytes_ - used_bytes_) {
    return absl::ResourceExhaustedError(fmt::format("object {}: no space left in memory", key));
  }
  used_bytes_ += body.size();
  objects_.emplace(std::string(key), Object{.body = Bytes(body.begin(), body.end()),
                                            .stored_at = clock_.Now(),
                                            .locked_until = locked_until});
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> MemoryObjectStore::NewObject(const OpContext& ctx,
                                                                           std::string_view key) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  return std::make_unique<Writer>(*this, std::string(key));
}

absl::StatusOr<std::size_t> MemoryObjectStore::ReadAt(const OpContext& ctx, std::string_view key,
                                                      std::uint64_t offset_bytes,
                                                      std::span<std::byte> out) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  MutexLock lock(mutex_);
  const Objects::iterator found = objects_.find(key);
  if (found == objects_.end()) return absl::NotFoundError(fmt::format("object {}: not there", key));
  const Bytes& body = found->second.body;
  if (offset_bytes >= body.size()) return 0;
  const std::size_t count = std::min(out.size(), body.size() - offset_bytes);
  std::copy_n(body.begin() + static_cast<std::ptrdiff_t>(offset_bytes), count, out.begin());
  return count;
}

absl::StatusOr<ObjectInfo> MemoryObjectStore::Stat(const OpContext& ctx, std::string_view key) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  MutexLock lock(mutex_);
  const Objects::iterator found = objects_.find(key);
  if (found == objects_.end()) return absl::NotFoundError(fmt::format("object {}: not there", key));
  return ObjectInfo{.key = found->first,
                    .size_bytes = found->second.body.size(),
                    .stored_at = found->second.stored_at,
                    .locked_until = found->second.locked_until};
}

absl::Status MemoryObjectStore::List(const OpContext& ctx, std::string_view prefix,
                                     absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) {
  std::string after;
  bool is_first = true;
  // One object a step, so that `visit` may call the store.
  while (true) {
    MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
    ObjectInfo info;
    {
      MutexLock lock(mutex_);
      const Objects::iterator next =
          is_first ? objects_.lower_bound(prefix) : objects_.upper_bound(after);
      if (next == objects_.end() || next->first.compare(0, prefix.size(), prefix) != 0) {
        return absl::OkStatus();
      }
      info = ObjectInfo{.key = next->first,
                        .size_bytes = next->second.body.size(),
                        .stored_at = next->second.stored_at,
                        .locked_until = next->second.locked_until};
    }
    after = info.key;
    is_first = false;
    MOORING_RETURN_IF_ERROR(visit(info));
  }
}

absl::Status MemoryObjectStore::Remove(const OpContext& ctx, std::string_view key) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  MutexLock lock(mutex_);
  const Objects::iterator found = objects_.find(key);
  if (found == objects_.end()) return absl::OkStatus();
  if (found->second.locked_until > clock_.Now()) {
    return absl::FailedPreconditionError(fmt::format("object {}: locked", key));
  }
  used_bytes_ -= found->second.body.size();
  objects_.erase(found);
  return absl::OkStatus();
}

absl::Status MemoryObjectStore::ExtendLock(const OpContext& ctx, std::string_view key,
                                           absl::Time locked_until) {
  MOORING_RETURN_IF_ERROR(CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  MutexLock lock(mutex_);
  const Objects::iterator found = objects_.find(key);
  if (found == objects_.end()) return absl::NotFoundError(fmt::format("object {}: not there", key));
  found->second.locked_until = std::max(found->second.locked_until, locked_until);
  return absl::OkStatus();
}

absl::StatusOr<SpaceInfo> MemoryObjectStore::Space(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(CheckContext(ctx, clock_));
  MutexLock lock(mutex_);
  return SpaceInfo{.total_bytes = capacity_bytes_, .free_bytes = capacity_bytes_ - used_bytes_};
}

bool MemoryObjectStore::FlipByte(std::string_view key, std::uint64_t offset_bytes) {
  MutexLock lock(mutex_);
  const Objects::iterator found = objects_.find(key);
  if (found == objects_.end() || offset_bytes >= found->second.body.size()) return false;
  found->second.body[offset_bytes] ^= std::byte{0x40};
  return true;
}

bool MemoryObjectStore::Truncate(std::string_view key, std::uint64_t size_bytes) {
  MutexLock lock(mutex_);
  const Objects::iterator found = objects_.find(key);
  if (found == objects_.end() || size_bytes > found->second.body.size()) return false;
  used_bytes_ -= found->second.body.size() - size_bytes;
  found->second.body.resize(size_bytes);
  return true;
}

bool MemoryObjectStore::Lose(std::string_view key) {
  MutexLock lock(mutex_);
  const Objects::iterator found = objects_.find(key);
  if (found == objects_.end()) return false;
  used_bytes_ -= found->second.body.size();
  objects_.erase(found);
  return true;
}

}  // namespace mooring::storage
