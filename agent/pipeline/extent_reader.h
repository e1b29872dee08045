// ExtentReader: random access to one file of a snapshot, over its chunks.

#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/mutex.h"
#include "storage/manifest/manifest.h"

namespace mooring::agent {

// Fetches and verifies one chunk's content. kDataLoss: it does not verify.
using FetchContent = absl::AnyInvocable<absl::StatusOr<std::shared_ptr<const Bytes>>(
    const storage::ChunkRef& chunk)>;

// Keeps the chunks read last, up to a bound in bytes. Thread-safe.
class ExtentReader final : public FileReader {
 public:
  // Decoded content that one reader may keep; at least one chunk is kept.
  static constexpr std::size_t kCacheBytesMax = std::size_t{4} << 20;

  ExtentReader(storage::Entry entry, FetchContent fetch);

  std::uint64_t size_bytes() const override { return size_; }
  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) override;

 private:
  using Cached = std::pair<ChunkId, std::shared_ptr<const Bytes>>;

  absl::StatusOr<std::shared_ptr<const Bytes>> Content(const storage::ChunkRef& chunk)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::uint64_t size_;
  const std::vector<storage::Extent> extents_;
  std::vector<std::uint64_t> starts_;  // Offset in the file where each extent begins.

  Mutex mutex_;
  FetchContent fetch_ ABSL_GUARDED_BY(mutex_);
  std::list<Cached> cache_ ABSL_GUARDED_BY(mutex_);  // Most recent first.
  std::size_t cached_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mooring::agent
