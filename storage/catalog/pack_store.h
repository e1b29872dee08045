// Packs: the objects that hold chunks, and how far each has come.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"

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

  virtual absl::StatusOr<std::optional<PackRecord>> Get(const PackId& id) = 0;
  // By number.
  virtual absl::StatusOr<std::vector<PackRecord>> List(PackState state) = 0;
  virtual absl::StatusOr<StoreTotals> Totals() = 0;
};

}  // namespace mooring::storage
