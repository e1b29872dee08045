// Capture times: when each capture of a snapshot was completed, by the server's
// clock. An agent's clock is only believed for how long its capture took.

#pragma once

#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/backup.pb.h"
#include "storage/catalog/session_store.h"

namespace mooring::storage {

// The captures that `request` carries over from its base, each as the base has
// it (`base_captures`). kInvalidArgument: the base has no such capture, or the
// session made none of its own.
absl::StatusOr<std::vector<v1::Capture>> CarriedCaptures(
    const v1::CommitSnapshotRequest& request, const SessionRecord& session,
    const std::vector<v1::Capture>& base_captures);

// All captures of the snapshot: those carried over, and the session's own with
// `created_at` as the time of their completion.
std::vector<v1::Capture> CapturesAt(const v1::CommitSnapshotRequest& request,
                                    const SessionRecord& session,
                                    const std::vector<v1::Capture>& carried, absl::Time created_at);

// The time that an RPO counts from: of the full capture where there is one, for
// fresh photos do not make an old full capture any younger; else of the newest.
absl::Time CapturedAt(const std::vector<v1::Capture>& captures);

}  // namespace mooring::storage
