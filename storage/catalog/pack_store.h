// Packs: the objects that hold chunks, and how far each has come.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/catalog/row_lock.h"

namespace mooring::storage {

enum class PackState {
  kStaged = 1,  // Named before its first byte is written; nothing points into it.
  kLive = 2,
  kDoomed = 3,
};

struct PackRecord {
  std::int64_t no = 0;
  PackId id;
  std::optional<SessionId> session;
  PackState state = PackState::kStaged;
  std::uint64_t bytes = 0;
  Bytes sha256;  // Empty while staged.
  absl::Time created_at;
  // Both only while doomed.
  std::optional<absl::Time> doomed_at;
  std::optional<std::uint64_t> doom_generation;
};

struct StoreTotals {
  std::uint64_t packs = 0;
  std::uint64_t bytes = 0;  // Of live packs.
};

class PackStore {
 public:
  virtual ~PackStore() = default;

  // Names a pack before its first byte is written. Returns its number.
  virtual absl::StatusOr<std::int64_t> Stage(const PackId& id,
                                             const std::optional<SessionId>& session,
                                             absl::Time at) = 0;
  // It is durable. kFailedPrecondition: it is not staged.
  virtual absl::Status MarkLive(const PackId& id, std::uint64_t bytes, ByteView sha256) = 0;
  // Forgets a staged pack of which nothing was kept. OK if there is none.
  virtual absl::Status Discard(const PackId& id) = 0;

  // Live -> doomed for those of `numbers` into which no live, condemned or lost
  // row points. Under the exclusive repository lock. Returns those it doomed.
  virtual absl::StatusOr<std::vector<PackRecord>> DoomEmpty(std::span<const std::int64_t> numbers,
                                                            std::uint64_t generation,
                                                            absl::Time at) = 0;
  // Forgets a doomed pack whose object is gone. kFailedPrecondition: it is not
  // doomed, or a chunk row points into it. OK if there is none.
  virtual absl::Status Delete(const PackId& id) = 0;

  virtual absl::StatusOr<std::optional<PackRecord>> Get(const PackId& id,
                                                        RowLock lock = RowLock::kNone) = 0;
  // Those of `ids` that have no row, in their order.
  virtual absl::StatusOr<std::vector<PackId>> ListUnknown(std::span<const PackId> ids) = 0;
  // At most `limit` of any state with a number above `after`, by number.
  virtual absl::StatusOr<std::vector<PackRecord>> Scan(std::int64_t after, int limit) = 0;
  // Numbers of the packs that open sessions made.
  virtual absl::StatusOr<std::vector<std::int64_t>> ListOfOpenSessions() = 0;
  // By number.
  virtual absl::StatusOr<std::vector<PackRecord>> List(PackState state) = 0;
  virtual absl::StatusOr<StoreTotals> Totals() = 0;
};

}  // namespace mooring::storage
