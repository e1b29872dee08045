#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/catalog_dump.h"
#include "storage/catalog/migrations.h"
#include "storage/catalog/pg_transaction.h"
#include "storage/catalog/sql.h"
#include "storage/catalog/sql_rows.h"

namespace mooring::storage {
namespace {

constexpr int kFetchRows = 1000;
constexpr std::size_t kInsertRows = 100;
constexpr std::size_t kChunkBatch = 4096;
constexpr absl::Duration kStatementMax = absl::Hours(12);

// A row as text, column by column.
DumpValues ReadValues(const SqlResult& result, int index, std::size_t columns) {
  SqlReader row(result, index);
  DumpValues values;
  values.reserve(columns);
  for (std::size_t i = 0; i < columns; ++i) {
    if (row.NextIsNull()) {
      values.emplace_back(std::nullopt);
      row.Blob();  // Steps over it.
    } else {
      values.emplace_back(row.Text());
    }
  }
  return values;
}

std::vector<SqlParam> Parameters(const DumpValues& values) {
  std::vector<SqlParam> parameters;
  for (const std::optional<std::string>& value : values) {
    parameters.push_back(value ? SqlParam(*value) : SqlParam(std::nullopt));
  }
  return parameters;
}

std::string Quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

struct Column {
  std::string name;
  std::string type;
  bool is_generated = false;  // Computed: neither dumped nor loaded.
};

struct Shape {
  std::vector<Column> columns;
  std::vector<std::string> key;  // Primary key columns.
};

// The tables of the schema, and those that each refers to.
class Schema {
 public:
  static absl::StatusOr<Schema> Read(SqlSession& sql) {
    Schema schema;
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult columns,
        sql.Exec("SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),"
                 " a.attgenerated <> '' FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
                 " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
                 " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY c.relname, a.attnum"));
    for (int i = 0; i < columns.size(); ++i) {
      SqlReader row(columns, i);
      const std::string table = row.Text();
      Column column;
      column.name = row.Text();
      column.type = row.Text();
      column.is_generated = row.Bool();
      MOORING_RETURN_IF_ERROR(row.status());
      schema.tables_[table].columns.push_back(column);
    }
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult keys,
        sql.Exec("SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
                 " JOIN unnest(i.indkey) WITH ORDINALITY k(attnum, n) ON true"
                 " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum"
                 " WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace"
                 " ORDER BY c.relname, k.n"));
    for (int i = 0; i < keys.size(); ++i) {
      SqlReader row(keys, i);
      const std::string table = row.Text();
      schema.tables_[table].key.push_back(row.Text());
      MOORING_RETURN_IF_ERROR(row.status());
    }
    MOORING_ASSIGN_OR_RETURN(
        const SqlResult references,
        sql.Exec("SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint"
                 " WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
                 " AND conrelid <> confrelid"));
    for (int i = 0; i < references.size(); ++i) {
      SqlReader row(references, i);
      const std::string from = row.Text();
      schema.references_[from].insert(row.Text());
      MOORING_RETURN_IF_ERROR(row.status());
    }
    return schema;
  }

  const Shape* Find(const std::string& table) const {
    const auto found = tables_.find(table);
    return found == tables_.end() ? nullptr : &found->second;
  }

  // Each after those that it refers to.
  absl::StatusOr<std::vector<std::string>> InOrder() const {
    std::vector<std::string> order;
    std::set<std::string> done;
    while (order.size() < tables_.size()) {
      const std::size_t before = order.size();
      for (const auto& [name, shape] : tables_) {
        if (done.contains(name)) continue;
        const auto references = references_.find(name);
        const bool is_ready =
            references == references_.end() ||
            std::all_of(references->second.begin(), references->second.end(),
                        [&done](const std::string& to) { return done.contains(to); });
        if (!is_ready) continue;
        order.push_back(name);
        done.insert(name);
      }
      if (order.size() == before) {
        return absl::InternalError("catalog: tables refer to each other in a circle");
      }
    }
    return order;
  }

 private:
  std::map<std::string, Shape> tables_;
  std::map<std::string, std::set<std::string>> references_;
};

