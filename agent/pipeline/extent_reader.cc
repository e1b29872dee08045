#include "agent/pipeline/extent_reader.h"

#include <algorithm>

#include "storage/base/status.h"

namespace mooring::agent {

ExtentReader::ExtentReader(storage::Entry entry, FetchContent fetch)
    : size_(entry.size_bytes), extents_(std::move(entry.extents)), fetch_(std::move(fetch)) {
  std::uint64_t at = 0;
  for (const storage::Extent& extent : extents_) {
    starts_.push_back(at);
    at += extent.bytes;
  }
}

absl::StatusOr<std::shared_ptr<const Bytes>> ExtentReader::Content(const storage::ChunkRef& chunk) {
  const auto it = std::find_if(cache_.begin(), cache_.end(),
                               [&](const Cached& cached) { return cached.first == chunk.id; });
  if (it != cache_.end()) {
    cache_.splice(cache_.begin(), cache_, it);
    return cache_.front().second;
  }
  MOORING_ASSIGN_OR_RETURN(std::shared_ptr<const Bytes> content, fetch_(chunk));
  cached_bytes_ += content->size();
  cache_.emplace_front(chunk.id, content);
  while (cached_bytes_ > kCacheBytesMax && cache_.size() > 1) {
    cached_bytes_ -= cache_.back().second->size();
    cache_.pop_back();
  }
  return content;
}

absl::StatusOr<std::size_t> ExtentReader::ReadAt(std::uint64_t offset, std::span<std::byte> out) {
  if (offset >= size_ || out.empty()) return std::size_t{0};
  MutexLock lock(mutex_);
  std::size_t done = 0;
  auto next = std::upper_bound(starts_.begin(), starts_.end(), offset);
  for (auto i = static_cast<std::size_t>(next - starts_.begin()) - 1;
       i < extents_.size() && done < out.size(); ++i) {
    const storage::Extent& extent = extents_[i];
    const std::uint64_t within = offset + done - starts_[i];
    if (within >= extent.bytes) continue;
    MOORING_ASSIGN_OR_RETURN(const std::shared_ptr<const Bytes> content, Content(extent.chunk));
    if (std::uint64_t{extent.offset} + extent.bytes > content->size()) {
      return absl::DataLossError("a chunk is shorter than its manifest says");
    }
    const std::size_t bytes =
        std::min<std::size_t>(out.size() - done, extent.bytes - static_cast<std::size_t>(within));
    std::copy_n(content->begin() + static_cast<std::ptrdiff_t>(extent.offset + within), bytes,
                out.begin() + static_cast<std::ptrdiff_t>(done));
    done += bytes;
  }
  return done;
}

}  // namespace mooring::agent
