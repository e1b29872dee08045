// Self-backup: what packs, commit records, key objects and tombstones cannot
// recreate, out of the catalog and into the object store, sealed under a key of
// the organization's. Format: storage/design/repository-format.md, "Catalog export".

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/format/v1/catalog_export.pb.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/catalog_dump.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

inline constexpr std::string_view kCatalogPrefix = "catalog/";

// Longest record, and most content of one export.
inline constexpr std::size_t kExportRecordBytesMax = std::size_t{64} << 20;
inline constexpr std::uint64_t kExportBytesMax = std::uint64_t{1} << 40;

struct ExportInfo {
  std::string name;  // catalog/<time>-<epoch>: the object that is written last.
  absl::Time made_at;
  std::uint64_t epoch = 0;
  std::uint64_t parts = 0;  // Objects before it; 0 up to 2 MiB.
  std::uint64_t bytes = 0;  // Of all of them.
};

struct ExportSummary {
  ExportInfo info;
  std::uint64_t tables = 0;
  std::uint64_t rows = 0;
};

// What an export leaves out: what is made from other objects, and what only says
// what is going on at the moment.
const DumpSelection& ExportSelection();

// Writes exports and lets the oldest go. Thread-safe.
class CatalogExporter {
 public:
  struct Parts {
    Catalog& catalog;
    std::string database_url;
    ObjectStore& objects;
    const SecretBytes& organization_key;
    Clock& clock;
    Random& random;
    std::string program_version;
  };
  explicit CatalogExporter(Parts parts) : parts_(std::move(parts)) {}

  // Makes one, reads it back whole, and only then lets go of all but the newest
  // `keep` (at least 1).
  absl::StatusOr<ExportSummary> Run(const OpContext& ctx, std::size_t keep);

 private:
  absl::Status RemoveOld(const OpContext& ctx, std::size_t keep);

  const Parts parts_;
};

// Complete exports, the newest first.
absl::StatusOr<std::vector<ExportInfo>> ListExports(const OpContext& ctx, ObjectStore& objects);

// Reads an export to its end. kDataLoss: damaged, cut off or ill-formed.
// kPermissionDenied: sealed under another organization's key.
absl::Status ReadExport(
    const OpContext& ctx, ObjectStore& objects, const SecretBytes& organization_key,
    const ExportInfo& info,
    absl::FunctionRef<absl::Status(const format::v1::CatalogExportRecord&)> visit);

}  // namespace mooring::storage
