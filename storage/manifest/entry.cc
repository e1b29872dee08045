#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/manifest/manifest.h"

namespace mooring::storage {
namespace {

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(ToAbsl(fmt::format("entry: {}", what)));
}

absl::Status CheckExtents(const Entry& entry) {
  if (entry.extents.size() > kExtentsMax) {
    return Bad(fmt::format("more than {} extents", kExtentsMax));
  }
  std::uint64_t bytes = 0;
  for (const Extent& extent : entry.extents) {
    if (extent.bytes == 0) return Bad("an empty extent");
    if (extent.chunk.raw_bytes > kFrameContentBytesMax) return Bad("a chunk over 16 MiB");
    if (std::uint64_t{extent.offset} + extent.bytes > extent.chunk.raw_bytes) {
      return Bad("an extent past the end of its chunk");
    }
    bytes += extent.bytes;
  }
  if (bytes != entry.size_bytes) return Bad("extents that do not add up to the size");
  return absl::OkStatus();
}

}  // namespace

void FileDigester::Add(const FrameHash& frame, std::uint32_t offset, std::uint32_t bytes) {
  Bytes row;
  row.reserve(FrameHash::kBytes + 8);
  Append(row, frame.view());
  AppendLe32(row, offset);
  AppendLe32(row, bytes);
  hash_.Update(row);
}

FileDigest FileDigester::Finish() {
  return *FileDigest::FromBytes(ByteView(hash_.Finish()));
}

absl::Status CheckEntry(const Entry& entry) {
  if (entry.type == EntryType::kFile) {
    if (!entry.target.empty()) return Bad("a file with a link target");
    return CheckExtents(entry);
  }
  if (!entry.extents.empty() || entry.size_bytes != 0 || !entry.digest.is_none()) {
    return Bad("content on something that is not a file");
  }
  if (entry.type == EntryType::kSymlink) {
    if (entry.target.empty() || entry.target.size() > kTargetBytesMax ||
        entry.target.find('\0') != std::string::npos) {
      return Bad("a link target that is empty, too long or holds a zero byte");
    }
    return absl::OkStatus();
  }
  if (entry.type != EntryType::kDirectory) return Bad("of an unknown type");
  if (!entry.target.empty()) return Bad("a directory with a link target");
  return absl::OkStatus();
}

}  // namespace mooring::storage
