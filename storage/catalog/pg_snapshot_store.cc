#include <fmt/format.h>

#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr char kColumns[] =
    "s.id, s.device_id, s.person_id, s.lineage, s.sequence, s.session_id, s.parent_id,"
    " s.created_at, s.captured_at, s.file_count, s.logical_bytes, s.read_bytes, s.new_bytes,"
    " s.referenced_bytes, s.chunk_count, s.root_hash, s.captures, s.device_facts, s.deleted_at,"
    " s.verified_at, s.damaged_chunks,"
    " s.deletion_decided_at";

constexpr char kViewFrom[] =
    ", d.serial, d.name, p.handle FROM snapshot s JOIN device d ON d.id = s.device_id"
    " JOIN person p ON p.id = s.person_id";

SnapshotRecord Read(SqlReader& row) {
  SnapshotRecord record;
  record.id = row.IdOf<SnapshotId>();
  record.device = row.IdOf<DeviceId>();
  record.person = row.IdOf<PersonId>();
  record.lineage = row.Uint32();
  record.sequence = row.Uint64();
  record.session = row.IdOf<SessionId>();
  record.parent = row.OptionalIdOf<SnapshotId>();
  record.created_at = row.Time();
  record.captured_at = row.Time();
  record.file_count = row.Uint64();
  record.logical_bytes = row.Uint64();
  record.read_bytes = row.Uint64();
  record.new_bytes = row.Uint64();
  record.referenced_bytes = row.Uint64();
  record.chunk_count = row.Uint64();
  record.root_hash = row.Blob();
  for (const Bytes& bytes : row.BlobArray()) {
    if (!record.captures.emplace_back().ParseFromArray(bytes.data(),
                                                       static_cast<int>(bytes.size()))) {
      row.Fail("a capture that does not parse");
    }
  }
  record.device_facts = row.Message<v1::DeviceFacts>();
  record.deleted_at = row.OptionalTime();
  record.verified_at = row.OptionalTime();
  record.damaged_chunks = row.Uint64();
  record.deletion_decided_at = row.OptionalTime();
  return record;
}

SnapshotView ReadView(SqlReader& row) {
  SnapshotView view;
  view.snapshot = Read(row);
  view.serial = row.Text();
  view.device_name = row.Text();
  view.person_handle = row.Text();
  return view;
}

Bytes Concatenate(const std::vector<ChunkId>& ids) {
  Bytes bytes;
  bytes.reserve(ids.size() * ChunkId::kBytes);
  for (const ChunkId& id : ids) Append(bytes, id.view());
  return bytes;
}

SnapshotContent ReadContent(SqlReader& row) {
  SnapshotContent content;
  content.root = row.Blob();
  content.refs = row.Blob();
  const Bytes ids = row.Blob();
  if (ids.size() % ChunkId::kBytes != 0) row.Fail("half an id");
  for (std::size_t at = 0; at + ChunkId::kBytes <= ids.size(); at += ChunkId::kBytes) {
    content.base_ids.push_back(*ChunkId::FromBytes(ByteView(ids).subspan(at, ChunkId::kBytes)));
  }
  return content;
}

class PgSnapshotStore final : public SnapshotStore {
 public:
  explicit PgSnapshotStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Create(const SnapshotRecord& r, const SnapshotContent& content) override {
    std::vector<Bytes> captures;
    for (const v1::Capture& capture : r.captures) {
      captures.push_back(ToBytes(capture.SerializeAsString()));
    }
    return Touched(
        sql_.Exec("INSERT INTO snapshot (id, device_id, person_id, lineage, sequence, session_id,"
                  " parent_id, created_at, captured_at, file_count, logical_bytes, read_bytes,"
                  " new_bytes, referenced_bytes, chunk_count, root_hash, captures, device_facts,"
                  " root, refs, base_ids)"
                  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
                  " $16, $17, $18, $19, $20, $21) ON CONFLICT DO NOTHING",
                  r.id, r.device, r.person, r.lineage, r.sequence, r.session, r.parent,
                  r.created_at, r.captured_at, r.file_count, r.logical_bytes, r.read_bytes,
                  r.new_bytes, r.referenced_bytes, r.chunk_count, r.root_hash, captures,
                  AsBytes(r.device_facts.SerializeAsString()), content.root, content.refs,
                  Concatenate(content.base_ids)),
        absl::AlreadyExistsError("the snapshot exists"));
  }

  absl::StatusOr<std::optional<SnapshotView>> Get(const SnapshotId& id, RowLock lock) override {
    return ReadOptional<SnapshotView>(
        sql_.Exec(fmt::format("SELECT {}{} WHERE s.id = $1{}", kColumns, kViewFrom,
                              LockClause(lock, "s")),
                  id),
        ReadView);
  }

