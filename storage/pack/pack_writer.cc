#include <algorithm>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/pack/pack.h"
#include "storage/pack/pack_format.h"
#include "storage/seal/aead.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {
namespace {

Bytes MakeHeader(const PackFooter& footer, const SecretBytes& pack_index_key) {
  Bytes header = ToBytes(kPackMagic);
  header.push_back(kPackSuite);
  header.resize(kPackIdAt);
  Append(header, footer.pack.view());
  AppendLe64(header, static_cast<std::uint64_t>(absl::ToUnixMicros(footer.created_at)));
  Append(header,
         HkdfExpand(pack_index_key.view(), {AsBytes(kPackKeyIdLabel)}, kPackKeyIdBytes).view());
  header.resize(kPackHeaderBytes);
  return header;
}

Bytes FooterPlaintext(const PackFooter& footer) {
  Bytes plain;
  plain.reserve(kPackFooterFixedBytes + footer.entries.size() * kPackEntryBytes);
  Append(plain, footer.session.view());
  Append(plain, footer.device.view());
  AppendLe32(plain, static_cast<std::uint32_t>(footer.entries.size()));
  AppendLe32(plain, 0);
  for (const PackEntry& entry : footer.entries) {
    Append(plain, entry.id.view());
    Append(plain, entry.domain.view());
    AppendLe32(plain, static_cast<std::uint32_t>(entry.offset));
    AppendLe32(plain, entry.bytes);
  }
  return plain;
}

}  // namespace

PackWriter::PackWriter(const SecretBytes& pack_index_key, Random& random, PackId pack,
                       SessionId session, DeviceId device, absl::Time created_at)
    : pack_index_key_(pack_index_key), random_(random) {
  MOORING_CHECK(pack_index_key.size() == kAeadKeyBytes);
  footer_.pack = pack;
  footer_.session = session;
  footer_.device = device;
  // What the header can hold, so that a reader sees the same time.
  footer_.created_at = absl::FromUnixMicros(absl::ToUnixMicros(created_at));
}

absl::Status PackWriter::Write(ByteView bytes, Sink sink) {
  MOORING_RETURN_IF_ERROR(sink(bytes));
  size_bytes_ += bytes.size();
  return absl::OkStatus();
}

absl::Status PackWriter::Begin(Sink sink) {
  MOORING_CHECK(header_.empty());
  header_ = MakeHeader(footer_, pack_index_key_);
  hash_.Update(header_);
  return Write(header_, sink);
}

bool PackWriter::has_room_for(std::uint64_t bytes) const {
  const std::uint64_t end = PackFooterBytes(footer_.entries.size() + 1) + kPackTrailerBytes;
  return footer_.entries.size() < kPackEntriesMax && bytes <= kSealedChunkBytesMax &&
         std::max<std::uint64_t>(size_bytes_, kPackHeaderBytes) + bytes + end <= kPackBytesMax;
}

absl::Status PackWriter::Add(const ChunkId& id, const DomainId& domain, ByteView sealed,
                             Sink sink) {
  MOORING_CHECK(!header_.empty());
  if (sealed.empty() || sealed.size() > kSealedChunkBytesMax) {
    return absl::InvalidArgumentError(
        ToAbsl(fmt::format("pack: a chunk of {} bytes", sealed.size())));
  }
  if (!has_room_for(sealed.size())) {
    return absl::ResourceExhaustedError("pack: full; finish it and begin another");
  }
  PackEntry entry;
  entry.id = id;
  entry.domain = domain;
  entry.offset = size_bytes_;
  entry.bytes = static_cast<std::uint32_t>(sealed.size());
  MOORING_RETURN_IF_ERROR(Write(sealed, sink));
  hash_.Update(id.view());
  footer_.entries.push_back(entry);
  return absl::OkStatus();
}

absl::StatusOr<Bytes> PackWriter::Finish(Sink sink) {
  MOORING_CHECK(!header_.empty());
  const std::uint64_t footer_at = size_bytes_;
  const Bytes plain = FooterPlaintext(footer_);
  Bytes footer(kAeadNonceBytes + plain.size() + kAeadTagBytes);
  const std::span<std::byte> nonce = std::span(footer).first(kAeadNonceBytes);
  random_.Fill(nonce);
  AeadSeal(pack_index_key_.view(), nonce, {AsBytes(kPackFooterLabel), header_}, plain,
           std::span(footer).subspan(kAeadNonceBytes));
  MOORING_RETURN_IF_ERROR(Write(footer, sink));

  Bytes trailer;
  AppendLe64(trailer, footer_at);
  AppendLe32(trailer, static_cast<std::uint32_t>(footer.size()));
  Append(trailer, AsBytes(kPackTrailerMagic));
  hash_.Update(footer);
  hash_.Update(trailer);
  const Sha256Digest hash = hash_.Finish();
  Append(trailer, hash);
  MOORING_RETURN_IF_ERROR(Write(trailer, sink));
  return Bytes(hash.begin(), hash.end());
}

}  // namespace mooring::storage
