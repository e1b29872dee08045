#include "agent/android/storage_index.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::string_view kMagic = "MSI1";
constexpr std::size_t kRecordBytes = 8 + 8 + storage::kSha256Bytes;
constexpr std::uint64_t kFilesPerShard = 512;
constexpr std::size_t kShardsMax = 4096;
// Far beyond a shard of kFilesPerShard, so that a hostile base costs little.
constexpr std::uint64_t kShardBytesMax = 16U << 20;

bool IsPowerOfTwo(std::size_t n) {
  return n != 0 && (n & (n - 1)) == 0;
}

std::size_t ShardsFor(std::uint64_t files) {
  std::size_t count = 1;
  while (count < kShardsMax && count * kFilesPerShard < files) count *= 2;
  return count;
}

}  // namespace

StorageIndex::StorageIndex(SnapshotBuilder& builder) : builder_(builder) {
  std::size_t count = 0;
  for (const storage::ListedEntry& entry : builder.List(kIndexRoot)) {
    const char* const end = entry.name.data() + entry.name.size();
    const auto read = std::from_chars(entry.name.data(), end, count);
    if (read.ec != std::errc() || !IsPowerOfTwo(count) || count > kShardsMax) count = 0;
    break;
  }
  shards_.resize(std::max<std::size_t>(count, 1));
}

std::uint64_t StorageIndex::KeyOf(std::string_view path) {
  const storage::Sha256Digest digest = storage::Sha256(AsBytes(path));
  return LoadLe64(digest, 0);
}

std::string StorageIndex::PathOf(std::size_t shard) const {
  return fmt::format("{}/{}-{:04}", kIndexRoot, shards_.size(), shard);
}

bool StorageIndex::IsInPart(std::string_view path, std::uint32_t part, std::uint32_t parts) {
  return (KeyOf(path) & (kShardsMax - 1)) % parts == part;
}

StorageIndex::Shard& StorageIndex::Load(const OpContext& ctx, std::size_t shard) {
  Slot& slot = shards_[shard];
  if (slot.marks) return *slot.marks;
  slot.marks.emplace();
  const auto reader = builder_.Open(ctx, PathOf(shard));
  if (!reader.ok() || (*reader)->size_bytes() > kShardBytesMax ||
      (*reader)->size_bytes() < kMagic.size()) {
    return *slot.marks;
  }
  Bytes bytes((*reader)->size_bytes());
  const auto read = (*reader)->ReadAt(0, bytes);
  if (!read.ok() || *read != bytes.size() || AsText(bytes).substr(0, kMagic.size()) != kMagic ||
      (bytes.size() - kMagic.size()) % kRecordBytes != 0) {
    return *slot.marks;
  }
  for (std::size_t at = kMagic.size(); at < bytes.size(); at += kRecordBytes) {
    FileMark mark;
    mark.inode = LoadLe64(bytes, at + 8);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at + 16), mark.sha256.size(),
                mark.sha256.begin());
    slot.marks->emplace_hint(slot.marks->end(), LoadLe64(bytes, at), mark);
  }
  return *slot.marks;
}

StorageIndex::Shard& StorageIndex::ShardOf(const OpContext& ctx, std::uint64_t key, bool changes) {
  const std::size_t shard = key & (shards_.size() - 1);
  if (changes) shards_[shard].changed = true;
  return Load(ctx, shard);
}

std::optional<FileMark> StorageIndex::Find(const OpContext& ctx, std::string_view path) {
  const std::uint64_t key = KeyOf(path);
  const Shard& marks = ShardOf(ctx, key, false);
  const auto it = marks.find(key);
  return it == marks.end() ? std::nullopt : std::optional(it->second);
}

void StorageIndex::Put(const OpContext& ctx, std::string_view path, const FileMark& mark) {
  const std::uint64_t key = KeyOf(path);
  ShardOf(ctx, key, true)[key] = mark;
}

void StorageIndex::Remove(const OpContext& ctx, std::string_view path) {
  const std::uint64_t key = KeyOf(path);
  ShardOf(ctx, key, true).erase(key);
}

absl::Status StorageIndex::Reshard(const OpContext& ctx, std::size_t count) {
  std::vector<Slot> next(count);
  for (Slot& slot : next) {
    slot.marks.emplace();
    slot.changed = true;
  }
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    for (const auto& [key, mark] : Load(ctx, i)) (*next[key & (count - 1)].marks)[key] = mark;
  }
  MOORING_RETURN_IF_ERROR(builder_.Remove(kIndexRoot));
  shards_ = std::move(next);
  return absl::OkStatus();
}

absl::Status StorageIndex::Store(const OpContext& ctx, std::uint64_t files) {
  // Grows at once and shrinks late, so that a phone at a limit does not flutter.
  const std::size_t wanted = files == 0 ? shards_.size() : ShardsFor(files);
  if (wanted > shards_.size() || wanted * 4 < shards_.size()) {
    MOORING_RETURN_IF_ERROR(Reshard(ctx, wanted));
  }
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    Slot& slot = shards_[i];
    if (!slot.changed) continue;
    slot.changed = false;
    Bytes bytes = ToBytes(kMagic);
    for (const auto& [key, mark] : *slot.marks) {
      AppendLe64(bytes, key);
      AppendLe64(bytes, mark.inode);
      Append(bytes, mark.sha256);
    }
    FileFacts facts;
    facts.mode = 0600;
    facts.will_be_read = true;
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> writer,
                             builder_.Put(ctx, PathOf(i), facts));
    MOORING_RETURN_IF_ERROR(writer->Write(bytes));
    MOORING_RETURN_IF_ERROR(writer->Close());
  }
  return absl::OkStatus();
}

std::vector<std::string> StorageIndex::Paths() const {
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (builder_.Find(PathOf(i))) paths.push_back(PathOf(i));
  }
  return paths;
}

}  // namespace mooring::agent
