#include "storage/catalog/pg_chunk_index.h"

#include <utility>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

// Joins to unnest(), never = ANY(): with thousands of ids the planner takes the
// latter for a sequential scan.
constexpr char kFindInPersonDomain[] =
    "SELECT u.n, c.no, c.bytes, c.state FROM unnest($2::bytea[]) WITH ORDINALITY u(id, n)"
    " JOIN chunk c ON c.domain_no = $1::int AND c.id = u.id WHERE c.state <= 2";

constexpr char kFindInOrganizationDomain[] =
    "SELECT u.n, c.no, c.bytes, c.state FROM unnest($2::bytea[]) WITH ORDINALITY u(id, n)"
    " JOIN chunk c ON c.domain_no = $1::int AND c.id = u.id"
    " JOIN chunk_owner o ON o.person_id = $3::bytea AND o.chunk_no = c.no WHERE c.state <= 2";

// In the order of the key, so that two uploads of the same chunks cannot
// deadlock. xmax is 0 in a row that was inserted, not in one that was taken over.
constexpr char kInsert[] =
    "INSERT INTO chunk AS c (domain_no, id, pack_no, pack_offset, bytes, state)"
    " SELECT u.domain_no, u.id, $5::bigint, u.pack_offset, u.bytes, 1"
    " FROM unnest($1::int[], $2::bytea[], $3::bigint[], $4::int[])"
    "   u(domain_no, id, pack_offset, bytes) ORDER BY u.domain_no, u.id"
    " ON CONFLICT (domain_no, id) DO UPDATE SET pack_no = excluded.pack_no,"
    "   pack_offset = excluded.pack_offset, bytes = excluded.bytes, state = 1,"
    "   condemned_at = NULL, condemned_generation = NULL WHERE c.state <> 1"
    " RETURNING c.bytes, c.xmax = 0";

constexpr char kAddOwner[] =
    "INSERT INTO chunk_owner (person_id, chunk_no)"
    " SELECT $3::bytea, c.no FROM unnest($2::bytea[]) u(id)"
    " JOIN chunk c ON c.domain_no = $1::int AND c.id = u.id WHERE c.state = 1 ORDER BY c.no"
    " ON CONFLICT DO NOTHING";

constexpr char kLocate[] =
    "SELECT u.n, c.no, d.id, c.id, p.id, c.pack_offset, c.bytes, c.state"
    " FROM unnest($2::bytea[]) WITH ORDINALITY u(id, n)"
    " CROSS JOIN unnest($1::int[]) WITH ORDINALITY g(domain_no, rank)"
    " JOIN chunk c ON c.domain_no = g.domain_no AND c.id = u.id"
    " JOIN pack p ON p.no = c.pack_no JOIN domain d ON d.no = c.domain_no"
    " ORDER BY u.n, c.state <> 1, g.rank";

constexpr char kLocateNumbers[] =
    "SELECT c.no, d.id, c.id, p.id, c.pack_offset, c.bytes, c.state"
    " FROM unnest($1::bigint[]) u(no) JOIN chunk c ON c.no = u.no"
    " JOIN pack p ON p.no = c.pack_no JOIN domain d ON d.no = c.domain_no ORDER BY c.no";

}  // namespace

ChunkLocation ReadChunkLocation(SqlReader& row) {
  ChunkLocation location;
  location.no = row.Uint64();
  location.domain = row.IdOf<DomainId>();
  location.id = row.IdOf<ChunkId>();
  location.pack = row.IdOf<PackId>();
  location.offset = row.Uint64();
  location.bytes = row.Uint32();
  location.state = row.Enum<ChunkState>();
  return location;
}

std::vector<std::int64_t> SignedNumbers(std::span<const std::uint64_t> numbers) {
  std::vector<std::int64_t> out;
  out.reserve(numbers.size());
  for (const std::uint64_t number : numbers) {
    if (number <= INT64_MAX) out.push_back(static_cast<std::int64_t>(number));
  }
  return out;
}

absl::StatusOr<std::optional<PgChunkIndex::Domain>> PgChunkIndex::Look(const DomainId& id) {
  const auto found = known_.find(id);
  if (found != known_.end()) return std::optional<Domain>(found->second);
  MOORING_ASSIGN_OR_RETURN(
      const std::optional<Domain> domain,
      ReadOptional<Domain>(sql_.Exec("SELECT no, person_id FROM domain WHERE id = $1", id),
                           [](SqlReader& row) {
                             Domain read;
                             read.no = static_cast<std::int32_t>(row.Int64());
                             read.person = row.OptionalIdOf<PersonId>();
                             return read;
                           }));
  if (domain.has_value()) known_.emplace(id, *domain);
  return domain;
}

