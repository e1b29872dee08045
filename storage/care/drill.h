// Restore drills: a snapshot decrypted to nothing, every file's digest compared
// with the manifest that its key opened. Evidence is kept of each.
//
// A drill unwraps the snapshot's key, which only managed custody can; that is
// written to the audit trail before the key is touched. Nothing of the content
// is kept, and no path of a file is named anywhere.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/drill_store.h"
#include "storage/repository/repository.h"

namespace mooring::storage {

struct DrillProgress {
  SnapshotId snapshot;
  std::uint64_t drills_done = 0;
  std::uint64_t drills_total = 0;
  std::uint64_t files = 0;  // Of this snapshot.
  std::uint64_t bytes = 0;
};

// Thread-safe. Memory: one segment, one chunk, and the hashes of the chunks seen.
class DrillRunner {
 public:
  struct Parts {
    Catalog& catalog;
    Repository& repository;
    Clock& clock;
    Random& random;
  };
  explicit DrillRunner(const Parts& parts) : parts_(parts) {}

  using Report = absl::FunctionRef<void(const DrillProgress&)>;

  // Drills `count` snapshots, only of `device` where given, drawn at random among
  // those whose last drill is the longest ago. Fewer if there are fewer. Returns
  // the evidence, which is stored. One that fails does not stop the others.
  absl::StatusOr<std::vector<DrillRecord>> Run(const OpContext& ctx, std::size_t count,
                                               const std::optional<DeviceId>& device,
                                               const std::string& requested_by, Report report);

  // Drills this one. kNotFound: no such snapshot.
  absl::StatusOr<DrillRecord> RunOne(const OpContext& ctx, const SnapshotId& snapshot,
                                     const std::string& requested_by, Report report);

 private:
  absl::StatusOr<std::vector<SnapshotId>> Choose(const OpContext& ctx, std::size_t count,
                                                 const std::optional<DeviceId>& device);
  absl::Status Store(const OpContext& ctx, const DrillRecord& record);

  const Parts parts_;
};

}  // namespace mooring::storage
