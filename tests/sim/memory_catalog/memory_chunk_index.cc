#include "tests/sim/memory_catalog/memory_chunk_index.h"

#include <algorithm>
#include <set>

#include "storage/base/status.h"

namespace mooring::testing {

using storage::ChunkLocation;
using storage::ChunkState;
using storage::DomainRecord;
using storage::InsertOutcome;
using storage::LiveChunk;
using storage::NewChunk;
using storage::RowLock;

std::optional<MemoryChunkIndex::Domain> MemoryChunkIndex::Look(const DomainId& id) const {
  const std::int32_t* const no = t_.domain_id.Get(tx_, id);
  if (no == nullptr) return std::nullopt;
  return Domain{*no, t_.domain.Get(tx_, *no)->person};
}

absl::StatusOr<MemoryChunkIndex::Domain> MemoryChunkIndex::Enter(const PersonId& person,
                                                                 const DomainId& id) const {
  const std::optional<Domain> domain = Look(id);
  if (!domain) return absl::NotFoundError("no such domain");
  if (domain->person && *domain->person != person) {
    return absl::PermissionDeniedError("the domain belongs to another person");
  }
  return *domain;
}

absl::Status MemoryChunkIndex::CreateDomain(const DomainRecord& record) {
  MOORING_STATEMENT(tx_);
  if (record.person && t_.person.Get(tx_, *record.person) == nullptr) {
    return tx_.Fail(Violates("domain.person_id"));
  }
  const PersonId person = record.person.value_or(PersonId());
  MOORING_ASSIGN_OR_RETURN(const bool id_taken, t_.domain_id.IsTaken(tx_, record.id));
  MOORING_ASSIGN_OR_RETURN(const bool person_taken, t_.domain_person.IsTaken(tx_, person));
  if (id_taken || person_taken) {
    const std::optional<Domain> there = Look(record.id);
    if (there && there->person == record.person) return absl::OkStatus();
    return absl::AlreadyExistsError("the domain, or one of this person, exists");
  }
  const auto no = static_cast<std::int32_t>(t_.domain_no.Next());
  MOORING_RETURN_IF_ERROR(t_.domain_id.Insert(tx_, record.id, no).status());
  MOORING_RETURN_IF_ERROR(t_.domain_person.Insert(tx_, person, no).status());
  return t_.domain.Insert(tx_, no, record).status();
}

absl::StatusOr<std::optional<DomainRecord>> MemoryChunkIndex::GetDomain(const DomainId& id) {
  MOORING_STATEMENT(tx_);
  const std::optional<Domain> domain = Look(id);
  if (!domain) return std::optional<DomainRecord>();
  return std::optional<DomainRecord>(DomainRecord{id, domain->person});
}

const IndexedChunk* MemoryChunkIndex::Find(const Name& name, std::uint64_t& no) const {
  const std::uint64_t* const found = t_.chunk_id.Get(tx_, name);
  if (found == nullptr) return nullptr;
  no = *found;
  return t_.chunk.Get(tx_, no);
}

absl::StatusOr<std::vector<std::optional<LiveChunk>>> MemoryChunkIndex::FindLive(
    const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const Domain entered, Enter(person, domain));
  std::vector<std::optional<LiveChunk>> live(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::uint64_t no = 0;
    const IndexedChunk* const row = Find({entered.no, ids[i]}, no);
    if (row == nullptr || !CountsAsLive(*row)) continue;
    if (entered.person || Owns(person, no)) live[i] = LiveChunk{no, row->bytes};
  }
  return live;
}

absl::StatusOr<InsertOutcome> MemoryChunkIndex::Insert(const PackId& pack, const PersonId& person,
                                                       std::span<const NewChunk> chunks) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const std::int64_t pack_no, HoldPack(pack, RowLock::kShared));
  // In the order of the key, so that two uploads of the same chunks cannot deadlock.
  std::map<Name, NewChunk> sorted;
  std::set<std::int32_t> shared;
  for (const NewChunk& chunk : chunks) {
    MOORING_ASSIGN_OR_RETURN(const Domain domain, Enter(person, chunk.domain));
    if (chunk.bytes == 0) return tx_.Fail(Violates("chunk.bytes > 0"));
    if (!sorted.emplace(Name{domain.no, chunk.id}, chunk).second) {
      return tx_.Fail(absl::InternalError("database: a row would be affected twice"));
    }
    if (!domain.person) shared.insert(domain.no);
  }
  InsertOutcome outcome;
  for (const auto& [name, chunk] : sorted) {
    MOORING_RETURN_IF_ERROR(InsertOne(name, pack_no, chunk, outcome));
  }
  for (const auto& [name, chunk] : sorted) {
    if (shared.count(name.first) > 0) MOORING_RETURN_IF_ERROR(Own(person, name));
  }
  return outcome;
}