absl::Status DumpTableRows(SqlSession& sql, const std::string& name, const Shape& shape,
                           const DumpSelection& selection, DumpSink& sink) {
  DumpTable table{.name = name, .columns = {}};
  std::string list;
  for (const Column& column : shape.columns) {
    if (column.is_generated || selection.without_columns.contains(name + "." + column.name)) {
      continue;
    }
    table.columns.push_back(column.name);
    list += fmt::format("{}{}::text", list.empty() ? "" : ", ", Quoted(column.name));
  }
  std::string order;
  for (const std::string& column : shape.key) {
    order += (order.empty() ? " ORDER BY " : ", ") + Quoted(column);
  }
  MOORING_RETURN_IF_ERROR(sink.Table(table));
  MOORING_RETURN_IF_ERROR(
      sql.Exec(fmt::format("DECLARE dump NO SCROLL CURSOR FOR SELECT {} FROM {}{}", list,
                           Quoted(name), order))
          .status());
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const SqlResult rows,
                             sql.Exec(fmt::format("FETCH {} FROM dump", kFetchRows)));
    for (int i = 0; i < rows.size(); ++i) {
      MOORING_RETURN_IF_ERROR(sink.Row(ReadValues(rows, i, table.columns.size())));
    }
    if (rows.size() < kFetchRows) break;
  }
  return sql.Exec("CLOSE dump").status();
}

absl::Status DumpNumbers(SqlSession& sql, DumpSink& sink) {
  MOORING_ASSIGN_OR_RETURN(
      const SqlResult numbers,
      sql.Exec("SELECT c.relname, a.attname, coalesce(pg_sequence_last_value("
               "   pg_get_serial_sequence(quote_ident(c.relname), a.attname)::regclass), 0)"
               " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
               " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'"
               " AND a.attidentity <> '' AND NOT a.attisdropped ORDER BY 1, 2"));
  for (int i = 0; i < numbers.size(); ++i) {
    SqlReader row(numbers, i);
    DumpNumber number;
    number.table = row.Text();
    number.column = row.Text();
    number.last = row.Int64();
    MOORING_RETURN_IF_ERROR(row.status());
    MOORING_RETURN_IF_ERROR(sink.Number(number));
  }
  return absl::OkStatus();
}

class PgCatalogLoad final : public CatalogLoad {
 public:
  explicit PgCatalogLoad(std::unique_ptr<SqlSession> sql) : sql_(std::move(sql)) {}

  absl::Status Start() {
    MOORING_ASSIGN_OR_RETURN(schema_, Schema::Read(*sql_));
    MOORING_RETURN_IF_ERROR(sql_->Begin(kStatementMax));
    transaction_ = std::make_unique<PgTransaction>(*sql_);
    for (const char* const table : {"organization", "pack", "person", "audit"}) {
      MOORING_ASSIGN_OR_RETURN(const SqlResult rows,
                               sql_->Exec(fmt::format("SELECT 1 FROM {} LIMIT 1", table)));
      if (!rows.empty()) {
        return absl::FailedPreconditionError(
            "the database holds a catalog already; a rebuild needs an empty one");
      }
    }
    return absl::OkStatus();
  }

  absl::Status StartOnExisting() {
    MOORING_ASSIGN_OR_RETURN(schema_, Schema::Read(*sql_));
    MOORING_RETURN_IF_ERROR(sql_->Begin(kStatementMax));
    transaction_ = std::make_unique<PgTransaction>(*sql_);
    return transaction_->LockRepositoryExclusive();
  }

  Transaction& tx() override { return *transaction_; }

  absl::Status Table(const DumpTable& table) override {
    MOORING_RETURN_IF_ERROR(Flush());
    const Shape* const shape = schema_.Find(table.name);
    if (shape == nullptr) {
      return absl::FailedPreconditionError(
          fmt::format("this program's catalog has no table {}", table.name));
    }
    table_ = Quoted(table.name);
    columns_.clear();
    types_.clear();
    for (const std::string& name : table.columns) {
      const auto found = std::find_if(shape->columns.begin(), shape->columns.end(),
                                      [&name](const Column& c) { return c.name == name; });
      if (found == shape->columns.end()) {
        return absl::FailedPreconditionError(
            fmt::format("this program's table {} has no column {}", table.name, name));
      }
      columns_ += (columns_.empty() ? "" : ", ") + Quoted(name);
      types_.push_back(found->type);
    }
    return sql_->Exec(fmt::format("DELETE FROM {}", table_)).status();
  }

  absl::Status Row(const DumpValues& values) override {
    if (values.size() != types_.size()) {
      return absl::DataLossError(fmt::format("a row of {} with {} values", table_, values.size()));
    }
    if (rows_ > 0) sql_text_ += ", ";
    sql_text_ += '(';
    for (std::size_t i = 0; i < values.size(); ++i) {
      parameters_.push_back(values[i] ? SqlParam(*values[i]) : SqlParam(std::nullopt));
      sql_text_ += fmt::format("{}${}::{}", i == 0 ? "" : ", ", parameters_.size(), types_[i]);
    }
    sql_text_ += ')';
    ++rows_;
    return rows_ < kInsertRows ? absl::OkStatus() : Flush();
  }

