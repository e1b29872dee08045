#include "storage/collection/doom_journal.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/catalog/pack_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/whole_object.h"
#include "storage/seal/digest.h"

namespace mooring::storage {
namespace {

constexpr std::string_view kMagic = "MOORDOOM";
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kKeyLabel = "mooring/doom-journal/1";
// Magic 8, version u32, zero u32, epoch u64, generation u64, packs u64.
constexpr std::size_t kHeaderBytes = 40;
constexpr std::size_t kCountAt = 32;
constexpr std::uint64_t kJournalBytesMax =
    kHeaderBytes + kJournalPacksMax * PackId::kBytes + kSha256Bytes;

Sha256Digest MacOf(const SecretBytes& pack_index_key, ByteView bytes) {
  const SecretBytes key = HkdfExpand(pack_index_key.view(), {AsBytes(kKeyLabel)}, kSha256Bytes);
  return HmacSha256(key.view(), {bytes});
}

absl::StatusOr<DoomJournal> ReadDoomJournal(const OpContext& ctx, ObjectStore& objects,
                                            const SecretBytes& pack_index_key,
                                            const std::string& key) {
  MOORING_ASSIGN_OR_RETURN(const Bytes bytes, ReadWholeObject(objects, ctx, key, kJournalBytesMax));
  absl::StatusOr<DoomJournal> journal = DecodeDoomJournal(pack_index_key, bytes);
  if (!journal.ok()) return Annotate(journal.status(), fmt::format("object {}", key));
  return journal;
}

// Journals none of whose packs is still to go have done their work, and damaged ones
// do none. The newest stays: its number is what an older catalog is told apart by.
absl::Status RemoveSpentJournals(const OpContext& ctx, ObjectStore& objects,
                                 const StoredJournals& journals,
                                 const absl::flat_hash_set<PackId>& going,
                                 const absl::flat_hash_set<PackId>& journaled) {
  std::uint64_t newest = 0;
  std::vector<std::uint64_t> spent;
  for (const DoomJournal& journal : journals.whole) {
    newest = std::max(newest, journal.generation);
    if (std::none_of(journal.packs.begin(), journal.packs.end(),
                     [&going](const PackId& pack) { return going.contains(pack); })) {
      spent.push_back(journal.generation);
    }
  }
  const bool are_all_named = std::all_of(
      going.begin(), going.end(), [&](const PackId& pack) { return journaled.contains(pack); });
  for (const std::uint64_t generation : journals.damaged) {
    newest = std::max(newest, generation);
    if (are_all_named) spent.push_back(generation);
  }
  for (const std::uint64_t generation : spent) {
    if (generation == newest) continue;
    const absl::Status removed = objects.Remove(ctx, DoomJournalObjectKey(generation));
    if (!removed.ok() && !absl::IsFailedPrecondition(removed)) return removed;
  }
  return absl::OkStatus();
}

}  // namespace

Bytes EncodeDoomJournal(const SecretBytes& pack_index_key, const DoomJournal& journal) {
  MOORING_CHECK(journal.packs.size() <= kJournalPacksMax);
  Bytes bytes = ToBytes(kMagic);
  AppendLe32(bytes, kVersion);
  AppendLe32(bytes, 0);
  AppendLe64(bytes, journal.epoch);
  AppendLe64(bytes, journal.generation);
  AppendLe64(bytes, journal.packs.size());
  for (const PackId& pack : journal.packs) Append(bytes, pack.view());
  Append(bytes, MacOf(pack_index_key, bytes));
  return bytes;
}

absl::StatusOr<DoomJournal> DecodeDoomJournal(const SecretBytes& pack_index_key, ByteView bytes) {
  const absl::Status damaged =
      absl::DataLossError("doom journal: damaged, or made with another pack-index key");
  if (bytes.size() < kHeaderBytes + kSha256Bytes || bytes.size() > kJournalBytesMax) return damaged;
  const ByteView body = bytes.first(bytes.size() - kSha256Bytes);
  if (AsText(body.first(kMagic.size())) != kMagic || LoadLe32(body, 12) != 0) return damaged;
  if (LoadLe32(body, 8) != kVersion) {
    return absl::DataLossError(
        fmt::format("doom journal: format version {}; this program reads version {}",
                    LoadLe32(body, 8), kVersion));
  }
  if (!std::ranges::equal(MacOf(pack_index_key, body), bytes.last(kSha256Bytes))) return damaged;
  const ByteView ids = body.subspan(kHeaderBytes);
  if (ids.size() % PackId::kBytes != 0 || LoadLe64(body, kCountAt) != ids.size() / PackId::kBytes) {
    return damaged;
  }
  DoomJournal journal{.epoch = LoadLe64(body, 16), .generation = LoadLe64(body, 24), .packs = {}};
  for (std::size_t at = 0; at < ids.size(); at += PackId::kBytes) {
    journal.packs.push_back(*PackId::FromBytes(ids.subspan(at, PackId::kBytes)));
  }
  return journal;
}

absl::StatusOr<StoredJournals> ReadDoomJournals(const OpContext& ctx, ObjectStore& objects,
                                                const SecretBytes& pack_index_key) {
  std::vector<std::uint64_t> generations;
  MOORING_RETURN_IF_ERROR(objects.List(ctx, kCollectionPrefix, [&](const ObjectInfo& info) {
    if (const auto generation = DoomJournalOfObjectKey(info.key)) {
      generations.push_back(*generation);
    }
    return absl::OkStatus();
  }));
  StoredJournals journals;
  for (const std::uint64_t generation : generations) {
    const std::string key = DoomJournalObjectKey(generation);
    absl::StatusOr<DoomJournal> journal = ReadDoomJournal(ctx, objects, pack_index_key, key);
    // What went wrong on its way is right the next time.
    if (absl::IsDataLoss(journal.status())) {
      journal = ReadDoomJournal(ctx, objects, pack_index_key, key);
    }
    if (absl::IsNotFound(journal.status())) continue;  // Another round removed it meanwhile.
    if (!journal.ok() && !absl::IsDataLoss(journal.status())) return journal.status();
    if (journal.ok() && journal->generation == generation) {
      journals.whole.push_back(*std::move(journal));
    } else {
      journals.damaged.push_back(generation);
    }
  }
  return journals;
}

absl::StatusOr<absl::flat_hash_set<PackId>> JournalPacks(const OpContext& ctx, Round& round,
                                                         const std::vector<PackId>& orphans) {
  CollectionParts& parts = round.parts();
  DoomJournal journal{.epoch = 0, .generation = round.generation(), .packs = {}};
  MOORING_ASSIGN_OR_RETURN(StoredJournals journals,
                           ReadDoomJournals(ctx, parts.objects, parts.pack_index_key));
  absl::flat_hash_set<PackId> going(orphans.begin(), orphans.end());
  MOORING_RETURN_IF_ERROR(round.Run(ctx, RepositoryLock::kNone,
                                    [&](Transaction& tx, CollectionState& state) -> absl::Status {
                                      journal.epoch = state.epoch;
                                      MOORING_ASSIGN_OR_RETURN(const std::vector<PackRecord> packs,
                                                               tx.packs().List(PackState::kDoomed));
                                      for (const PackRecord& pack : packs) going.insert(pack.id);
                                      return absl::OkStatus();
                                    }));
  absl::flat_hash_set<PackId> journaled;
  for (const DoomJournal& there : journals.whole) {
    journaled.insert(there.packs.begin(), there.packs.end());
  }
  for (const PackId& pack : going) {
    if (!journaled.contains(pack) && journal.packs.size() < kJournalPacksMax) {
      journal.packs.push_back(pack);
    }
  }
  std::sort(journal.packs.begin(), journal.packs.end());
  if (!journal.packs.empty()) {
    const Bytes bytes = EncodeDoomJournal(parts.pack_index_key, journal);
    const std::string key = DoomJournalObjectKey(journal.generation);
    const absl::Status put = PutAndReadBack(parts.objects, ctx, key, bytes);
    // A journal is never replaced: what it lacks waits for the next generation's.
    if (!put.ok() && !absl::IsAlreadyExists(put)) return put;
    if (put.ok()) {
      journaled.insert(journal.packs.begin(), journal.packs.end());
      journals.whole.push_back(std::move(journal));
    }
  }
  for (const std::uint64_t generation : journals.damaged) {
    round.report().add_notes(fmt::format("object {}: damaged; what it named is journaled anew",
                                         DoomJournalObjectKey(generation)));
  }
  MOORING_RETURN_IF_ERROR(RemoveSpentJournals(ctx, parts.objects, journals, going, journaled));
  return journaled;
}

}  // namespace mooring::storage
