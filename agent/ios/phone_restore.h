// Restore of an iPhone's full capture to a phone, the same or another.

#pragma once

#include <absl/status/statusor.h>

#include "agent/device/device.h"
#include "agent/ios/phone_session.h"

namespace mooring::agent {

// Compares the phone as `facts` describe it with the snapshot; writes nothing.
absl::StatusOr<RestoreCheck> CheckPhoneRestore(const OpContext& ctx, Lockdown& lockdown,
                                               const v1::DeviceFacts& facts,
                                               SnapshotReader& snapshot);

// Restores as iTunes does: system files, settings kept, what is not in the
// backup removed, then a restart. The phone reads what it asks for.
absl::StatusOr<RestoreOutcome> RestorePhone(const OpContext& ctx, PhoneSession& session,
                                            SnapshotReader& snapshot,
                                            const SecretBytes& backup_password,
                                            ProgressSink& progress);

// Negative, zero or positive as `a` is an older, the same or a newer version,
// number by number: 17.5 < 17.10.
int CompareVersions(std::string_view a, std::string_view b);

}  // namespace mooring::agent