  absl::StatusOr<std::optional<SnapshotContent>> GetContent(const SnapshotId& id) override {
    return ReadOptional<SnapshotContent>(
        sql_.Exec("SELECT root, refs, base_ids FROM snapshot WHERE id = $1", id), ReadContent);
  }

  absl::StatusOr<std::vector<SnapshotView>> List(const SnapshotFilter& filter) override {
    std::string where;
    std::vector<SqlParam> params;
    if (filter.device.has_value()) {
      params.emplace_back(*filter.device);
      where += fmt::format(" AND s.device_id = ${}", params.size());
    }
    if (filter.lineage.has_value()) {
      params.emplace_back(*filter.lineage);
      where += fmt::format(" AND s.lineage = ${}", params.size());
    }
    if (!filter.with_deleted) where += " AND s.deleted_at IS NULL";
    return ReadRows<SnapshotView>(
        sql_.ExecText(fmt::format("SELECT {}{} WHERE true{}"
                                  " ORDER BY s.created_at DESC, s.sequence DESC, s.id",
                                  kColumns, kViewFrom, where),
                      params),
        ReadView);
  }

  absl::StatusOr<std::optional<SnapshotRecord>> FindNewest(const DeviceId& device,
                                                           std::uint32_t lineage) override {
    return ReadOptional<SnapshotRecord>(
        sql_.Exec(fmt::format("SELECT {} FROM snapshot s WHERE s.device_id = $1"
                              " AND s.lineage = $2 AND s.deleted_at IS NULL"
                              " ORDER BY s.sequence DESC LIMIT 1",
                              kColumns),
                  device, lineage),
        Read);
  }

  absl::StatusOr<SnapshotTotals> Totals() override {
    MOORING_ASSIGN_OR_RETURN(const SqlResult result,
                             sql_.Exec("SELECT count(*), coalesce(sum(logical_bytes), 0)"
                                       " FROM snapshot WHERE deleted_at IS NULL"));
    SqlReader row(result, 0);
    SnapshotTotals totals;
    totals.count = row.Uint64();
    totals.logical_bytes = row.Uint64();
    MOORING_RETURN_IF_ERROR(row.status());
    return totals;
  }

  absl::StatusOr<std::vector<SnapshotId>> ListUnknown(std::span<const SnapshotId> ids) override {
    return SelectIds(sql_,
                     "SELECT u.n FROM unnest($1::bytea[]) WITH ORDINALITY u(id, n)"
                     " LEFT JOIN snapshot s ON s.id = u.id WHERE s.id IS NULL ORDER BY u.n",
                     ids);
  }

  absl::StatusOr<std::uint64_t> MaxCommitNo() override {
    return ReadCount(sql_.Exec("SELECT coalesce(max(commit_no), 0) FROM snapshot"));
  }

  absl::StatusOr<std::vector<SnapshotRefs>> ListRefs(std::uint64_t after, std::uint64_t last,
                                                     bool with_deleted, int limit) override {
    return ReadRows<SnapshotRefs>(
        sql_.Exec("SELECT commit_no, id, deleted_at IS NOT NULL, refs FROM snapshot"
                  " WHERE commit_no > $1 AND commit_no <= $2 AND ($3 OR deleted_at IS NULL)"
                  " ORDER BY commit_no LIMIT $4",
                  after, last, with_deleted, limit),
        [](SqlReader& row) {
          SnapshotRefs refs;
          refs.commit_no = row.Uint64();
          refs.id = row.IdOf<SnapshotId>();
          refs.is_deleted = row.Bool();
          refs.refs = row.Blob();
          return refs;
        });
  }

  absl::Status MarkDeleted(const SnapshotId& id, absl::Time at) override {
    const absl::StatusOr<SqlResult> marked = sql_.Exec(
        "UPDATE snapshot SET deleted_at = $2 WHERE id = $1 AND deleted_at IS NULL", id, at);
    if (!marked.ok()) return marked.status();
    if (marked->affected() > 0) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const SqlResult there,
                             sql_.Exec("SELECT 1 FROM snapshot WHERE id = $1", id));
    if (there.empty()) return absl::NotFoundError("no such snapshot");
    return absl::FailedPreconditionError("the snapshot is deleted");
  }

  absl::Status MarkVerified(const SnapshotId& id, std::uint64_t damaged_chunks,
                            absl::Time at) override {
    return Touched(
        sql_.Exec("UPDATE snapshot SET verified_at = $3, damaged_chunks = $2 WHERE id = $1", id,
                  damaged_chunks, at),
        absl::NotFoundError("no such snapshot"));
  }

 private:
  SqlSession& sql_;
};

}  // namespace

std::unique_ptr<SnapshotStore> MakePgSnapshotStore(SqlSession& sql) {
  return std::make_unique<PgSnapshotStore>(sql);
}

}  // namespace mooring::storage
