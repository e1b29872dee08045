// The keys of a repository's objects. One place, so that nothing else spells
// them out: storage/objects/README.md, "Object layout".

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/ids.h"

namespace mooring::storage {

inline constexpr std::string_view kRepositoryObjectKey = "repository";
inline constexpr std::string_view kOrganizationKeyObjectKey = "keys/organization";
inline constexpr std::string_view kPackIndexKeyObjectKey = "keys/pack-index";

inline constexpr std::string_view kPackPrefix = "packs/";
inline constexpr std::string_view kSnapshotPrefix = "snapshots/";
inline constexpr std::string_view kSnapshotKeyPrefix = "keys/snapshot/";
inline constexpr std::string_view kPersonKeyPrefix = "keys/person/";
inline constexpr std::string_view kCollectionPrefix = "gc/";

std::string PackObjectKey(const PackId& pack);                  // packs/<xx>/<pack>
std::string CommitRecordObjectKey(const SnapshotId& snapshot);  // snapshots/<snapshot>.commit
std::string TombstoneObjectKey(const SnapshotId& snapshot);     // snapshots/<snapshot>.gone
std::string PersonKeyObjectKey(const PersonId& person);         // keys/person/<person>
std::string SnapshotKeyObjectKey(const SnapshotId& snapshot);   // keys/snapshot/<snapshot>
// Numbers are 16 lower-case hexadecimal digits, so that they sort.
std::string EpochObjectKey(std::uint64_t epoch);             // gc/epoch-<epoch>
std::string DoomJournalObjectKey(std::uint64_t generation);  // gc/doom-<generation>

// What an object key names; nullopt for any other key.
std::optional<PackId> PackOfObjectKey(std::string_view key);
std::optional<SnapshotId> CommitRecordOfObjectKey(std::string_view key);
std::optional<SnapshotId> TombstoneOfObjectKey(std::string_view key);
std::optional<SnapshotId> SnapshotKeyOfObjectKey(std::string_view key);
std::optional<std::uint64_t> EpochOfObjectKey(std::string_view key);
std::optional<std::uint64_t> DoomJournalOfObjectKey(std::string_view key);

}  // namespace mooring::storage
