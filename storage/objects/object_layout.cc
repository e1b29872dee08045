#include "storage/objects/object_layout.h"

#include <fmt/format.h>

namespace mooring::storage {
namespace {

constexpr std::string_view kCommitSuffix = ".commit";
constexpr std::string_view kTombstoneSuffix = ".gone";

// The id in `key`, if that is exactly how `make` spells it: upper-case digits
// or another fan-out directory name a different object.
template <typename IdType, typename Make>
std::optional<IdType> IdIn(std::string_view key, std::size_t offset, Make make) {
  if (key.size() < offset + 2 * IdType::kBytes) return std::nullopt;
  const std::optional<IdType> id = IdType::FromHex(key.substr(offset, 2 * IdType::kBytes));
  if (!id || make(*id) != key) return std::nullopt;
  return id;
}

}  // namespace

std::string PackObjectKey(const PackId& pack) {
  const std::string hex = pack.hex();
  return fmt::format("{}{}/{}", kPackPrefix, std::string_view(hex).substr(0, 2), hex);
}

std::string CommitRecordObjectKey(const SnapshotId& snapshot) {
  return fmt::format("{}{}{}", kSnapshotPrefix, snapshot.hex(), kCommitSuffix);
}

std::string TombstoneObjectKey(const SnapshotId& snapshot) {
  return fmt::format("{}{}{}", kSnapshotPrefix, snapshot.hex(), kTombstoneSuffix);
}

std::string PersonKeyObjectKey(const PersonId& person) {
  return fmt::format("{}{}", kPersonKeyPrefix, person.hex());
}

std::string SnapshotKeyObjectKey(const SnapshotId& snapshot) {
  return fmt::format("{}{}", kSnapshotKeyPrefix, snapshot.hex());
}

bool IsLockedWhenWritten(std::string_view key) {
  return PackOfObjectKey(key).has_value();
}

std::optional<PackId> PackOfObjectKey(std::string_view key) {
  return IdIn<PackId>(key, kPackPrefix.size() + 3, PackObjectKey);
}

std::optional<SnapshotId> CommitRecordOfObjectKey(std::string_view key) {
  return IdIn<SnapshotId>(key, kSnapshotPrefix.size(), CommitRecordObjectKey);
}

std::optional<SnapshotId> TombstoneOfObjectKey(std::string_view key) {
  return IdIn<SnapshotId>(key, kSnapshotPrefix.size(), TombstoneObjectKey);
}

std::optional<SnapshotId> SnapshotKeyOfObjectKey(std::string_view key) {
  return IdIn<SnapshotId>(key, kSnapshotKeyPrefix.size(), SnapshotKeyObjectKey);
}

}  // namespace mooring::storage
