// MemoryChunkIndex: the sessions' side (memory_chunk_index.cc) and the
// collector's (memory_chunk_collection.cc).

#pragma once

#include <span>

#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {

class MemoryChunkIndex : public storage::ChunkIndex {
 public:
  MemoryChunkIndex(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status CreateDomain(const storage::DomainRecord& record) override;
  absl::StatusOr<std::optional<storage::DomainRecord>> GetDomain(const DomainId& id) override;
  absl::StatusOr<std::vector<std::optional<storage::LiveChunk>>> FindLive(
      const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) override;
  absl::StatusOr<storage::InsertOutcome> Insert(const PackId& pack, const PersonId& person,
                                                std::span<const storage::NewChunk> chunks) override;
  absl::Status AddOwner(const PersonId& person, const DomainId& domain,
                        std::span<const ChunkId> ids) override;
  absl::StatusOr<std::vector<std::optional<storage::ChunkLocation>>> Locate(
      std::span<const DomainId> domains, std::span<const ChunkId> ids) override;
  absl::StatusOr<std::vector<storage::ChunkLocation>> LocateNumbers(
      std::span<const std::uint64_t> numbers) override;
  absl::StatusOr<std::uint64_t> ReferencedBytes(std::span<const std::uint64_t> numbers) override;
  absl::Status MarkLost(const PackId& pack, std::span<const std::uint64_t> numbers) override;

  absl::StatusOr<std::vector<std::optional<storage::LiveChunk>>> FindAndTouch(
      const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) override;
  absl::StatusOr<std::vector<storage::ChunkRow>> Scan(std::uint64_t after, int limit) override;
  absl::StatusOr<std::vector<storage::ChunkRow>> ListNotLive(storage::ChunkState state,
                                                             std::uint64_t after,
                                                             int limit) override;
  absl::StatusOr<std::vector<storage::ChunkLocation>> ListOfPack(const PackId& pack) override;
  absl::StatusOr<storage::ChunkTotals> Totals() override;
  absl::StatusOr<std::uint64_t> Condemn(std::span<const std::uint64_t> numbers,
                                        std::uint64_t generation, absl::Time at) override;
  absl::StatusOr<std::uint64_t> Doom(std::span<const std::uint64_t> numbers) override;
  absl::StatusOr<std::uint64_t> Repoint(const PackId& from, const PackId& to,
                                        std::span<const storage::MovedChunk> chunks) override;
  absl::StatusOr<storage::DeletedRows> DeleteRowsOfPack(const PackId& pack) override;

 protected:
  // The rules of the index, each by itself, for planted bugs to break.
  virtual bool CountsAsLive(const IndexedChunk& chunk) const {
    return chunk.state == storage::ChunkState::kLive;
  }
  virtual bool Owns(const PersonId& person, std::uint64_t no) const {
    return t_.chunk_owner.Get(tx_, {person, no}) != nullptr;
  }
  // An upload has the bytes of a chunk that is not live.
  virtual void TakeOver(IndexedChunk& chunk, std::int64_t pack_no, std::uint64_t offset) const {
    chunk.pack_no = pack_no;
    chunk.offset = offset;
  }
  virtual bool MayMove(const IndexedChunk& chunk, std::int64_t from_no) const {
    return chunk.pack_no == from_no && (chunk.state == storage::ChunkState::kLive ||
                                        chunk.state == storage::ChunkState::kCondemned);
  }

 private:
  using Name = std::pair<std::int32_t, ChunkId>;
  struct Domain {
    std::int32_t no = 0;
    std::optional<PersonId> person;
  };

  std::optional<Domain> Look(const DomainId& id) const;
  // The domain, if `person` may use it.
  absl::StatusOr<Domain> Enter(const PersonId& person, const DomainId& id) const;
  const IndexedChunk* Find(const Name& name, std::uint64_t& no) const;
  absl::Status InsertOne(const Name& name, std::int64_t pack_no, const storage::NewChunk& chunk,
                         storage::InsertOutcome& outcome);
  absl::Status Own(const PersonId& person, const Name& name);
  storage::ChunkLocation LocationOf(std::uint64_t no, const IndexedChunk& row) const;

  // Locks those rows that `wanted` wants, in the order of the key, looks again
  // and changes them. Returns how many. Within a statement.
  template <typename Wanted, typename Change>
  absl::StatusOr<std::uint64_t> ChangeRows(std::span<const std::uint64_t> numbers, Wanted wanted,
                                           Change change);
  absl::StatusOr<std::uint64_t> Resurrect(std::span<const std::uint64_t> numbers);
  // Of the condemned among those that `person` may reference.
  absl::StatusOr<std::vector<std::uint64_t>> ListCondemned(const PersonId& person,
                                                           const DomainId& domain,
                                                           std::span<const ChunkId> ids);
  // Holds the pack, so that it stays.
  absl::StatusOr<std::int64_t> HoldPack(const PackId& pack, storage::RowLock lock);

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace mooring::testing
