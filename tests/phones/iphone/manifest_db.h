// ManifestDb: the SQLite file that lists a backup's files.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <sqlite3.h>

namespace mooring::testing {

struct ManifestRow {
  std::string file_id;
  std::string domain;
  std::string path;
  std::uint32_t flags = 0;  // 1 file, 2 directory, 4 symbolic link.
  std::string archive;      // MBFile.
};

// A file in a directory of the simulator, deleted with the object. Thread-bound.
// Update rewrites rows in place, so that unchanged pages keep their bytes.
class ManifestDb {
 public:
  // A new, empty one.
  static absl::StatusOr<ManifestDb> Make(const std::string& directory);
  // From a file of this process's own, which the object takes over. kDataLoss
  // unless it is a sound database with the table of files.
  static absl::StatusOr<ManifestDb> Open(const std::string& path);

  ManifestDb(ManifestDb&& other) noexcept;
  ManifestDb& operator=(ManifestDb&&) = delete;
  ManifestDb(const ManifestDb&) = delete;
  ~ManifestDb();

  // In the order of file ids. A status from `visit` ends it.
  absl::Status ForEach(const std::function<absl::Status(ManifestRow row)>& visit);
  // All Put and Remove between Begin and Commit are one transaction.
  absl::Status Begin();
  absl::Status Put(const ManifestRow& row);
  absl::Status Remove(std::string_view file_id);
  absl::Status Commit();

  const std::string& path() const { return path_; }

 private:
  ManifestDb(std::string path, sqlite3* database) : path_(std::move(path)), db_(database) {}
  absl::Status Execute(const char* sql);
  absl::StatusOr<sqlite3_stmt*> Prepare(const char* sql);
  absl::Status Failure(std::string_view what) const;

  std::string path_;
  sqlite3* db_;
  sqlite3_stmt* put_ = nullptr;
  sqlite3_stmt* remove_ = nullptr;
};

}  // namespace mooring::testing
