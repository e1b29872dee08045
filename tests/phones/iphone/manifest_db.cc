#include "tests/phones/iphone/manifest_db.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

absl::StatusOr<sqlite3*> OpenDatabase(const std::string& path) {
  sqlite3* database = nullptr;
  if (sqlite3_open(path.c_str(), &database) != SQLITE_OK) {
    sqlite3_close(database);
    return absl::UnavailableError(fmt::format("cannot open {}", path));
  }
  return database;
}

std::string ColumnText(sqlite3_stmt* statement, int column) {
  const void* bytes = sqlite3_column_blob(statement, column);
  const int length = sqlite3_column_bytes(statement, column);
  if (bytes == nullptr || length <= 0) return {};
  return {static_cast<const char*>(bytes), static_cast<std::size_t>(length)};
}

void BindText(sqlite3_stmt* statement, int index, std::string_view text) {
  sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}

}  // namespace

absl::StatusOr<ManifestDb> ManifestDb::Make(const std::string& directory) {
  std::string path = directory + "/simulated-manifest-XXXXXX";
  const int file = mkstemp(path.data());
  if (file < 0) return absl::UnavailableError(fmt::format("cannot make a file in {}", directory));
  close(file);
  MOORING_ASSIGN_OR_RETURN(sqlite3* const database, OpenDatabase(path));
  ManifestDb manifest(path, database);
  MOORING_RETURN_IF_ERROR(manifest.Execute(
      "PRAGMA page_size = 4096; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
      "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, flags INTEGER,"
      " file BLOB);"
      "CREATE INDEX FilesDomainIdx ON Files(domain);"
      "CREATE INDEX FilesRelativePathIdx ON Files(relativePath);"
      "CREATE INDEX FilesFlagsIdx ON Files(flags);"
      "CREATE TABLE Properties (key TEXT PRIMARY KEY, value BLOB);"));
  return manifest;
}

absl::StatusOr<ManifestDb> ManifestDb::Open(const std::string& path) {
  MOORING_ASSIGN_OR_RETURN(sqlite3* const database, OpenDatabase(path));
  ManifestDb manifest(path, database);
  const absl::Status sound = manifest.Execute(
      "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
      "SELECT count(*) FROM (SELECT fileID, domain, relativePath, flags, file FROM Files LIMIT 1);"
      "SELECT count(*) FROM Properties;");
  if (!sound.ok()) return absl::DataLossError(sound.message());
  return manifest;
}

ManifestDb::ManifestDb(ManifestDb&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      db_(std::exchange(other.db_, nullptr)),
      put_(std::exchange(other.put_, nullptr)),
      remove_(std::exchange(other.remove_, nullptr)) {}

ManifestDb::~ManifestDb() {
  sqlite3_finalize(put_);
  sqlite3_finalize(remove_);
  sqlite3_close(db_);
  if (!path_.empty()) unlink(path_.c_str());
}

absl::Status ManifestDb::Failure(std::string_view what) const {
  return absl::DataLossError(fmt::format("Manifest.db: {}: {}", what, sqlite3_errmsg(db_)));
}

absl::Status ManifestDb::Execute(const char* sql) {
  if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return Failure("exec");
  return absl::OkStatus();
}

absl::StatusOr<sqlite3_stmt*> ManifestDb::Prepare(const char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, sql, -1, &statement, nullptr) != SQLITE_OK) return Failure("prepare");
  return statement;
}

absl::Status ManifestDb::ForEach(const std::function<absl::Status(ManifestRow row)>& visit) {
  MOORING_ASSIGN_OR_RETURN(
      sqlite3_stmt* const statement,
      Prepare("SELECT fileID, domain, relativePath, flags, file FROM Files ORDER BY fileID"));
  absl::Status status;
  int step = SQLITE_ROW;
  while (status.ok() && (step = sqlite3_step(statement)) == SQLITE_ROW) {
    ManifestRow row;
    row.file_id = ColumnText(statement, 0);
    row.domain = ColumnText(statement, 1);
    row.path = ColumnText(statement, 2);
    row.flags = static_cast<std::uint32_t>(sqlite3_column_int(statement, 3));
    row.archive = ColumnText(statement, 4);
    status = visit(std::move(row));
  }
  if (status.ok() && step != SQLITE_DONE) status = Failure("read");
  sqlite3_finalize(statement);
  return status;
}

absl::Status ManifestDb::Begin() {
  MOORING_ASSIGN_OR_RETURN(
      put_, Prepare("INSERT OR REPLACE INTO Files (fileID, domain, relativePath, flags, file)"
                    " VALUES (?, ?, ?, ?, ?)"));
  MOORING_ASSIGN_OR_RETURN(remove_, Prepare("DELETE FROM Files WHERE fileID = ?"));
  return Execute("BEGIN");
}

absl::Status ManifestDb::Put(const ManifestRow& row) {
  sqlite3_reset(put_);
  BindText(put_, 1, row.file_id);
  BindText(put_, 2, row.domain);
  BindText(put_, 3, row.path);
  sqlite3_bind_int(put_, 4, static_cast<int>(row.flags));
  sqlite3_bind_blob(put_, 5, row.archive.data(), static_cast<int>(row.archive.size()),
                    SQLITE_STATIC);
  return sqlite3_step(put_) == SQLITE_DONE ? absl::OkStatus() : Failure("put");
}

absl::Status ManifestDb::Remove(std::string_view file_id) {
  sqlite3_reset(remove_);
  BindText(remove_, 1, file_id);
  return sqlite3_step(remove_) == SQLITE_DONE ? absl::OkStatus() : Failure("remove");
}

absl::Status ManifestDb::Commit() {
  sqlite3_finalize(std::exchange(put_, nullptr));
  sqlite3_finalize(std::exchange(remove_, nullptr));
  return Execute("COMMIT");
}

}  // namespace mooring::testing
