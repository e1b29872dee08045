// FullCapture: one complete backup of an iPhone into a snapshot.

#pragma once

#include <absl/status/statusor.h>

#include "agent/device/device.h"
#include "agent/ios/phone_session.h"
#include "storage/base/random.h"

namespace mooring::agent {

// Full, incremental or without a change, as the phone decides from the base in
// `builder`. On OK the conditions of backup_checks.h hold.
absl::StatusOr<v1::Capture> CaptureFull(const OpContext& ctx, Clock& clock, Random& random,
                                        PhoneSession& session, const BackupOptions& options,
                                        SnapshotBuilder& builder, ProgressSink& progress);

}  // namespace mooring::agent