  absl::Status NumberAbove(const DumpNumber& number) override {
    MOORING_RETURN_IF_ERROR(Flush());
    const Shape* const shape = schema_.Find(number.table);
    const bool is_there =
        shape != nullptr &&
        std::any_of(shape->columns.begin(), shape->columns.end(),
                    [&number](const Column& c) { return c.name == number.column; });
    if (!is_there) return absl::FailedPreconditionError("no such counter: " + number.table);
    return sql_
        ->Exec(
            fmt::format("SELECT setval(pg_get_serial_sequence('{0}', '{1}'), greatest($1::bigint,"
                        " (SELECT coalesce(max({2}), 0) FROM {3}),"
                        " (SELECT coalesce(pg_sequence_last_value("
                        "    pg_get_serial_sequence('{0}', '{1}')::regclass), 0)), 1))",
                        number.table, number.column, Quoted(number.column), Quoted(number.table)),
            number.last)
        .status();
  }

  absl::StatusOr<std::uint64_t> AddChunks(const PackId& pack, std::span<const NewChunk> chunks,
                                          KnownChunk known) override;
  absl::Status AddLost(const PackId& pack, const DomainId& domain,
                       std::span<const ChunkId> ids) override;

  absl::Status AddOwner(const PersonId& person, std::span<const std::uint64_t> numbers) override {
    const std::vector<std::int64_t> list(numbers.begin(), numbers.end());
    return sql_
        ->ExecBinary(
            "INSERT INTO chunk_owner (person_id, chunk_no)"
            " SELECT $2::bytea, c.no FROM unnest($1::bigint[]) u(no)"
            " JOIN chunk c ON c.no = u.no JOIN domain d ON d.no = c.domain_no"
            " WHERE d.person_id IS NULL ON CONFLICT DO NOTHING",
            {BinaryInt8Array(list), ToBytes(person.bytes())})
        .status();
  }

  absl::StatusOr<std::uint64_t> Execute(const std::string& sql,
                                        const DumpValues& parameters) override {
    MOORING_RETURN_IF_ERROR(Flush());
    MOORING_ASSIGN_OR_RETURN(const SqlResult result, sql_->ExecText(sql, Parameters(parameters)));
    return result.affected();
  }

  absl::StatusOr<std::vector<DumpValues>> Query(const std::string& sql,
                                                const DumpValues& parameters) override {
    MOORING_RETURN_IF_ERROR(Flush());
    MOORING_ASSIGN_OR_RETURN(const SqlResult result, sql_->ExecText(sql, Parameters(parameters)));
    std::vector<DumpValues> rows;
    for (int i = 0; i < result.size(); ++i) rows.push_back(ReadValues(result, i, result.columns()));
    return rows;
  }

  absl::Status Commit() override {
    MOORING_RETURN_IF_ERROR(Flush());
    return sql_->Commit();
  }

 private:
  absl::Status Flush() {
    if (rows_ == 0) return absl::OkStatus();
    const std::string sql = fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES {}",
                                        table_, columns_, sql_text_);
    const absl::Status inserted = sql_->ExecText(sql, parameters_).status();
    rows_ = 0;
    sql_text_.clear();
    parameters_.clear();
    return Annotate(inserted, "table " + table_);
  }

  const std::unique_ptr<SqlSession> sql_;
  std::unique_ptr<PgTransaction> transaction_;
  Schema schema_;
  std::string table_;
  std::string columns_;
  std::vector<std::string> types_;
  std::string sql_text_;
  std::vector<SqlParam> parameters_;
  std::size_t rows_ = 0;
};

absl::StatusOr<std::uint64_t> PgCatalogLoad::AddChunks(const PackId& pack,
                                                       std::span<const NewChunk> chunks,
                                                       KnownChunk known) {
  const std::string on_known =
      known == KnownChunk::kStays
          ? "DO NOTHING"
          : "DO UPDATE SET pack_no = excluded.pack_no,"
            "   pack_offset = excluded.pack_offset, bytes = excluded.bytes, state = 1,"
            "   condemned_at = NULL, condemned_generation = NULL"
            "   WHERE (SELECT created_at FROM pack WHERE no = c.pack_no)"
            "     < (SELECT created_at FROM pack WHERE no = excluded.pack_no)";
  std::uint64_t left_out = 0;
  for (std::size_t first = 0; first < chunks.size(); first += kChunkBatch) {
    const auto part = chunks.subspan(first, std::min(kChunkBatch, chunks.size() - first));
    std::map<DomainId, std::vector<const NewChunk*>> by_domain;
    for (const NewChunk& chunk : part) by_domain[chunk.domain].push_back(&chunk);
    for (const auto& [domain, list] : by_domain) {
      MOORING_ASSIGN_OR_RETURN(const auto domain_row, tx().chunks().GetDomain(domain));
      if (!domain_row) {
        left_out += list.size();
        continue;
      }
      // A pack may hold a chunk twice; one statement must not touch a row twice.
      std::map<ChunkId, const NewChunk*> once;
      for (const NewChunk* chunk : list) once.emplace(chunk->id, chunk);
      std::vector<ChunkId> ids;
      std::vector<std::int64_t> offsets;
      std::vector<std::int32_t> bytes;
      for (const auto& [id, chunk] : once) {
        ids.push_back(id);
        offsets.push_back(static_cast<std::int64_t>(chunk->offset));
        bytes.push_back(static_cast<std::int32_t>(chunk->bytes));
      }
      MOORING_RETURN_IF_ERROR(
          sql_->ExecBinary(
                  "INSERT INTO chunk AS c (domain_no, id, pack_no, pack_offset, bytes, state)"
                  " SELECT d.no, u.id, p.no, u.pack_offset, u.bytes, 1"
                  " FROM unnest($2::bytea[], $3::bigint[], $4::int[]) u(id, pack_offset, bytes),"
                  " domain d, pack p WHERE d.id = $1::bytea AND p.id = $5::bytea ORDER BY u.id"
                  " ON CONFLICT (domain_no, id) " +
                      on_known,
                  {ToBytes(domain.bytes()), BinaryIdArray(ids), BinaryInt8Array(offsets),
                   BinaryInt4Array(bytes), ToBytes(pack.bytes())})
              .status());
    }
  }
  return left_out;
}

