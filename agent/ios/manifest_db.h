// Manifest.db: the list of every file in an iPhone backup, a SQLite database
// that the phone writes. Hostile until proven otherwise: read-only through our
// own VFS, no triggers, views, functions or virtual tables, with bounds.
//
// Files(fileID PRIMARY KEY, domain, relativePath, flags, file); flags 1 is a
// file with a payload, 2 a directory, 4 a symbolic link.

#pragma once

#include <cstdint>
#include <string_view>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

inline constexpr std::int64_t kManifestFlagFile = 1;

struct ManifestRow {
  std::string_view file_id;  // Valid during the visit.
  std::int64_t flags = 0;
};

// Visits every row of Files, in the database's order. kInvalidArgument: not a
// database of this form, or damaged; an error of `db` or `visit` is returned as
// it is. `rows_max` bounds a table that a lying page makes endless.
absl::Status VisitManifestRows(const OpContext& ctx, FileReader& db,
                               absl::FunctionRef<absl::Status(const ManifestRow&)> visit,
                               std::uint64_t rows_max = 20'000'000);

}  // namespace mooring::agent