absl::Status MemoryChunkIndex::InsertOne(const Name& name, std::int64_t pack_no,
                                         const NewChunk& chunk, InsertOutcome& outcome) {
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const bool is_taken, t_.chunk_id.IsTaken(tx_, name));
    if (!is_taken) {
      const auto no = static_cast<std::uint64_t>(t_.chunk_no.Next());
      MOORING_RETURN_IF_ERROR(t_.chunk_id.Insert(tx_, name, no).status());
      ++outcome.inserted;
      outcome.new_bytes += chunk.bytes;
      return t_.chunk
          .Insert(tx_, no,
                  {name.first, name.second, pack_no, chunk.offset, chunk.bytes, ChunkState::kLive,
                   std::nullopt, std::nullopt})
          .status();
    }
    const std::uint64_t no = *t_.chunk_id.Get(tx_, name);
    // ON CONFLICT DO UPDATE locks the row, whatever its WHERE makes of it.
    MOORING_ASSIGN_OR_RETURN(const IndexedChunk* const row,
                             t_.chunk.Lock(tx_, no, RowLock::kExclusive));
    if (row == nullptr) continue;  // Removed meanwhile: there is room for a new one.
    if (row->state == ChunkState::kLive) {
      ++outcome.kept;
      return absl::OkStatus();
    }
    t_.chunk.Update(tx_, no, [&](IndexedChunk& taken) {
      TakeOver(taken, pack_no, chunk.offset);
      taken.bytes = chunk.bytes;
      taken.state = ChunkState::kLive;
      taken.condemned_at.reset();
      taken.condemned_generation.reset();
    });
    ++outcome.taken_over;
    outcome.new_bytes += chunk.bytes;
    return absl::OkStatus();
  }
}

absl::Status MemoryChunkIndex::Own(const PersonId& person, const Name& name) {
  std::uint64_t no = 0;
  const IndexedChunk* const row = Find(name, no);
  if (row == nullptr || row->state != ChunkState::kLive) return absl::OkStatus();
  return t_.chunk_owner.Insert(tx_, {person, no}, true).status();
}

absl::Status MemoryChunkIndex::AddOwner(const PersonId& person, const DomainId& domain,
                                        std::span<const ChunkId> ids) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const Domain entered, Enter(person, domain));
  if (entered.person) return absl::OkStatus();
  for (const ChunkId& id : ids) MOORING_RETURN_IF_ERROR(Own(person, {entered.no, id}));
  return absl::OkStatus();
}

ChunkLocation MemoryChunkIndex::LocationOf(std::uint64_t no, const IndexedChunk& row) const {
  ChunkLocation location;
  location.no = no;
  location.domain = t_.domain.Get(tx_, row.domain_no)->id;
  location.id = row.id;
  location.pack = t_.pack.Get(tx_, row.pack_no)->id;
  location.offset = row.offset;
  location.bytes = row.bytes;
  location.state = row.state;
  return location;
}

absl::StatusOr<std::vector<std::optional<ChunkLocation>>> MemoryChunkIndex::Locate(
    std::span<const DomainId> domains, std::span<const ChunkId> ids) {
  MOORING_STATEMENT(tx_);
  std::vector<std::optional<ChunkLocation>> locations(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    for (const DomainId& id : domains) {
      const std::optional<Domain> domain = Look(id);
      if (!domain) continue;
      std::uint64_t no = 0;
      const IndexedChunk* const row = Find({domain->no, ids[i]}, no);
      if (row == nullptr) continue;
      const bool is_live = row->state == ChunkState::kLive;
      if (!locations[i] || (is_live && locations[i]->state != ChunkState::kLive)) {
        locations[i] = LocationOf(no, *row);
      }
    }
  }
  return locations;
}

absl::StatusOr<std::vector<ChunkLocation>> MemoryChunkIndex::LocateNumbers(
    std::span<const std::uint64_t> numbers) {
  MOORING_STATEMENT(tx_);
  std::vector<ChunkLocation> locations;
  for (const std::uint64_t no : std::set<std::uint64_t>(numbers.begin(), numbers.end())) {
    const IndexedChunk* const row = t_.chunk.Get(tx_, no);
    if (row != nullptr) locations.push_back(LocationOf(no, *row));
  }
  return locations;
}

absl::StatusOr<std::uint64_t> MemoryChunkIndex::ReferencedBytes(
    std::span<const std::uint64_t> numbers) {
  MOORING_STATEMENT(tx_);
  std::uint64_t bytes = 0;
  for (const std::uint64_t no : numbers) {
    const IndexedChunk* const row = t_.chunk.Get(tx_, no);
    if (row != nullptr) bytes += row->bytes;
  }
  return bytes;
}

std::unique_ptr<storage::ChunkIndex> MakeMemoryChunkIndex(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryChunkIndex>(tx, t);
}

}  // namespace mooring::testing