absl::Status PgCatalogLoad::AddLost(const PackId& pack, const DomainId& domain,
                                    std::span<const ChunkId> ids) {
  return sql_
      ->ExecBinary(
          "INSERT INTO chunk (domain_no, id, pack_no, pack_offset, bytes, state)"
          " SELECT d.no, u.id, p.no, 0, 1, 4 FROM unnest($2::bytea[]) u(id), domain d,"
          " pack p WHERE d.id = $1::bytea AND p.id = $3::bytea ORDER BY u.id"
          " ON CONFLICT DO NOTHING",
          {ToBytes(domain.bytes()), BinaryIdArray(ids), ToBytes(pack.bytes())})
      .status();
}

}  // namespace

absl::Status DumpCatalog(const OpContext& ctx, const std::string& url, Clock& clock,
                         const DumpSelection& selection, DumpSink& sink) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<SqlSession> sql, SqlSession::Connect(url));
  sql->SetStop(ctx.stop);
  const absl::Duration left =
      std::clamp<absl::Duration>(ctx.deadline - clock.Now(), absl::Milliseconds(1), kStatementMax);
  MOORING_RETURN_IF_ERROR(CheckSchema(*sql));
  MOORING_ASSIGN_OR_RETURN(const Schema schema, Schema::Read(*sql));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> order, schema.InOrder());
  MOORING_RETURN_IF_ERROR(sql->BeginSnapshot(left));
  for (const std::string& name : order) {
    if (selection.without_tables.contains(name)) continue;
    MOORING_RETURN_IF_ERROR(DumpTableRows(*sql, name, *schema.Find(name), selection, sink));
  }
  MOORING_RETURN_IF_ERROR(DumpNumbers(*sql, sink));
  sql->Rollback();
  return absl::OkStatus();
}

int SchemaVersion() {
  return EmbeddedMigrations().back().version;
}

absl::StatusOr<std::unique_ptr<CatalogLoad>> CatalogLoad::Begin(const OpContext& ctx,
                                                                const std::string& url,
                                                                Clock& clock) {
  MOORING_RETURN_IF_ERROR(MigrateCatalog(ctx, url, clock).status());
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<SqlSession> sql, SqlSession::Connect(url));
  sql->SetStop(ctx.stop);
  auto load = std::make_unique<PgCatalogLoad>(std::move(sql));
  MOORING_RETURN_IF_ERROR(load->Start());
  return absl::StatusOr<std::unique_ptr<CatalogLoad>>(std::move(load));
}

absl::StatusOr<std::unique_ptr<CatalogLoad>> CatalogLoad::BeginOnExisting(const OpContext& ctx,
                                                                          const std::string& url) {
  MOORING_ASSIGN_OR_RETURN(std::unique_ptr<SqlSession> sql, SqlSession::Connect(url));
  sql->SetStop(ctx.stop);
  MOORING_RETURN_IF_ERROR(CheckSchema(*sql));
  auto load = std::make_unique<PgCatalogLoad>(std::move(sql));
  MOORING_RETURN_IF_ERROR(load->StartOnExisting());
  return absl::StatusOr<std::unique_ptr<CatalogLoad>>(std::move(load));
}

std::optional<std::string> DumpText(ByteView bytes) {
  return SqlParam(bytes).text();
}

std::optional<std::string> DumpText(absl::Time time) {
  return SqlParam(time).text();
}

}  // namespace mooring::storage
