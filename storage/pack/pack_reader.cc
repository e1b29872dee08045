#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/pack/pack.h"
#include "storage/pack/pack_format.h"
#include "storage/seal/aead.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {
namespace {

absl::Status Bad(std::string_view what) {
  return absl::DataLossError(ToAbsl(fmt::format("pack: {}", what)));
}

absl::Status CheckHeader(ByteView header) {
  if (AsText(header.first(kPackMagic.size())) != kPackMagic) return Bad("not a pack");
  if (header[4] != kPackSuite) {
    return Bad(fmt::format("unknown suite {}", std::to_integer<int>(header[4])));
  }
  const auto is_used = [](std::byte b) { return b != std::byte{0}; };
  const ByteView first = header.subspan(5, kPackIdAt - 5);
  const ByteView last = header.subspan(kPackKeyIdAt + kPackKeyIdBytes);
  if (std::any_of(first.begin(), first.end(), is_used) ||
      std::any_of(last.begin(), last.end(), is_used)) {
    return Bad("reserved bytes of the header in use");
  }
  return absl::OkStatus();
}

struct Trailer {
  std::uint64_t footer_at = 0;
  std::uint32_t footer_bytes = 0;
};

// The one layout that `trailer` allows in an object of `size_bytes`.
absl::StatusOr<Trailer> ParseTrailer(ByteView trailer, std::uint64_t size_bytes) {
  if (AsText(trailer.subspan(12, 4)) != kPackTrailerMagic) return Bad("truncated: no trailer");
  const Trailer parsed{LoadLe64(trailer, 0), LoadLe32(trailer, 8)};
  if (parsed.footer_bytes < PackFooterBytes(0) ||
      parsed.footer_bytes > PackFooterBytes(kPackEntriesMax) ||
      (parsed.footer_bytes - PackFooterBytes(0)) % kPackEntryBytes != 0) {
    return Bad(fmt::format("a footer of {} bytes", parsed.footer_bytes));
  }
  const std::uint64_t tail = std::uint64_t{parsed.footer_bytes} + kPackTrailerBytes;
  if (tail > size_bytes - kPackHeaderBytes || parsed.footer_at != size_bytes - tail) {
    return Bad("the footer is not where the trailer says");
  }
  return parsed;
}

// The entries fill the space between header and footer without gap or overlap.
absl::Status ParseFooter(ByteView plain, std::uint64_t footer_at, PackFooter& footer) {
  footer.session = *SessionId::FromBytes(plain.first(16));
  footer.device = *DeviceId::FromBytes(plain.subspan(16, 16));
  const std::uint32_t count = LoadLe32(plain, 32);
  if (LoadLe32(plain, 36) != 0) return Bad("reserved bytes of the footer in use");
  if (plain.size() != kPackFooterFixedBytes + std::uint64_t{count} * kPackEntryBytes) {
    return Bad("the footer is not as long as its count says");
  }
  footer.entries.reserve(count);
  std::uint64_t next = kPackHeaderBytes;
  for (std::uint32_t i = 0; i < count; ++i) {
    const ByteView row =
        plain.subspan(kPackFooterFixedBytes + i * kPackEntryBytes, kPackEntryBytes);
    PackEntry entry;
    entry.id = *ChunkId::FromBytes(row.first(32));
    entry.domain = *DomainId::FromBytes(row.subspan(32, 16));
    entry.offset = LoadLe32(row, 48);
    entry.bytes = LoadLe32(row, 52);
    if (entry.offset != next) return Bad("chunks are not back to back");
    if (entry.bytes == 0 || entry.bytes > kSealedChunkBytesMax || entry.bytes > footer_at - next) {
      return Bad(fmt::format("a chunk of {} bytes", entry.bytes));
    }
    next += entry.bytes;
    footer.entries.push_back(entry);
  }
  if (next != footer_at) return Bad("bytes that belong to no chunk");
  return absl::OkStatus();
}

absl::Status CheckHash(ByteView header, ByteView sealed_footer, ByteView trailer,
                       const PackFooter& footer) {
  Sha256Stream hash;
  hash.Update(header);
  for (const PackEntry& entry : footer.entries) hash.Update(entry.id.view());
  hash.Update(sealed_footer);
  hash.Update(trailer.first(kPackTrailerHashAt));
  if (!std::ranges::equal(hash.Finish(), trailer.subspan(kPackTrailerHashAt))) {
    return Bad("the pack hash does not match");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<PackFooter> ReadPackFooter(const SecretBytes& pack_index_key,
                                          std::uint64_t size_bytes, const PackReadAt& read_at) {
  if (pack_index_key.size() != kAeadKeyBytes) {
    return absl::InvalidArgumentError("pack: the pack-index key has 32 bytes");
  }
  if (size_bytes < kPackHeaderBytes + PackFooterBytes(0) + kPackTrailerBytes) {
    return Bad("truncated: too short");
  }
  if (size_bytes > kPackBytesMax) return Bad("over 64 MiB");
  std::array<std::byte, kPackHeaderBytes> header;
  MOORING_RETURN_IF_ERROR(read_at(0, header));
  MOORING_RETURN_IF_ERROR(CheckHeader(header));
  std::array<std::byte, kPackTrailerBytes> trailer;
  MOORING_RETURN_IF_ERROR(read_at(size_bytes - kPackTrailerBytes, trailer));
  MOORING_ASSIGN_OR_RETURN(const Trailer layout, ParseTrailer(trailer, size_bytes));

  const SecretBytes key_id =
      HkdfExpand(pack_index_key.view(), {AsBytes(kPackKeyIdLabel)}, kPackKeyIdBytes);
  if (!std::ranges::equal(ByteView(header).subspan(kPackKeyIdAt, kPackKeyIdBytes), key_id.view())) {
    return absl::PermissionDeniedError("pack: sealed under another pack-index key");
  }
  Bytes sealed(layout.footer_bytes);
  MOORING_RETURN_IF_ERROR(read_at(layout.footer_at, sealed));
  Bytes plain(sealed.size() - kPackFooterSealBytes);
  const ByteView view(sealed);
  const absl::Status opened =
      AeadOpen(pack_index_key.view(), view.first(kAeadNonceBytes),
               {AsBytes(kPackFooterLabel), ByteView(header)}, view.subspan(kAeadNonceBytes), plain);
  if (!opened.ok()) return Bad("damaged header or footer");
  PackFooter footer;
  footer.pack = *PackId::FromBytes(ByteView(header).subspan(kPackIdAt, PackId::kBytes));
  footer.created_at =
      absl::FromUnixMicros(static_cast<std::int64_t>(LoadLe64(header, kPackCreatedAt)));
  MOORING_RETURN_IF_ERROR(ParseFooter(plain, layout.footer_at, footer));
  MOORING_RETURN_IF_ERROR(CheckHash(header, sealed, trailer, footer));
  return footer;
}

absl::Status VerifyPack(const PackFooter& footer, std::uint64_t size_bytes,
                        const PackReadAt& read_at, absl::FunctionRef<void(const PackEntry&)> bad) {
  std::uint64_t bodies_end = kPackHeaderBytes;
  for (const PackEntry& entry : footer.entries) {
    bodies_end = std::max(bodies_end, entry.offset + entry.bytes);
  }
  if (size_bytes != bodies_end + PackFooterBytes(footer.entries.size()) + kPackTrailerBytes) {
    return Bad("the object is not as long as its footer says");
  }
  Bytes buffer;
  for (const PackEntry& entry : footer.entries) {
    buffer.resize(entry.bytes);
    MOORING_RETURN_IF_ERROR(read_at(entry.offset, buffer));
    if (ChunkIdOf(buffer) != entry.id) bad(entry);
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
