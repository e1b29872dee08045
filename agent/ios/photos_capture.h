// PhotosCapture: the phone's photos and videos (DCIM) over AFC, without a passcode.

#pragma once

#include <absl/status/statusor.h>

#include "agent/device/device.h"
#include "agent/ios/imd.h"
#include "storage/base/clock.h"

namespace mooring::agent {

// Brings photos/DCIM in `builder` to what the phone holds. A file of the same
// size and time as in the base is kept without reading it. Files that vanish
// meanwhile are counted as gaps.
absl::StatusOr<v1::Capture> CapturePhotos(const OpContext& ctx, Clock& clock, afc_client_t afc,
                                          SnapshotBuilder& builder, ProgressSink& progress);

}  // namespace mooring::agent
