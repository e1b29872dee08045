// Collector: garbage collection of a repository, a round at a time.
//
// A round: guard -> mark -> condemn -> doom -> journal -> epoch -> remove ->
// compact -> sweep. Each step stands on the catalog alone, so a round that broke
// off anywhere is completed by the next. Two rounds at once do no harm: the older
// one ends at its next transaction. The protocol, and why it is safe:
// storage/design/gc-safety.md.
//
// Memory: a bitmap of chunks, a hundred bytes a pack, one pack's rows.

#pragma once

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "mooring/v1/collection.pb.h"
#include "storage/base/op_context.h"
#include "storage/collection/collection_options.h"
#include "storage/collection/round.h"

namespace mooring::storage {

struct RunOptions {
  // Remove what is due at once, however much of the store it is.
  bool ignore_share = false;
};

// Thread-safe. `parts` and everything in it outlives the collector.
class Collector {
 public:
  Collector(CollectionParts& parts, const CollectionOptions& options)
      : parts_(parts), options_(options) {}

  // One round. kFailedPrecondition: recovery, an integrity stop, clocks that
  // disagree, or another round that began meanwhile. kDataLoss: an integrity stop,
  // now. Other errors: the next round goes on where this one ended.
  absl::StatusOr<v1::CollectionReport> Collect(const OpContext& ctx, const RunOptions& run,
                                               CollectionProgress progress);

  // What a round would do now. Changes nothing and takes no lock.
  absl::StatusOr<v1::CollectionReport> Plan(const OpContext& ctx, CollectionProgress progress);

  // Lets collection go on after an integrity stop, or after the server's clock was
  // wrong, with an audit row. `reason` is not empty.
  absl::Status ClearStop(const OpContext& ctx, const std::string& actor, const std::string& reason);

 private:
  absl::Status RunSteps(const OpContext& ctx, const RunOptions& run, Round& round);

  CollectionParts& parts_;
  const CollectionOptions options_;
};

}  // namespace mooring::storage