absl::StatusOr<PgChunkIndex::Domain> PgChunkIndex::Enter(const PersonId& person,
                                                         const DomainId& id) {
  MOORING_ASSIGN_OR_RETURN(const std::optional<Domain> domain, Look(id));
  if (!domain.has_value()) return absl::NotFoundError("no such domain");
  if (domain->person.has_value() && *domain->person != person) {
    return absl::PermissionDeniedError("the domain belongs to another person");
  }
  return *domain;
}

absl::Status PgChunkIndex::CreateDomain(const DomainRecord& record) {
  MOORING_ASSIGN_OR_RETURN(
      const SqlResult inserted,
      sql_.Exec("INSERT INTO domain (id, person_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                record.id, record.person));
  if (inserted.affected() > 0) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const std::optional<DomainRecord> there, GetDomain(record.id));
  if (there.has_value() && there->person == record.person) return absl::OkStatus();
  return absl::AlreadyExistsError("the domain, or one of this person, exists");
}

absl::StatusOr<std::optional<DomainRecord>> PgChunkIndex::GetDomain(const DomainId& id) {
  MOORING_ASSIGN_OR_RETURN(const std::optional<Domain> domain, Look(id));
  if (!domain.has_value()) return std::optional<DomainRecord>();
  return std::optional<DomainRecord>(DomainRecord{id, domain->person});
}

absl::StatusOr<std::vector<std::optional<LiveChunk>>> PgChunkIndex::FindLive(
    const PersonId& person, const DomainId& domain, std::span<const ChunkId> ids) {
  MOORING_ASSIGN_OR_RETURN(Found found, Find(person, domain, ids));
  return std::move(found.live);
}

absl::StatusOr<PgChunkIndex::Found> PgChunkIndex::Find(const PersonId& person,
                                                       const DomainId& domain,
                                                       std::span<const ChunkId> ids) {
  MOORING_ASSIGN_OR_RETURN(const Domain entered, Enter(person, domain));
  Found found;
  found.live.resize(ids.size());
  const auto find = [&](std::size_t first, std::span<const ChunkId> part) -> absl::Status {
    std::vector<Bytes> params = {BinaryInt4(entered.no), BinaryIdArray(part)};
    if (!entered.person.has_value()) params.push_back(ToBytes(person.bytes()));
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.ExecBinary(
            entered.person.has_value() ? kFindInPersonDomain : kFindInOrganizationDomain, params));
    for (int i = 0; i < result.size(); ++i) {
      SqlReader row(result, i);
      const std::uint64_t n = row.Uint64();
      const LiveChunk chunk{row.Uint64(), row.Uint32()};
      const auto state = row.Enum<ChunkState>();
      MOORING_RETURN_IF_ERROR(row.status());
      if (state == ChunkState::kLive) {
        found.live[first + n - 1] = chunk;
      } else {
        found.condemned.push_back(chunk.no);
      }
    }
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(InBatches(ids, find));
  return found;
}

// Held, so that the pack stays while rows come to point into it.
absl::StatusOr<std::int64_t> PgChunkIndex::PackNo(const PackId& pack) {
  MOORING_ASSIGN_OR_RETURN(const SqlResult packs,
                           sql_.Exec("SELECT no FROM pack WHERE id = $1 FOR SHARE", pack));
  if (packs.empty()) return absl::NotFoundError("no such pack");
  return SqlReader(packs, 0).Int64();
}

absl::StatusOr<InsertOutcome> PgChunkIndex::Insert(const PackId& pack, const PersonId& person,
                                                   std::span<const NewChunk> chunks) {
  MOORING_ASSIGN_OR_RETURN(const std::int64_t pack_no, PackNo(pack));
  InsertOutcome outcome;
  MOORING_RETURN_IF_ERROR(
      InBatches(chunks, [&](std::size_t, std::span<const NewChunk> part) -> absl::Status {
        return InsertBatch(pack_no, person, part, outcome);
      }));
  return outcome;
}

absl::Status PgChunkIndex::InsertBatch(std::int64_t pack_no, const PersonId& person,
                                       std::span<const NewChunk> chunks, InsertOutcome& outcome) {
  std::vector<std::int32_t> domains;
  std::vector<ChunkId> ids;
  std::vector<std::int64_t> offsets;
  std::vector<std::int32_t> bytes;
  std::map<DomainId, std::vector<ChunkId>> of_organization;
  for (const NewChunk& chunk : chunks) {
    MOORING_ASSIGN_OR_RETURN(const Domain domain, Enter(person, chunk.domain));
    domains.push_back(domain.no);
    ids.push_back(chunk.id);
    offsets.push_back(static_cast<std::int64_t>(chunk.offset));
    bytes.push_back(static_cast<std::int32_t>(chunk.bytes));
    if (!domain.person.has_value()) of_organization[chunk.domain].push_back(chunk.id);
  }
  MOORING_ASSIGN_OR_RETURN(const SqlResult result,
                           sql_.ExecBinary(kInsert, {BinaryInt4Array(domains), BinaryIdArray(ids),
                                                     BinaryInt8Array(offsets),
                                                     BinaryInt4Array(bytes), BinaryInt8(pack_no)}));
  for (int i = 0; i < result.size(); ++i) {
    SqlReader row(result, i);
    outcome.new_bytes += row.Uint64();
    ++(row.Bool() ? outcome.inserted : outcome.taken_over);
    MOORING_RETURN_IF_ERROR(row.status());
  }
  outcome.kept += chunks.size() - static_cast<std::size_t>(result.size());
  for (const auto& [domain, owned] : of_organization) {
    MOORING_RETURN_IF_ERROR(AddOwner(person, domain, owned));
  }
  return absl::OkStatus();
}

absl::Status PgChunkIndex::AddOwner(const PersonId& person, const DomainId& domain,
                                    std::span<const ChunkId> ids) {
  MOORING_ASSIGN_OR_RETURN(const Domain entered, Enter(person, domain));
  if (entered.person.has_value()) return absl::OkStatus();
  return InBatches(ids, [&](std::size_t, std::span<const ChunkId> part) -> absl::Status {
    return sql_
        .ExecBinary(kAddOwner,
                    {BinaryInt4(entered.no), BinaryIdArray(part), ToBytes(person.bytes())})
        .status();
  });
}

absl::StatusOr<std::vector<std::optional<ChunkLocation>>> PgChunkIndex::Locate(
    std::span<const DomainId> domains, std::span<const ChunkId> ids) {
  std::vector<std::int32_t> domain_nos;
  for (const DomainId& id : domains) {
    MOORING_ASSIGN_OR_RETURN(const std::optional<Domain> domain, Look(id));
    if (domain.has_value()) domain_nos.push_back(domain->no);
  }
  std::vector<std::optional<ChunkLocation>> locations(ids.size());
  const auto locate = [&](std::size_t first, std::span<const ChunkId> part) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult result,
        sql_.ExecBinary(kLocate, {BinaryInt4Array(domain_nos), BinaryIdArray(part)}));
    for (int i = 0; i < result.size(); ++i) {
      SqlReader row(result, i);
      const std::uint64_t n = row.Uint64();
      ChunkLocation location = ReadChunkLocation(row);
      MOORING_RETURN_IF_ERROR(row.status());
      std::optional<ChunkLocation>& slot = locations[first + n - 1];
      if (!slot.has_value()) slot = location;  // The best row comes first.
    }
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(InBatches(ids, locate));
  return locations;
}

