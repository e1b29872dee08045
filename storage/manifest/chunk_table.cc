#include "storage/manifest/chunk_table.h"

#include <algorithm>

namespace mooring::storage {
namespace {

constexpr unsigned kRawBits = 25;
constexpr std::uint32_t kRawMask = (1U << kRawBits) - 1;
static_assert(kFrameContentBytesMax <= kRawMask);
static_assert(kDomainsMax <= (1U << (32 - kRawBits)));

}  // namespace

ChunkTable::ChunkTable() : by_id_(0, Hash{this}, Equal{this}) {}

absl::StatusOr<std::uint32_t> ChunkTable::DomainIndex(const DomainId& domain) {
  const auto found = std::find(domains_.begin(), domains_.end(), domain);
  const auto index = static_cast<std::uint32_t>(found - domains_.begin());
  if (found == domains_.end()) {
    if (domains_.size() >= kDomainsMax) {
      return absl::ResourceExhaustedError("snapshot: chunks of too many domains");
    }
    domains_.push_back(domain);
  }
  return index;
}

absl::StatusOr<std::uint32_t> ChunkTable::Add(const ChunkRef& chunk) {
  const auto domain = DomainIndex(chunk.domain);
  if (!domain.ok()) return domain.status();
  const Slot slot{chunk.id, chunk.key, chunk.raw_bytes | (*domain << kRawBits), 1};
  if (const auto found = by_id_.find(slot); found != by_id_.end()) {
    AddUse(*found);
    return *found;
  }
  const std::uint32_t index = slots_.Add();
  slots_[index] = slot;
  by_id_.insert(index);
  return index;
}

void ChunkTable::RemoveUse(std::uint32_t index) {
  if (--slots_[index].uses > 0) return;
  by_id_.erase(index);
  slots_.Remove(index);
}

ChunkRef ChunkTable::Get(std::uint32_t index) const {
  const Slot& slot = slots_[index];
  return {slot.id, slot.key, slot.raw_bytes_and_domain & kRawMask,
          domains_[slot.raw_bytes_and_domain >> kRawBits]};
}

}  // namespace mooring::storage
