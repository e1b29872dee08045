// Whole tables out of a catalog and into one: the ground of the self-backup and
// of the rebuild. Works on tables and columns by name, so that what a later
// migration adds is exported and loaded without a word here.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/chunk_index.h"

namespace mooring::storage {

struct DumpTable {
  std::string name;
  std::vector<std::string> columns;
};

// In PostgreSQL's text form; none for null.
using DumpValues = std::vector<std::optional<std::string>>;

// The last number that an identity column has given out.
struct DumpNumber {
  std::string table;
  std::string column;
  std::int64_t last = 0;
};

class DumpSink {
 public:
  virtual ~DumpSink() = default;
  virtual absl::Status Table(const DumpTable& table) = 0;
  virtual absl::Status Row(const DumpValues& values) = 0;  // Of the table named last.
  virtual absl::Status Number(const DumpNumber& number) = 0;
};

struct DumpSelection {
  std::set<std::string> without_tables;
  std::set<std::string> without_columns;  // "table.column".
};

// All tables of the database `url` in one consistent state, each after those that
// it refers to; then the numbers. Rows stand in the order of the primary key.
// Memory: a thousand rows.
absl::Status DumpCatalog(const OpContext& ctx, const std::string& url, Clock& clock,
                         const DumpSelection& selection, DumpSink& sink);

// Number of the newest migration of this program.
int SchemaVersion();

enum class KnownChunk { kStays, kMovesToTheNewer };

// One transaction that fills an empty catalog. Nothing of it is there before
// Commit, so that an attempt that is killed is simply made again. Thread-bound.
class CatalogLoad {
 public:
  // Migrates the database and begins. kFailedPrecondition: it holds something.
  static absl::StatusOr<std::unique_ptr<CatalogLoad>> Begin(const OpContext& ctx,
                                                            const std::string& url, Clock& clock);
  // Begins on a catalog that is in use, under the exclusive repository lock to the
  // end: nothing is committed or collected meanwhile.
  static absl::StatusOr<std::unique_ptr<CatalogLoad>> BeginOnExisting(const OpContext& ctx,
                                                                      const std::string& url);
  virtual ~CatalogLoad() = default;

  // The stores, inside this transaction.
  virtual Transaction& tx() = 0;

  // The rows that follow are of this table, whose present rows go. A column or a
  // table that this schema does not have is kFailedPrecondition.
  virtual absl::Status Table(const DumpTable& table) = 0;
  virtual absl::Status Row(const DumpValues& values) = 0;
  // Later numbers of this column are above `last`, and above those of its rows.
  virtual absl::Status NumberAbove(const DumpNumber& number) = 0;

  // Enters chunks as live ones of this pack. One that is there already stays, or
  // moves, and lives, if this pack is the newer one. Chunks of domains that are not
  // known are left out. Returns how many were left out.
  virtual absl::StatusOr<std::uint64_t> AddChunks(const PackId& pack,
                                                  std::span<const NewChunk> chunks,
                                                  KnownChunk known) = 0;
  // Chunks of which only the id is known, as lost ones of `pack`.
  virtual absl::Status AddLost(const PackId& pack, const DomainId& domain,
                               std::span<const ChunkId> ids) = 0;
  // `person` has uploaded what the organization's chunks among `numbers` hold.
  virtual absl::Status AddOwner(const PersonId& person, std::span<const std::uint64_t> numbers) = 0;
  // A statement without rows, for the few that no store has: parameters in text
  // form. Returns how many rows it touched.
  virtual absl::StatusOr<std::uint64_t> Execute(const std::string& sql,
                                                const DumpValues& parameters) = 0;
  // The rows of a query, in text form.
  virtual absl::StatusOr<std::vector<DumpValues>> Query(const std::string& sql,
                                                        const DumpValues& parameters) = 0;

  virtual absl::Status Commit() = 0;
};

// Values as parameters of Execute.
std::optional<std::string> DumpText(ByteView bytes);
std::optional<std::string> DumpText(absl::Time time);

}  // namespace mooring::storage
