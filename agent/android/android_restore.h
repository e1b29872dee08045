// AndroidRestore: a snapshot onto a phone that takes the place of the one that
// it is of: files, apps, contacts, SMS, call log, settings. What the platform
// refuses is said before and after.

#pragma once

#include <absl/status/statusor.h>

#include "agent/android/phone_line.h"
#include "agent/device/device.h"
#include "agent/restore/snapshot_reader.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Whether it can be, and what will not come back. Writes nothing.
absl::StatusOr<RestoreCheck> CheckAndroidRestore(const OpContext& ctx, AdbDevice& device,
                                                 SnapshotReader& snapshot);

// Each part on its own: what one cannot do is a remark. Done again after a
// break, it goes on: what is on the phone already is left alone.
absl::StatusOr<RestoreOutcome> RestoreAndroid(const OpContext& ctx, Clock& clock, PhoneLine& line,
                                              SnapshotReader& snapshot, ProgressSink& progress);

}  // namespace mooring::agent
