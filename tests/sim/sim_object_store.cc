#include "tests/sim/sim_object_store.h"

#include <algorithm>
#include <utility>

#include "storage/base/status.h"
#include "storage/objects/object_layout.h"

namespace mooring::testing {

using storage::ObjectInfo;
using storage::ObjectWriter;

class SimObjectStore::Writer final : public ObjectWriter {
 public:
  Writer(SimObjectStore& store, std::string_view key) : store_(store), key_(key) {}

  absl::Status Append(const OpContext& /*ctx*/, ByteView bytes) override {
    MOORING_RETURN_IF_ERROR(store_.Before("append", key_));
    mooring::Append(body_, bytes);
    return absl::OkStatus();
  }
  absl::Status Commit(const OpContext& ctx, absl::Time locked_until) override {
    MOORING_RETURN_IF_ERROR(store_.Before("commit", key_));
    return store_.After("commit", key_, store_.Keep(ctx, key_, body_, locked_until));
  }

 private:
  SimObjectStore& store_;
  const std::string key_;
  Bytes body_;
};

absl::Status SimObjectStore::Before(std::string_view call, std::string_view key) {
  if (ground_.dice.Chance(ground_.profile.switch_chance)) ground_.scheduler.Yield();
  absl::Status status;
  if (dead_) {
    status = absl::UnavailableError("the server has crashed");
  } else if (ground_.faults && ground_.dice.Chance(ground_.profile.store_fails_before)) {
    status = absl::UnavailableError("injected: the store failed before");
  } else if (ground_.faults && (call == "append" || call == "put") &&
             ground_.dice.Chance(ground_.profile.store_is_full)) {
    status = absl::ResourceExhaustedError("injected: no space left on device");
  }
  if (!status.ok()) ground_.trace.Note(call, key, status.code());
  return status;
}

absl::Status SimObjectStore::After(std::string_view call, std::string_view key,
                                   absl::Status status) {
  ground_.trace.Note(call, key, status.code());
  if (ground_.dice.Chance(ground_.profile.switch_chance)) ground_.scheduler.Yield();
  if (dead_) return absl::UnavailableError("the server has crashed");
  if (status.ok() && ground_.faults && ground_.dice.Chance(ground_.profile.store_fails_after)) {
    return absl::UnavailableError("injected: the store failed after");
  }
  return status;
}

absl::Status SimObjectStore::Keep(const OpContext& ctx, std::string_view key, ByteView body,
                                  absl::Time locked_until) {
  if (ground_.bug == PlantedBug::kTombstoneIsLate && !is_replica() &&
      storage::TombstoneOfObjectKey(key)) {
    late_[std::string(key)] = Bytes(body.begin(), body.end());
    return absl::OkStatus();
  }
  const std::size_t full = body.size();
  if (ground_.faults && ground_.dice.Chance(ground_.profile.store_keeps_half)) {
    body = body.first(body.size() / 2);
  }
  MOORING_RETURN_IF_ERROR(disk_.Put(ctx, key, body, locked_until));
  if (ground_.bug == PlantedBug::kStoreHidesShortObject) {
    claimed_bytes_[std::string(key)] = full;
  }
  if (ground_.bug == PlantedBug::kStoreLosesRename && !is_replica())
    ground_.volatile_keys.insert(std::string(key));
  return absl::OkStatus();
}

absl::Status SimObjectStore::Put(const OpContext& ctx, std::string_view key, ByteView body,
                                 absl::Time locked_until) {
  MOORING_RETURN_IF_ERROR(Before("put", key));
  return After("put", key, Keep(ctx, key, body, locked_until));
}

absl::StatusOr<std::unique_ptr<ObjectWriter>> SimObjectStore::NewObject(const OpContext& /*ctx*/,
                                                                        std::string_view key) {
  MOORING_RETURN_IF_ERROR(storage::CheckObjectKey(key));
  MOORING_RETURN_IF_ERROR(Before("new", key));
  return std::make_unique<Writer>(*this, key);
}

absl::StatusOr<std::size_t> SimObjectStore::ReadAt(const OpContext& ctx, std::string_view key,
                                                   std::uint64_t offset_bytes,
                                                   std::span<std::byte> out) {
  MOORING_RETURN_IF_ERROR(Before("read", key));
  if (const auto late = late_.find(std::string(key)); late != late_.end()) {
    const std::size_t from = std::min<std::size_t>(offset_bytes, late->second.size());
    const std::size_t count = std::min(out.size(), late->second.size() - from);
    std::copy_n(late->second.begin() + static_cast<std::ptrdiff_t>(from), count, out.begin());
    return count;
  }
  const absl::StatusOr<std::size_t> read = disk_.ReadAt(ctx, key, offset_bytes, out);
  ground_.trace.Note("read", key, read.status().code());
  if (!read.ok()) return read;
  // A cable that flips a bit now and then, not a disk that rots: the next reads are good.
  if (ground_.faults && *read > 0 && ground_.scheduler.now() >= next_flip_ &&
      ground_.dice.Chance(ground_.profile.store_flips_byte)) {
    next_flip_ = ground_.scheduler.now() + absl::Minutes(10);
    out[ground_.dice.Roll(*read)] ^= std::byte{0x20};
  }
  return read;
}

absl::StatusOr<ObjectInfo> SimObjectStore::Stat(const OpContext& ctx, std::string_view key) {
  MOORING_RETURN_IF_ERROR(Before("stat", key));
  absl::StatusOr<ObjectInfo> info = disk_.Stat(ctx, key);
  ground_.trace.Note("stat", key, info.status().code());
  if (const auto claimed = claimed_bytes_.find(std::string(key));
      info.ok() && claimed != claimed_bytes_.end()) {
    info->size_bytes = claimed->second;
  }
  return info;
}

absl::Status SimObjectStore::List(const OpContext& ctx, std::string_view prefix,
                                  absl::FunctionRef<absl::Status(const ObjectInfo&)> visit) {
  MOORING_RETURN_IF_ERROR(Before("list", prefix));
  return disk_.List(ctx, prefix, [&](const ObjectInfo& info) -> absl::Status {
    if (dead_) return absl::UnavailableError("the server has crashed");
    return visit(info);
  });
}

absl::Status SimObjectStore::Remove(const OpContext& ctx, std::string_view key) {
  MOORING_RETURN_IF_ERROR(Before("remove", key));
  const absl::Status removed = disk_.Remove(ctx, key);
  if (removed.ok() && !is_replica()) ground_.volatile_keys.erase(std::string(key));
  const absl::Status heard = After("remove", key, removed);
  if (!dead_ && storage::SnapshotKeyOfObjectKey(key)) {
    for (const auto& [late_key, body] : std::exchange(late_, {})) {
      MOORING_RETURN_IF_ERROR(disk_.Put(ctx, late_key, body, absl::InfinitePast()));
    }
  }
  return heard;
}

absl::Status SimObjectStore::ExtendLock(const OpContext& ctx, std::string_view key,
                                        absl::Time locked_until) {
  MOORING_RETURN_IF_ERROR(Before("lock", key));
  return After("lock", key, disk_.ExtendLock(ctx, key, locked_until));
}

absl::StatusOr<SpaceInfo> SimObjectStore::Space(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(Before("space", ""));
  return disk_.Space(ctx);
}

}  // namespace mooring::testing
