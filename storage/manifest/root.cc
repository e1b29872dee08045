#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/manifest/manifest.h"
#include "storage/manifest/wire_scan.h"
#include "storage/seal/aead.h"

namespace mooring::storage {
namespace {

// Header: magic 4, suite u8, zero 3, snapshot 16, device 16, parent 16,
// sequence u64, created i64, nonce 12.
constexpr std::string_view kMagic = "MRT1";
constexpr std::string_view kLabel = "mooring/root/1";
constexpr std::byte kSuite{1};
constexpr std::size_t kHeaderBytes = 84;
constexpr std::size_t kNonceAt = 72;
static_assert(kHeaderBytes == kNonceAt + kAeadNonceBytes);

constexpr int kCapturesMax = 16;
constexpr std::size_t kAgentVersionBytesMax = 128;

absl::Status Bad(std::string_view what) {
  return absl::DataLossError(ToAbsl(fmt::format("manifest root: {}", what)));
}

// Counts repeated fields before anything is allocated for them.
absl::Status CheckCounts(ByteView plain) {
  const auto counts = CountFields(plain);
  if (!counts) return Bad("not a protobuf message");
  if (counts->of(1) > kSegmentsMax) return Bad("too many segments");
  if (counts->of(8) > kDomainsMax) return Bad("too many domains");
  if (counts->of(9) > kCapturesMax) return Bad("too many captures");
  return absl::OkStatus();
}

absl::Status CheckSegments(const format::v1::ManifestRoot& body) {
  std::uint64_t entries = 0;
  std::string_view previous;
  for (const format::v1::SegmentRef& segment : body.segments()) {
    const format::v1::ChunkRef& chunk = segment.chunk();
    if (chunk.id().size() != ChunkId::kBytes || chunk.key().size() != ChunkKey::kBytes) {
      return Bad("a segment whose id or key has not 32 bytes");
    }
    if (chunk.raw_bytes() == 0 || chunk.raw_bytes() > kFrameContentBytesMax) {
      return Bad("a segment of a size that no frame has");
    }
    if (chunk.domain() >= static_cast<std::uint32_t>(body.domains_size())) {
      return Bad("a segment of an unknown domain");
    }
    if (segment.entry_count() == 0 || segment.entry_count() > kSegmentEntriesMax) {
      return Bad("a segment with no or too many entries");
    }
    if (!CheckSnapshotPath(segment.first_path()).ok())
      return Bad("a segment with a bad first path");
    if (segment.first_path() <= previous) return Bad("segments out of order");
    previous = segment.first_path();
    entries += segment.entry_count();
  }
  if (entries != body.entry_count() || entries > kEntriesMax || body.file_count() > entries) {
    return Bad("counts that do not add up");
  }
  return absl::OkStatus();
}

absl::Status CheckBody(const format::v1::ManifestRoot& body) {
  if (static_cast<std::size_t>(body.segments_size()) > kSegmentsMax ||
      static_cast<std::size_t>(body.domains_size()) > kDomainsMax ||
      body.captures_size() > kCapturesMax) {
    return Bad("too many segments, domains or captures");
  }
  std::set<std::string_view> domains;
  for (const std::string& domain : body.domains()) {
    if (domain.size() != DomainId::kBytes || !domains.insert(domain).second) {
      return Bad("a domain id that has not 16 bytes or stands twice");
    }
  }
  if (body.refs_digest().size() != kSha256Bytes) return Bad("a digest that has not 32 bytes");
  if (!body.previous_root_hash().empty() && body.previous_root_hash().size() != kSha256Bytes) {
    return Bad("a previous root's hash that has not 32 bytes");
  }
  if (body.agent_version().size() > kAgentVersionBytesMax) return Bad("an overlong agent version");
  for (const format::v1::RootCapture& capture : body.captures()) {
    if (capture.session_id().size() != SessionId::kBytes) {
      return Bad("a session id that has not 16 bytes");
    }
  }
  return CheckSegments(body);
}

Bytes MakeHeader(const RootHeader& header) {
  Bytes out = ToBytes(kMagic);
  out.push_back(kSuite);
  out.resize(8);
  Append(out, header.snapshot.view());
  Append(out, header.device.view());
  Append(out, header.parent.view());
  AppendLe64(out, header.sequence);
  AppendLe64(out, static_cast<std::uint64_t>(header.created_unix_us));
  MOORING_CHECK(out.size() == kNonceAt);
  return out;
}

}  // namespace

absl::StatusOr<Bytes> SealRoot(const SecretBytes& snapshot_key, Random& random, const Root& root) {
  if (snapshot_key.size() != kAeadKeyBytes) {
    return absl::InvalidArgumentError("manifest root: a snapshot key has 32 bytes");
  }
  if (const absl::Status body = CheckBody(root.body); !body.ok()) {
    return absl::InvalidArgumentError(body.message());
  }
  std::string plain;
  if (!root.body.SerializeToString(&plain) ||
      plain.size() > kRootBytesMax - kHeaderBytes - kAeadTagBytes) {
    return absl::InvalidArgumentError("manifest root: over 64 MiB");
  }
  Bytes sealed = MakeHeader(root.header);
  sealed.resize(kHeaderBytes + plain.size() + kAeadTagBytes);
  const std::span<std::byte> all(sealed);
  random.Fill(all.subspan(kNonceAt, kAeadNonceBytes));
  AeadSeal(snapshot_key.view(), all.subspan(kNonceAt, kAeadNonceBytes),
           {AsBytes(kLabel), all.first(kHeaderBytes)}, AsBytes(plain), all.subspan(kHeaderBytes));
  return sealed;
}

absl::StatusOr<RootHeader> PeekRoot(ByteView sealed) {
  if (sealed.size() < kHeaderBytes + kAeadTagBytes) return Bad("too short");
  if (sealed.size() > kRootBytesMax) return Bad("over 64 MiB");
  if (AsText(sealed.first(kMagic.size())) != kMagic) return Bad("not a manifest root");
  if (sealed[4] != kSuite) {
    return Bad(fmt::format("unknown suite {}", std::to_integer<int>(sealed[4])));
  }
  if (sealed[5] != std::byte{0} || LoadLe16(sealed, 6) != 0) return Bad("reserved bytes in use");
  RootHeader header;
  header.snapshot = *SnapshotId::FromBytes(sealed.subspan(8, 16));
  header.device = *DeviceId::FromBytes(sealed.subspan(24, 16));
  header.parent = *SnapshotId::FromBytes(sealed.subspan(40, 16));
  header.sequence = LoadLe64(sealed, 56);
  header.created_unix_us = static_cast<std::int64_t>(LoadLe64(sealed, 64));
  return header;
}

absl::StatusOr<Root> OpenRoot(const SecretBytes& snapshot_key, ByteView sealed) {
  if (snapshot_key.size() != kAeadKeyBytes) {
    return absl::InvalidArgumentError("manifest root: a snapshot key has 32 bytes");
  }
  Root root;
  MOORING_ASSIGN_OR_RETURN(root.header, PeekRoot(sealed));
  Bytes plain(sealed.size() - kHeaderBytes - kAeadTagBytes);
  const absl::Status opened =
      AeadOpen(snapshot_key.view(), sealed.subspan(kNonceAt, kAeadNonceBytes),
               {AsBytes(kLabel), sealed.first(kHeaderBytes)}, sealed.subspan(kHeaderBytes), plain);
  if (!opened.ok()) return Annotate(opened, "manifest root");
  MOORING_RETURN_IF_ERROR(CheckCounts(plain));
  if (!root.body.ParseFromArray(plain.data(), static_cast<int>(plain.size()))) {
    return Bad("not a protobuf message");
  }
  MOORING_RETURN_IF_ERROR(CheckBody(root.body));
  return root;
}

}  // namespace mooring::storage
