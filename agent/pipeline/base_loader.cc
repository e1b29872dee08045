#include "agent/pipeline/base_loader.h"

#include <algorithm>
#include <map>

#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::agent {
namespace {

// Segments asked for at once: a few MiB at the most.
constexpr std::size_t kSegmentsPerRead = 16;

absl::Status AddSegment(const storage::ChunkRef& ref, const format::v1::SegmentRef& expected,
                        const std::vector<DomainId>& domains, ByteView sealed,
                        storage::Overlay& overlay) {
  MOORING_ASSIGN_OR_RETURN(const storage::OpenedChunk opened,
                           storage::OpenChunk(sealed, ref.id, ref.key));
  MOORING_ASSIGN_OR_RETURN(std::vector<storage::PathEntry> entries,
                           storage::DecodeSegment(opened.content, domains));
  if (entries.size() != expected.entry_count()) {
    return absl::DataLossError(
        fmt::format("{} entries where the root says {}", entries.size(), expected.entry_count()));
  }
  return overlay.Load(std::move(entries));
}

absl::Status CheckRefs(const storage::Overlay& overlay, const format::v1::ManifestRoot& root,
                       const std::vector<storage::ChunkRef>& segments) {
  std::map<DomainId, absl::flat_hash_set<ChunkId>> sets;
  for (const storage::ChunkRef& ref : segments) sets[ref.domain].insert(ref.id);
  MOORING_RETURN_IF_ERROR(
      overlay.Visit("", [&](std::string_view, const storage::Entry& entry) -> absl::Status {
        for (const storage::Extent& extent : entry.extents) {
          sets[extent.chunk.domain].insert(extent.chunk.id);
        }
        return absl::OkStatus();
      }));
  std::vector<std::pair<DomainId, std::vector<ChunkId>>> refs;
  for (const auto& [domain, ids] : sets) {
    refs.emplace_back(domain, std::vector<ChunkId>(ids.begin(), ids.end()));
    std::sort(refs.back().second.begin(), refs.back().second.end());
  }
  if (ToString(storage::RefsDigest(refs)) != root.refs_digest()) {
    return absl::DataLossError("the manifest does not reference what its root says");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<DomainId>> ParseDomains(const format::v1::ManifestRoot& root) {
  std::vector<DomainId> domains;
  for (const std::string& bytes : root.domains()) {
    const std::optional<DomainId> domain = DomainId::FromBytes(bytes);
    if (!domain) return absl::DataLossError("manifest root: a domain id of a wrong length");
    domains.push_back(*domain);
  }
  return domains;
}

absl::StatusOr<storage::ChunkRef> ParseChunkRef(const format::v1::ChunkRef& ref,
                                                const std::vector<DomainId>& domains) {
  const std::optional<ChunkId> id = ChunkId::FromBytes(ref.id());
  const std::optional<storage::ChunkKey> key = storage::ChunkKey::FromBytes(ref.key());
  if (!id || !key || ref.domain() >= domains.size()) {
    return absl::DataLossError("manifest root: a reference that cannot be right");
  }
  return storage::ChunkRef{*id, *key, ref.raw_bytes(), domains[ref.domain()]};
}

absl::StatusOr<storage::Overlay> LoadManifest(const format::v1::ManifestRoot& root,
                                              ReadSealed read) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<DomainId> domains, ParseDomains(root));
  std::vector<storage::ChunkRef> segments;
  for (const format::v1::SegmentRef& segment : root.segments()) {
    MOORING_ASSIGN_OR_RETURN(const storage::ChunkRef ref, ParseChunkRef(segment.chunk(), domains));
    segments.push_back(ref);
  }
  storage::Overlay overlay;
  for (std::size_t first = 0; first < segments.size(); first += kSegmentsPerRead) {
    std::vector<ChunkId> ids;
    const std::size_t end = std::min(segments.size(), first + kSegmentsPerRead);
    for (std::size_t i = first; i < end; ++i) ids.push_back(segments[i].id);
    std::size_t next = first;
    MOORING_RETURN_IF_ERROR(read(ids, [&](Bytes sealed) -> absl::Status {
      if (next == end) return absl::DataLossError("more chunks came than were asked for");
      const std::size_t i = next++;
      return Annotate(
          AddSegment(segments[i], root.segments(static_cast<int>(i)), domains, sealed, overlay),
          fmt::format("manifest segment {}", i));
    }));
    if (next != end) return absl::DataLossError("fewer chunks came than were asked for");
  }
  if (overlay.entry_count() != root.entry_count() || overlay.file_count() != root.file_count() ||
      overlay.logical_bytes() != root.logical_bytes()) {
    return absl::DataLossError("the manifest does not hold what its root says");
  }
  MOORING_RETURN_IF_ERROR(CheckRefs(overlay, root, segments));
  return overlay;
}

}  // namespace mooring::agent
