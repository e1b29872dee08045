#include <algorithm>
#include <string>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/manifest/overlay.h"

namespace mooring::storage {
namespace {

// A segment ends after about one path in 128, and in any case once it is long.
constexpr std::uint64_t kCutMask = 127;
constexpr std::size_t kSegmentSoftBytesMax = 512U << 10;

std::size_t SharedPrefix(std::string_view a, std::string_view b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                  a.begin());
}

// Ids are hashes already.
struct HashById {
  std::size_t operator()(const ChunkRef& chunk) const { return LoadLe64(chunk.id.view(), 0); }
};

class Encoder {
 public:
  Encoder(std::vector<DomainId>& domains, SegmentEncoder::Emit emit)
      : domains_(domains), emit_(emit) {}

  absl::Status Add(std::string_view path, const Entry& entry) {
    if (segment_.entries().empty()) first_path_ = path;
    format::v1::Entry& to = *segment_.add_entries();
    const std::size_t shared = SharedPrefix(previous_, path);
    to.set_shared_prefix(static_cast<std::uint32_t>(shared));
    to.set_suffix(std::string(path.substr(shared)));
    to.set_type(static_cast<format::v1::EntryType>(entry.type));
    to.set_size_bytes(entry.size_bytes);
    to.set_modified_unix_ns(entry.modified_unix_ns);
    to.set_mode(entry.mode);
    if (entry.type == EntryType::kFile) to.set_digest(entry.digest.bytes());
    to.set_target(entry.target);
    for (const Extent& extent : entry.extents) {
      MOORING_ASSIGN_OR_RETURN(const std::uint32_t chunk, ChunkIndex(extent.chunk));
      format::v1::Extent& piece = *to.add_extents();
      piece.set_chunk(chunk);
      piece.set_offset(extent.offset);
      piece.set_bytes(extent.bytes);
    }
    bytes_ += to.ByteSizeLong();
    previous_ = path;
    const bool full = static_cast<std::size_t>(segment_.entries_size()) >= kSegmentEntriesMax ||
                      bytes_ >= kSegmentSoftBytesMax;
    return full || (SegmentEncoder::PathHash(path) & kCutMask) == 0 ? Cut() : absl::OkStatus();
  }

  absl::Status Cut() {
    if (segment_.entries().empty()) return absl::OkStatus();
    std::string content;
    if (!segment_.SerializeToString(&content) || content.size() > kFrameContentBytesMax) {
      return absl::ResourceExhaustedError("manifest: a segment over 16 MiB");
    }
    const auto entries = static_cast<std::uint32_t>(segment_.entries_size());
    MOORING_RETURN_IF_ERROR(emit_(AsBytes(content), first_path_, entries));
    segment_.Clear();
    chunk_index_.clear();
    previous_.clear();
    bytes_ = 0;
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::uint32_t> DomainIndex(const DomainId& domain) {
    const auto found = std::find(domains_.begin(), domains_.end(), domain);
    const auto index = static_cast<std::uint32_t>(found - domains_.begin());
    if (found == domains_.end()) {
      if (domains_.size() >= kDomainsMax) {
        return absl::ResourceExhaustedError("manifest: too many domains");
      }
      domains_.push_back(domain);
    }
    return index;
  }

  absl::StatusOr<std::uint32_t> ChunkIndex(const ChunkRef& chunk) {
    const auto known = chunk_index_.find(chunk);
    if (known != chunk_index_.end()) return known->second;
    MOORING_ASSIGN_OR_RETURN(const std::uint32_t domain, DomainIndex(chunk.domain));
    const auto index = static_cast<std::uint32_t>(segment_.chunks_size());
    format::v1::ChunkRef& to = *segment_.add_chunks();
    to.set_id(chunk.id.bytes());
    to.set_key(chunk.key.bytes());
    to.set_raw_bytes(chunk.raw_bytes);
    to.set_domain(domain);
    bytes_ += to.ByteSizeLong();
    chunk_index_.emplace(chunk, index);
    return index;
  }

  std::vector<DomainId>& domains_;
  SegmentEncoder::Emit emit_;
  format::v1::ManifestSegment segment_;
  absl::flat_hash_map<ChunkRef, std::uint32_t, HashById> chunk_index_;
  std::string first_path_;
  std::string previous_;
  std::size_t bytes_ = 0;
};

}  // namespace

// FNV-1a with a final mix (MurmurHash3's): cheap, and the same for ever.
std::uint64_t SegmentEncoder::PathHash(std::string_view path) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  return hash ^ (hash >> 33);
}

absl::Status SegmentEncoder::Encode(const Overlay& overlay, std::vector<DomainId>& domains,
                                    Emit emit) {
  Encoder encoder(domains, emit);
  MOORING_RETURN_IF_ERROR(overlay.Visit("", [&encoder](std::string_view path, const Entry& entry) {
    return encoder.Add(path, entry);
  }));
  return encoder.Cut();
}

}  // namespace mooring::storage
