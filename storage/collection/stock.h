// Stock: every pack and every byte of the repository, by what it is for, from one
// listing of the store and one scan of the catalog. Takes no lock.
//
// Memory: a hundred bytes a pack, and a bitmap of chunks.

#pragma once

#include <cstdint>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/catalog/pack_store.h"
#include "storage/collection/mark.h"
#include "storage/collection/round.h"
#include "storage/repository/chunk_set.h"

namespace mooring::storage {

struct PackUse {
  std::int64_t no = 0;
  PackId id;
  PackState state = PackState::kStaged;
  std::uint64_t bytes = 0;
  absl::Time created_at;
  bool has_session = false;
  bool is_open = false;   // Its session is.
  bool is_there = false;  // Its object is, with the length that the catalog says.
  std::uint64_t live_bytes = 0;
  std::uint64_t condemned_bytes = 0;
  std::uint64_t doomed_bytes = 0;
  std::uint64_t lost_bytes = 0;
  std::uint64_t useful_rows = 0;  // Neither doomed nor gone.

  std::uint64_t kept_bytes() const { return live_bytes + condemned_bytes; }
  std::uint64_t row_bytes() const { return kept_bytes() + doomed_bytes + lost_bytes; }
};

// A pack object that no row names.
struct OrphanPack {
  PackId id;
  std::uint64_t bytes = 0;
  absl::Time stored_at;
};

struct Stock {
  std::vector<PackUse> packs;  // By number.
  std::vector<OrphanPack> orphans;
  ChunkSet candidates;  // Live, not marked, old enough, and of no open session.
  v1::RepositoryStock figures;
  // Not empty: what must never be.
  std::string violation;

  // The pack of this number; null if it is newer than the stock.
  PackUse* Find(std::int64_t no);
};

// With `mark` it also finds candidates and judges: a marked chunk is live, or
// lost; anything else is a violation.
absl::StatusOr<Stock> TakeStock(const OpContext& ctx, CollectionParts& parts,
                                const CollectionOptions& options, const Mark* mark,
                                CollectionProgress progress);

}  // namespace mooring::storage
