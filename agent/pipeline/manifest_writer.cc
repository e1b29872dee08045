#include "agent/pipeline/manifest_writer.h"

#include <algorithm>
#include <map>
#include <string>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

using RefSets = std::map<DomainId, absl::flat_hash_set<ChunkId>>;

void AddRefs(const storage::Entry& entry, RefSets& sets) {
  for (const storage::Extent& extent : entry.extents) {
    sets[extent.chunk.domain].insert(extent.chunk.id);
  }
}

// What a decoded manifest amounts to, to be held against the overlay.
struct Tally {
  std::uint64_t entries = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  RefSets refs;

  friend bool operator==(const Tally&, const Tally&) = default;

  void Add(const storage::Entry& entry) {
    ++entries;
    if (entry.type == storage::EntryType::kFile) {
      ++files;
      bytes += entry.size_bytes;
    }
    AddRefs(entry, refs);
  }
};

absl::StatusOr<Tally> TallyOf(const storage::Overlay& overlay) {
  Tally tally;
  MOORING_RETURN_IF_ERROR(
      overlay.Visit("", [&](std::string_view, const storage::Entry& entry) -> absl::Status {
        for (const storage::Extent& extent : entry.extents) {
          if (extent.chunk.id.is_none()) {
            return absl::InternalError(
                fmt::format("an entry of {} bytes was never sealed", entry.size_bytes));
          }
        }
        tally.Add(entry);
        return absl::OkStatus();
      }));
  return tally;
}

DomainRefList Sorted(const RefSets& sets) {
  DomainRefList list;
  for (const auto& [domain, ids] : sets) {
    std::vector<ChunkId> sorted(ids.begin(), ids.end());
    std::sort(sorted.begin(), sorted.end());
    list.emplace_back(domain, std::move(sorted));
  }
  return list;
}

std::uint32_t IndexOf(std::vector<DomainId>& domains, const DomainId& domain) {
  const auto it = std::find(domains.begin(), domains.end(), domain);
  if (it != domains.end()) return static_cast<std::uint32_t>(it - domains.begin());
  domains.push_back(domain);
  return static_cast<std::uint32_t>(domains.size() - 1);
}

}  // namespace

absl::StatusOr<WrittenManifest> WriteManifest(const OpContext& ctx, const storage::Overlay& overlay,
                                              const DomainId& segment_domain,
                                              SealPipeline& pipeline, Ticket& next_ticket) {
  MOORING_ASSIGN_OR_RETURN(const Tally expected, TallyOf(overlay));
  WrittenManifest written;
  Tally decoded;
  std::vector<DomainId> domains;
  absl::flat_hash_map<Ticket, int> segment_of;
  MOORING_RETURN_IF_ERROR(storage::SegmentEncoder::Encode(
      overlay, domains,
      [&](ByteView content, std::string_view first_path, std::uint32_t entries) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto read, storage::DecodeSegment(content, domains));
        if (read.size() != entries) {
          return absl::InternalError("a manifest segment does not decode to what it was made of");
        }
        for (const storage::PathEntry& one : read) decoded.Add(one.entry);
        format::v1::SegmentRef& segment = *written.root.add_segments();
        segment.set_entry_count(entries);
        segment.set_first_path(std::string(first_path));
        segment_of[next_ticket] = written.root.segments_size() - 1;
        SealPipeline::Piece piece;
        piece.ticket = next_ticket++;
        piece.kind = storage::ChunkKind::kManifestSegment;
        piece.compression = storage::Compression::kAlways;
        piece.content.assign(content.begin(), content.end());
        return pipeline.Submit(ctx, std::move(piece));
      }));
  if (!(decoded == expected)) {
    return absl::InternalError("the encoded manifest does not say what the snapshot holds");
  }
  MOORING_RETURN_IF_ERROR(pipeline.AwaitSealed(ctx));
  RefSets refs = std::move(decoded.refs);
  const std::uint32_t domain_index = IndexOf(domains, segment_domain);
  for (const SealedPiece& piece : pipeline.TakeSealed()) {
    const auto it = segment_of.find(piece.ticket);
    if (it == segment_of.end()) continue;
    format::v1::ChunkRef& ref = *written.root.mutable_segments(it->second)->mutable_chunk();
    ref.set_id(piece.chunk.id.bytes());
    ref.set_key(piece.chunk.key.bytes());
    ref.set_raw_bytes(piece.chunk.raw_bytes);
    ref.set_domain(domain_index);
    refs[segment_domain].insert(piece.chunk.id);
    segment_of.erase(it);
  }
  if (!segment_of.empty()) return absl::InternalError("a manifest segment was not sealed");
  written.refs = Sorted(refs);
  written.root.set_entry_count(expected.entries);
  written.root.set_file_count(expected.files);
  written.root.set_logical_bytes(expected.bytes);
  written.root.set_refs_digest(ToString(storage::RefsDigest(written.refs)));
  for (const DomainId& domain : domains) written.root.add_domains(domain.bytes());
  return written;
}

}  // namespace mooring::agent
