// What of a phone adb reaches, and what not and why: each thing is asked for
// once, and none of its content is read.

#pragma once

#include <vector>

#include <absl/status/statusor.h>

#include "agent/android/adb_device.h"
#include "agent/android/phone_text.h"
#include "mooring/v1/common.pb.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// In the order in which people should read them. Fails only when the phone is
// gone or stops answering: a refusal is an answer.
absl::StatusOr<std::vector<v1::Capability>> AskCapabilities(const OpContext& ctx, AdbDevice& device,
                                                            const Properties& properties,
                                                            bool unlocked_since_start);

}  // namespace mooring::agent
