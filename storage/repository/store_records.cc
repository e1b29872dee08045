#include "storage/repository/store_records.h"

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::storage {
namespace {

constexpr std::string_view kRepositoryMagic = "MOORREPO";
constexpr std::string_view kTombstoneMagic = "MOORGONE";
constexpr std::string_view kEpochMagic = "MOOREPOC";
constexpr std::size_t kHeaderBytes = 16;  // Magic 8, version u32, zero u32.

Bytes Header(std::string_view magic) {
  Bytes bytes = ToBytes(magic);
  AppendLe32(bytes, kRepositoryFormatVersion);
  AppendLe32(bytes, 0);
  return bytes;
}

absl::Status CheckHeader(ByteView bytes, std::string_view magic, std::string_view what) {
  if (bytes.size() < kHeaderBytes || AsText(bytes.first(magic.size())) != magic ||
      LoadLe32(bytes, 12) != 0) {
    return absl::DataLossError(fmt::format("{}: damaged", what));
  }
  if (LoadLe32(bytes, 8) != kRepositoryFormatVersion) {
    return absl::FailedPreconditionError(
        fmt::format("{}: format version {}; this program reads version {}", what,
                    LoadLe32(bytes, 8), kRepositoryFormatVersion));
  }
  return absl::OkStatus();
}

void AppendText(Bytes& out, std::string_view text) {
  AppendLe16(out, static_cast<std::uint16_t>(text.size()));
  Append(out, AsBytes(text));
}

// Takes one text off `bytes`.
absl::StatusOr<std::string> TakeText(ByteView& bytes, std::size_t bytes_max) {
  const absl::Status damaged = absl::DataLossError("tombstone: damaged");
  if (bytes.size() < 2) return damaged;
  const std::size_t size = LoadLe16(bytes, 0);
  if (size > bytes_max || bytes.size() - 2 < size) return damaged;
  std::string text = ToString(bytes.subspan(2, size));
  bytes = bytes.subspan(2 + size);
  return text;
}

}  // namespace

Bytes EncodeRepositoryObject(const RepositoryId& id) {
  Bytes bytes = Header(kRepositoryMagic);
  Append(bytes, id.view());
  return bytes;
}

absl::StatusOr<RepositoryId> DecodeRepositoryObject(ByteView bytes) {
  MOORING_RETURN_IF_ERROR(CheckHeader(bytes, kRepositoryMagic, "object repository"));
  const std::optional<RepositoryId> id = RepositoryId::FromBytes(bytes.subspan(kHeaderBytes));
  if (!id) return absl::DataLossError("object repository: damaged");
  return *id;
}

Bytes EncodeEpochObject(std::uint64_t epoch) {
  Bytes bytes = Header(kEpochMagic);
  AppendLe64(bytes, epoch);
  return bytes;
}

Bytes EncodeTombstone(const Tombstone& tombstone) {
  MOORING_CHECK(tombstone.actor.size() <= kActorBytesMax);
  MOORING_CHECK(tombstone.reason.size() <= kReasonBytesMax);
  Bytes bytes = Header(kTombstoneMagic);
  Append(bytes, tombstone.snapshot.view());
  AppendLe64(bytes, static_cast<std::uint64_t>(absl::ToUnixMicros(tombstone.deleted_at)));
  AppendText(bytes, tombstone.actor);
  AppendText(bytes, tombstone.reason);
  return bytes;
}

absl::StatusOr<Tombstone> DecodeTombstone(ByteView bytes) {
  MOORING_RETURN_IF_ERROR(CheckHeader(bytes, kTombstoneMagic, "tombstone"));
  ByteView rest = bytes.subspan(kHeaderBytes);
  if (rest.size() < SnapshotId::kBytes + 8) return absl::DataLossError("tombstone: damaged");
  Tombstone tombstone;
  tombstone.snapshot = *SnapshotId::FromBytes(rest.first(SnapshotId::kBytes));
  tombstone.deleted_at =
      absl::FromUnixMicros(static_cast<std::int64_t>(LoadLe64(rest, SnapshotId::kBytes)));
  rest = rest.subspan(SnapshotId::kBytes + 8);
  MOORING_ASSIGN_OR_RETURN(tombstone.actor, TakeText(rest, kActorBytesMax));
  MOORING_ASSIGN_OR_RETURN(tombstone.reason, TakeText(rest, kReasonBytesMax));
  if (!rest.empty()) return absl::DataLossError("tombstone: bytes follow it");
  return tombstone;
}

}  // namespace mooring::storage
