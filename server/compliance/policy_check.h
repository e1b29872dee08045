// PolicyCheck: what a policy document must be before it comes into force, and
// what its durations mean.

#pragma once

#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/policy.pb.h"

namespace mooring::server {

inline constexpr absl::Duration kDefaultRpo = absl::Hours(24 * 7);

// "90m", "24h", "7d", "4w", "6mo" (30 days each), "2y" (365 days each).
// kInvalidArgument: anything else, zero, or over ten years.
absl::StatusOr<absl::Duration> ParsePolicyDuration(std::string_view text);

// kInvalidArgument: the document contradicts itself or says something that has
// no meaning. kUnimplemented: it asks for what this version would not do; a
// policy that is not kept is worse than none. The message names the key.
absl::Status CheckPolicy(const v1::Policy& policy);

// `policy` with the defaults written out: group, rpo, phone encryption, custody.
v1::Policy WithDefaults(v1::Policy policy);

// What `mooringd init` applies to the group "default".
v1::Policy BuiltInPolicy();

// What of a phone is captured: every category that no rule skips, but for
// installed apps, which a rule has to name.
std::vector<v1::Category> CapturedCategories(const v1::Policy& policy);

// The captures that a session takes where `asked` are asked for. Of an Android
// phone there is one; of an iPhone, photos alone where policy turns full off.
// kPermissionDenied: policy leaves nothing to capture.
absl::StatusOr<std::vector<v1::CaptureKind>> AllowedCaptures(const v1::Policy& policy,
                                                             v1::Platform platform,
                                                             std::vector<v1::CaptureKind> asked);

// The RPO of a checked policy.
absl::Duration RpoOf(const v1::Policy& policy);
// The age from which a backup is due: half the RPO, a day at most. A phone that
// comes by is backed up well before it would be overdue.
absl::Duration DueAfter(const v1::Policy& policy);

}  // namespace mooring::server
