// Doom journal: the object gc/doom-<generation>, which names the packs that are to
// be removed, doomed ones and orphans. It is durable before any of them is, so
// that a catalog that was restored from an older copy can be told which of its
// packs are gone or going.
// Format: storage/design/repository-format.md, "Doom journal".

#pragma once

#include <cstdint>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"
#include "storage/base/secret_bytes.h"
#include "storage/collection/round.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

// Most packs of one journal; what is more waits for the next round.
inline constexpr std::size_t kJournalPacksMax = 1'000'000;

struct DoomJournal {
  std::uint64_t epoch = 0;
  std::uint64_t generation = 0;
  std::vector<PackId> packs;

  friend bool operator==(const DoomJournal&, const DoomJournal&) = default;
};

// Authenticated by a key derived from the pack-index key.
Bytes EncodeDoomJournal(const SecretBytes& pack_index_key, const DoomJournal& journal);
// kDataLoss: damaged, or not made with this key.
absl::StatusOr<DoomJournal> DecodeDoomJournal(const SecretBytes& pack_index_key, ByteView bytes);

// Every journal of the store, by generation.
struct StoredJournals {
  std::vector<DoomJournal> whole;
  // Torn, or rotten: what they name may be gone, and is journaled anew where it is not.
  std::vector<std::uint64_t> damaged;
};
absl::StatusOr<StoredJournals> ReadDoomJournals(const OpContext& ctx, ObjectStore& objects,
                                                const SecretBytes& pack_index_key);

// Writes the journal of this round's generation for the doomed packs and the
// `orphans` that no journal names yet, and removes journals all of whose packs
// are gone, except the newest, and damaged ones once others name all that is to go. Returns the
// packs that journals, read back from the store, name: nothing else may be removed.
absl::StatusOr<absl::flat_hash_set<PackId>> JournalPacks(const OpContext& ctx, Round& round,
                                                         const std::vector<PackId>& orphans);

}  // namespace mooring::storage
