#include "agent/ios/manifest_db.h"

#include <array>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <sqlite3.h>

#include "agent/ios/readonly_vfs.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::string_view kSqliteMagic{"SQLite format 3\0", 16};
constexpr std::size_t kHeaderBytes = 100;
// Virtual-machine steps between two looks at the stop token.
constexpr int kStepsPerLook = 10'000;
// All steps of one statement; a row takes about ten.
constexpr std::uint64_t kLooksMax = 200'000;

struct CloseDatabase {
  void operator()(sqlite3* db) const { sqlite3_close_v2(db); }
};
struct FinishStatement {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using Statement = std::unique_ptr<sqlite3_stmt, FinishStatement>;

absl::Status Damaged(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("Manifest.db: {}", what));
}

// Reading tables is all that is allowed.
int Authorize(void*, int action, const char* table, const char*, const char*, const char*) {
  if (action == SQLITE_SELECT) return SQLITE_OK;
  if (action != SQLITE_READ || table == nullptr) return SQLITE_DENY;
  const std::string_view name = table;
  return name == "Files" || name == "sqlite_master" ? SQLITE_OK : SQLITE_DENY;
}

struct Watch {
  const OpContext& ctx;
  std::uint64_t looks = 0;
};

int Look(void* data) {
  auto* watch = static_cast<Watch*>(data);
  return watch->ctx.stop.stop_requested() || ++watch->looks > kLooksMax ? 1 : 0;
}

class Database {
 public:
  Database(const OpContext& ctx, FileReader& file) : vfs_(file), watch_{ctx} {}

  absl::Status Open() {
    std::array<std::byte, kHeaderBytes> header{};
    std::size_t got = 0;
    if (!vfs_.Read(0, header, got)) return vfs_.read_status();
    if (got < kHeaderBytes || AsText(header).substr(0, kSqliteMagic.size()) != kSqliteMagic) {
      return Damaged("not a database");
    }
    const std::uint32_t page_field = LoadBe32(header, 16) >> 16;
    const std::uint32_t page_bytes = page_field == 1 ? 65536 : page_field;
    if (page_bytes < 512 || (page_bytes & (page_bytes - 1)) != 0) return Damaged("page size");
    sqlite3* db = nullptr;
    const int opened = sqlite3_open_v2(
        "file:manifest?immutable=1", &db,
        SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
        vfs_.name().c_str());
    db_.reset(db);
    if (opened != SQLITE_OK) return Error();
    return Harden();
  }

  absl::StatusOr<Statement> Prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db_.get(), sql, -1, &statement, nullptr) != SQLITE_OK) return Error();
    return Statement(statement);
  }

  // True while there is a row.
  absl::StatusOr<bool> Step(const Statement& statement) {
    const int result = sqlite3_step(statement.get());
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return Error();
  }

 private:
  absl::Status Harden() {
    sqlite3* db = db_.get();
    for (const auto& [option, value] :
         {std::pair{SQLITE_DBCONFIG_DEFENSIVE, 1}, std::pair{SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0},
          std::pair{SQLITE_DBCONFIG_ENABLE_TRIGGER, 0}, std::pair{SQLITE_DBCONFIG_ENABLE_VIEW, 0},
          std::pair{SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0}}) {
      if (sqlite3_db_config(db, option, value, nullptr) != SQLITE_OK) return Error();
    }
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 16 << 20);
    sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 64 << 10);
    sqlite3_limit(db, SQLITE_LIMIT_COLUMN, 64);
    sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 32);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    sqlite3_limit(db, SQLITE_LIMIT_TRIGGER_DEPTH, 1);
    sqlite3_limit(db, SQLITE_LIMIT_WORKER_THREADS, 0);
    for (const char* pragma : {"PRAGMA cell_size_check=ON", "PRAGMA temp_store=MEMORY",
                               "PRAGMA cache_size=-4096", "PRAGMA mmap_size=0"}) {
      if (sqlite3_exec(db, pragma, nullptr, nullptr, nullptr) != SQLITE_OK) return Error();
    }
    sqlite3_set_authorizer(db, Authorize, nullptr);
    sqlite3_progress_handler(db, kStepsPerLook, Look, &watch_);
    return absl::OkStatus();
  }

  absl::Status Error() const {
    if (!vfs_.read_status().ok()) return vfs_.read_status();
    if (watch_.ctx.stop.stop_requested()) return absl::CancelledError("cancelled");
    // SQLite's own text may quote the database; its number says enough.
    return Damaged(
        fmt::format("SQLite error {}", db_ ? sqlite3_extended_errcode(db_.get()) : SQLITE_NOMEM));
  }

  ReadonlyVfs vfs_;
  Watch watch_;
  std::unique_ptr<sqlite3, CloseDatabase> db_;
};

std::string_view ColumnText(const Statement& statement, int column) {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement.get(), column))};
}

// A real table: a virtual one would run a module's code on the phone's terms.
absl::Status CheckSchema(Database& db) {
  MOORING_ASSIGN_OR_RETURN(const Statement statement,
                           db.Prepare("SELECT type, name, rootpage FROM sqlite_master"));
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const bool has_row, db.Step(statement));
    if (!has_row) return Damaged("no table of files");
    if (ColumnText(statement, 0) == "table" && ColumnText(statement, 1) == "Files" &&
        sqlite3_column_int64(statement.get(), 2) > 0) {
      return absl::OkStatus();
    }
  }
}

}  // namespace

absl::Status VisitManifestRows(const OpContext& ctx, FileReader& file,
                               absl::FunctionRef<absl::Status(const ManifestRow&)> visit,
                               std::uint64_t rows_max) {
  Database db(ctx, file);
  MOORING_RETURN_IF_ERROR(db.Open());
  MOORING_RETURN_IF_ERROR(CheckSchema(db));
  // NOT INDEXED: an index may lie about the table.
  MOORING_ASSIGN_OR_RETURN(const Statement statement,
                           db.Prepare("SELECT fileID, flags FROM Files NOT INDEXED"));
  for (std::uint64_t rows = 0;; ++rows) {
    MOORING_ASSIGN_OR_RETURN(const bool has_row, db.Step(statement));
    if (!has_row) return absl::OkStatus();
    if (rows == rows_max) return Damaged("too many rows");
    MOORING_RETURN_IF_ERROR(visit(
        {.file_id = ColumnText(statement, 0), .flags = sqlite3_column_int64(statement.get(), 1)}));
  }
}

}  // namespace mooring::agent