absl::StatusOr<std::vector<ChunkLocation>> PgChunkIndex::LocateNumbers(
    std::span<const std::uint64_t> numbers) {
  std::vector<std::int64_t> sorted = SignedNumbers(numbers);
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<ChunkLocation> locations;
  locations.reserve(sorted.size());
  const auto locate = [&](std::size_t, std::span<const std::int64_t> part) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(
        std::vector<ChunkLocation> found,
        ReadRows<ChunkLocation>(sql_.ExecBinary(kLocateNumbers, {BinaryInt8Array(part)}),
                                ReadChunkLocation));
    locations.insert(locations.end(), found.begin(), found.end());
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(InBatches(std::span<const std::int64_t>(sorted), locate));
  return locations;
}

absl::StatusOr<std::uint64_t> PgChunkIndex::ReferencedBytes(
    std::span<const std::uint64_t> numbers) {
  const std::vector<std::int64_t> wanted = SignedNumbers(numbers);
  std::uint64_t total = 0;
  const auto add = [&](std::size_t, std::span<const std::int64_t> part) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(
        const std::uint64_t bytes,
        ReadCount(sql_.ExecBinary("SELECT coalesce(sum(c.bytes), 0)::bigint"
                                  " FROM unnest($1::bigint[]) u(no) JOIN chunk c ON c.no = u.no",
                                  {BinaryInt8Array(part)})));
    total += bytes;
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(InBatches(std::span<const std::int64_t>(wanted), add));
  return total;
}

std::unique_ptr<ChunkIndex> MakePgChunkIndex(SqlSession& sql) {
  return std::make_unique<PgChunkIndex>(sql);
}

}  // namespace mooring::storage
