#include "storage/objects/object_layout.h"

#include <charconv>
#include <system_error>

#include <fmt/format.h>

namespace mooring::storage {
namespace {

constexpr std::string_view kCommitSuffix = ".commit";
constexpr std::string_view kTombstoneSuffix = ".gone";
constexpr std::string_view kEpochPrefix = "gc/epoch-";
constexpr std::string_view kDoomPrefix = "gc/doom-";

// The id in `key`, if that is exactly how `make` spells it: upper-case digits
// or another fan-out directory name a different object.
template <typename IdType, typename Make>
std::optional<IdType> IdIn(std::string_view key, std::size_t offset, Make make) {
  if (key.size() < offset + 2 * IdType::kBytes) return std::nullopt;
  const std::optional<IdType> id = IdType::FromHex(key.substr(offset, 2 * IdType::kBytes));
  if (!id || make(*id) != key) return std::nullopt;
  return id;
}

// The number in `key`, if that is exactly how `make` spells it.
template <typename Make>
std::optional<std::uint64_t> NumberIn(std::string_view key, std::string_view prefix, Make make) {
  if (!key.starts_with(prefix)) return std::nullopt;
  const std::string_view digits = key.substr(prefix.size());
  std::uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  if (error != std::errc() || end != digits.data() + digits.size() || make(number) != key) {
    return std::nullopt;
  }
  return number;
}

}  // namespace

std::string EpochObjectKey(std::uint64_t epoch) {
  return fmt::format("{}{:016x}", kEpochPrefix, epoch);
}

std::string DoomJournalObjectKey(std::uint64_t generation) {
  return fmt::format("{}{:016x}", kDoomPrefix, generation);
}

std::optional<std::uint64_t> EpochOfObjectKey(std::string_view key) {
  return NumberIn(key, kEpochPrefix, EpochObjectKey);
}

std::optional<std::uint64_t> DoomJournalOfObjectKey(std::string_view key) {
  return NumberIn(key, kDoomPrefix, DoomJournalObjectKey);
}

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
