// PgChunkIndex: the chunk rows in PostgreSQL. Inside storage/catalog only.
//
// Whatever changes rows locks them in the order of their key (domain, id) first,
// so that uploads, finds and the collector cannot deadlock with each other.

#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/sql.h"

namespace mooring::storage {

// Ids a statement: enough to make the round trip small beside the work, few
// enough that a plan never turns to scanning the table.
inline constexpr std::size_t kChunkBatchMax = 4096;

// Calls `visit(first, part)` with consecutive parts of at most kChunkBatchMax.
template <typename T, typename Visit>
absl::Status InBatches(std::span<const T> all, Visit visit) {
  for (std::size_t first = 0; first < all.size(); first += kChunkBatchMax) {
    MOORING_RETURN_IF_ERROR(
        visit(first, all.subspan(first, std::min(kChunkBatchMax, all.size() - first))));
  }
  return absl::OkStatus();
}

// As bigint[]; larger numbers than PostgreSQL has room for name no row.
std::vector<std::int64_t> SignedNumbers(std::span<const std::uint64_t> numbers);

// Reads no, domain id, chunk id, pack id, offset, bytes, state.
ChunkLocation ReadChunkLocation(SqlReader& row);

class PgChunkIndex final : public ChunkIndex {
 public:
  explicit PgChunkIndex(SqlSession& sql) : sql_(sql) {}

  absl::Status CreateDomain(const DomainRecord& record) override;
  absl::StatusOr<std::optional<DomainRecord>> GetDomain(const DomainId& id) override;
  absl::StatusOr<std::vector<std::optional<LiveChunk>>> FindLive(
      const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) override;
  absl::StatusOr<std::vector<std::optional<LiveChunk>>> FindAndTouch(
      const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) override;
  absl::StatusOr<InsertOutcome> Insert(const PackId& pack, const PersonId& person,
                                       std::span<const NewChunk> chunks) override;
  absl::Status AddOwner(const PersonId& person, const DomainId& domain,
                        std::span<const ChunkId> ids) override;
  absl::StatusOr<std::vector<std::optional<ChunkLocation>>> Locate(
      std::span<const DomainId> domains, std::span<const ChunkId> ids) override;
  absl::StatusOr<std::vector<ChunkLocation>> LocateNumbers(
      std::span<const std::uint64_t> numbers) override;
  absl::StatusOr<std::uint64_t> ReferencedBytes(std::span<const std::uint64_t> numbers) override;
  absl::Status MarkLost(const PackId& pack, std::span<const std::uint64_t> numbers) override;

  absl::StatusOr<std::vector<ChunkRow>> Scan(std::uint64_t after, int limit) override;
  absl::StatusOr<std::vector<ChunkRow>> ListNotLive(ChunkState state, std::uint64_t after,
                                                    int limit) override;
  absl::StatusOr<std::vector<ChunkLocation>> ListOfPack(const PackId& pack) override;
  absl::StatusOr<ChunkTotals> Totals() override;
  absl::StatusOr<std::uint64_t> Condemn(std::span<const std::uint64_t> numbers,
                                        std::uint64_t generation, absl::Time at) override;
  absl::StatusOr<std::uint64_t> Doom(std::span<const std::uint64_t> numbers) override;
  absl::StatusOr<std::uint64_t> Repoint(const PackId& from, const PackId& to,
                                        std::span<const MovedChunk> chunks) override;
  absl::StatusOr<DeletedRows> DeleteRowsOfPack(const PackId& pack) override;

 private:
  struct Domain {
    std::int32_t no = 0;
    std::optional<PersonId> person;
  };

  // The live rows, and the numbers of the condemned ones, that a person may know of.
  struct Found {
    std::vector<std::optional<LiveChunk>> live;
    std::vector<std::uint64_t> condemned;
  };

  absl::StatusOr<Found> Find(const PersonId& person, const DomainId& domain,
                             std::span<const ChunkId> ids);
  // Runs `statement` with the numbers as $1 and `more` after them, in batches.
  // Returns how many rows it changed.
  absl::StatusOr<std::uint64_t> Change(const char* statement,
                                       std::span<const std::uint64_t> numbers,
                                       const std::vector<Bytes>& more = {});
  absl::StatusOr<std::optional<Domain>> Look(const DomainId& id);
  // The domain, if `person` may use it.
  absl::StatusOr<Domain> Enter(const PersonId& person, const DomainId& id);
  absl::StatusOr<std::int64_t> PackNo(const PackId& pack);
  absl::Status InsertBatch(std::int64_t pack_no, const PersonId& person,
                           std::span<const NewChunk> chunks, InsertOutcome& outcome);

  SqlSession& sql_;
  std::map<DomainId, Domain> known_;  // A domain never changes.
};

}  // namespace mooring::storage
