#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/manifest/manifest.h"
#include "storage/manifest/wire_scan.h"

namespace mooring::storage {
namespace {

absl::Status Bad(std::string_view what) {
  return absl::DataLossError(ToAbsl(fmt::format("manifest segment: {}", what)));
}

// Bounds what the parser and the decoder would allocate.
absl::Status CheckCounts(ByteView content) {
  constexpr std::uint32_t kEntryField = 2;
  constexpr std::uint32_t kExtentField = 8;
  std::size_t extents = 0;
  bool well_formed = true;
  const auto counts = CountFields(content, [&](std::uint32_t field, ByteView entry) {
    if (field != kEntryField) return;
    const auto inner = CountFields(entry);
    well_formed = well_formed && inner.has_value();
    if (inner) extents += inner->of(kExtentField);
  });
  if (!counts || !well_formed) return Bad("not a protobuf message");
  if (counts->of(1) > kSegmentExtentsMax) return Bad("too many chunks");
  if (counts->of(kEntryField) > kSegmentEntriesMax) return Bad("too many entries");
  if (extents > kSegmentExtentsMax) return Bad("too many extents");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ChunkRef>> DecodeChunks(const format::v1::ManifestSegment& segment,
                                                   const std::vector<DomainId>& domains) {
  std::vector<ChunkRef> chunks;
  chunks.reserve(static_cast<std::size_t>(segment.chunks_size()));
  for (const format::v1::ChunkRef& from : segment.chunks()) {
    const auto id = ChunkId::FromBytes(from.id());
    const auto key = ChunkKey::FromBytes(from.key());
    if (!id || !key) return Bad("a chunk whose id or key has not 32 bytes");
    if (from.raw_bytes() == 0 || from.raw_bytes() > kFrameContentBytesMax) {
      return Bad("a chunk of a size that no frame of content has");
    }
    if (from.domain() >= domains.size()) return Bad("a chunk of an unknown domain");
    chunks.push_back({*id, *key, from.raw_bytes(), domains[from.domain()]});
  }
  return chunks;
}

absl::StatusOr<std::string> DecodePath(const format::v1::Entry& from, const std::string& previous) {
  if (from.shared_prefix() > previous.size()) return Bad("a prefix longer than the path before");
  if (from.shared_prefix() + from.suffix().size() > kPathBytesMax) return Bad("an overlong path");
  std::string path = previous.substr(0, from.shared_prefix()) + from.suffix();
  if (const absl::Status form = CheckSnapshotPath(path); !form.ok()) {
    return Bad(std::string_view(form.message().data(), form.message().size()));
  }
  if (path <= previous) return Bad("paths out of order");
  return path;
}

class SegmentDecoder {
 public:
  explicit SegmentDecoder(std::vector<ChunkRef> chunks) : chunks_(std::move(chunks)) {}

  absl::StatusOr<Entry> Decode(const format::v1::Entry& from) {
    Entry entry;
    if (!format::v1::EntryType_IsValid(from.type()) ||
        from.type() == format::v1::ENTRY_TYPE_UNSPECIFIED) {
      return Bad("an entry of an unknown type");
    }
    entry.type = static_cast<EntryType>(from.type());
    entry.size_bytes = from.size_bytes();
    entry.modified_unix_ns = from.modified_unix_ns();
    entry.mode = from.mode();
    entry.target = from.target();
    if (entry.type == EntryType::kFile) {
      const auto digest = FileDigest::FromBytes(from.digest());
      if (!digest) return Bad("a file whose digest has not 32 bytes");
      entry.digest = *digest;
    } else if (!from.digest().empty()) {
      return Bad("a digest on something that is not a file");
    }
    entry.extents.reserve(static_cast<std::size_t>(from.extents_size()));
    for (const format::v1::Extent& extent : from.extents()) {
      // Chunks stand in the order of their first use, so each is used.
      if (extent.chunk() > used_ || extent.chunk() >= chunks_.size()) {
        return Bad("an extent of an unknown chunk");
      }
      if (extent.chunk() == used_) ++used_;
      entry.extents.push_back({chunks_[extent.chunk()], extent.offset(), extent.bytes()});
    }
    if (const absl::Status form = CheckEntry(entry); !form.ok()) {
      return Bad(std::string_view(form.message().data(), form.message().size()));
    }
    return entry;
  }

  bool all_used() const { return used_ == chunks_.size(); }

 private:
  std::vector<ChunkRef> chunks_;
  std::size_t used_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<PathEntry>> DecodeSegment(ByteView content,
                                                     const std::vector<DomainId>& domains) {
  if (content.size() > kFrameContentBytesMax) return Bad("over 16 MiB");
  MOORING_RETURN_IF_ERROR(CheckCounts(content));
  format::v1::ManifestSegment segment;
  if (!segment.ParseFromArray(content.data(), static_cast<int>(content.size()))) {
    return Bad("not a protobuf message");
  }
  if (segment.entries().empty()) return Bad("no entries");
  MOORING_ASSIGN_OR_RETURN(std::vector<ChunkRef> chunks, DecodeChunks(segment, domains));
  SegmentDecoder decoder(std::move(chunks));
  std::vector<PathEntry> entries;
  entries.reserve(static_cast<std::size_t>(segment.entries_size()));
  std::string previous;
  for (const format::v1::Entry& from : segment.entries()) {
    MOORING_ASSIGN_OR_RETURN(std::string path, DecodePath(from, previous));
    MOORING_ASSIGN_OR_RETURN(Entry entry, decoder.Decode(from));
    previous = path;
    entries.push_back({std::move(path), std::move(entry)});
  }
  if (!decoder.all_used()) return Bad("a chunk that no entry uses");
  return entries;
}

}  // namespace mooring::storage
