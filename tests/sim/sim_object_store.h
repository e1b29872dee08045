// SimObjectStore: the object store as one server of a simulation sees it. Every
// call is a switch of tasks before and after its effect; calls fail before or
// after it, keep half, flip a byte or find no room, as the profile says. A
// server that has crashed has no effect any more.

#pragma once

#include <memory>
#include <string>

#include "storage/objects/object_store.h"
#include "tests/sim/ground.h"

namespace mooring::testing {

class SimObjectStore final : public storage::ObjectStore {
 public:
  // All of them outlive the store; `disk` is what is durable.
  SimObjectStore(Ground& ground, storage::MemoryObjectStore& disk, const bool& dead)
      : ground_(ground), disk_(disk), dead_(dead) {}

  absl::Status Put(const OpContext& ctx, std::string_view key, ByteView body,
                   absl::Time locked_until) override;
  absl::StatusOr<std::unique_ptr<storage::ObjectWriter>> NewObject(const OpContext& ctx,
                                                                   std::string_view key) override;
  absl::StatusOr<std::size_t> ReadAt(const OpContext& ctx, std::string_view key,
                                     std::uint64_t offset_bytes, std::span<std::byte> out) override;
  absl::StatusOr<storage::ObjectInfo> Stat(const OpContext& ctx, std::string_view key) override;
  absl::Status List(const OpContext& ctx, std::string_view prefix,
                    absl::FunctionRef<absl::Status(const storage::ObjectInfo&)> visit) override;
  absl::Status Remove(const OpContext& ctx, std::string_view key) override;
  absl::Status ExtendLock(const OpContext& ctx, std::string_view key,
                          absl::Time locked_until) override;
  absl::StatusOr<SpaceInfo> Space(const OpContext& ctx) override;

 private:
  class Writer;

  // Before the effect: a switch, then whether the call comes to it.
  absl::Status Before(std::string_view call, std::string_view key);
  // After it: a switch, then what the caller hears of a call that ended `status`.
  absl::Status After(std::string_view call, std::string_view key, absl::Status status);
  absl::Status Keep(const OpContext& ctx, std::string_view key, ByteView body,
                    absl::Time locked_until);

  bool is_replica() const { return &disk_ != &ground_.disk; }

  Ground& ground_;
  storage::MemoryObjectStore& disk_;
  const bool& dead_;
  absl::Duration next_flip_ = absl::ZeroDuration();
  std::map<std::string, std::uint64_t> claimed_bytes_;  // Of PlantedBug::kStoreHidesShortObject.
  std::map<std::string, Bytes> late_;                   // Of PlantedBug::kTombstoneIsLate.
};

}  // namespace mooring::testing
