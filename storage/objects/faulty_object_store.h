// FaultyObjectStore: an object store with scripted or seeded faults over another.
//
// Calls are counted from 1: every method of the store, and Append and Commit of
// its writers. A test runs an operation once for each n until it takes fewer
// than n calls, so that every call has failed once.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string_view>

#include "storage/base/mutex.h"
#include "storage/base/random.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

enum class ObjectFault {
  kFailBefore,  // The call has no effect and fails.
  kFailAfter,   // The call has its effect and then fails: an unknown outcome.
  kShortStore,  // Put and Commit store half of the body and say OK. Others: kFailBefore.
  kFlipByte,    // ReadAt gives one wrong byte. Others: kFailBefore.
};

// Thread-safe.
class FaultyObjectStore final : public ObjectStore {
 public:
  // `inner` outlives this.
  explicit FaultyObjectStore(ObjectStore& inner) : inner_(inner) {}

  // The fault of the call that is the `n`-th from now on.
  void FailCall(std::uint64_t n, ObjectFault fault,
                absl::StatusCode code = absl::StatusCode::kUnavailable);
  // Every call fails with this chance, before or after its effect, as `random`
  // decides. Zero ends it. `random` outlives the store.
  void FailAtRandom(Random& random, unsigned per_mille);
  // After `bytes` more stored bytes: kResourceExhausted.
  void LimitSpace(std::optional<std::uint64_t> bytes);
  // No more faults of any kind.
  void Heal();

  std::uint64_t calls() const;
  std::uint64_t faults() const;  // That have struck.

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
  struct Planned {
    ObjectFault fault;
    absl::StatusCode code;
  };

  // Counts one call and says what is to go wrong with it.
  std::optional<Planned> NextCall();
  absl::Status TakeSpace(std::uint64_t bytes);

  ObjectStore& inner_;

  mutable Mutex mutex_;
  std::uint64_t calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t faults_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::uint64_t, Planned> plan_ ABSL_GUARDED_BY(mutex_);
  Random* random_ ABSL_GUARDED_BY(mutex_) = nullptr;
  unsigned per_mille_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<std::uint64_t> space_bytes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::storage
