// NotePhone: the one way by which a phone that is plugged in enters the catalog.
//
// A serial number says which phone it is; some makers give many phones the same.
// Where the platform or the model behind a known serial number is another, so is
// the phone: it is bound to nobody from then on, its lineage ends, and nothing is
// read from it until an administrator runs `mooring device assign` again.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "mooring/v1/common.pb.h"
#include "server/services/server_parts.h"
#include "storage/base/ids.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/device_store.h"

namespace mooring::server {

inline constexpr char kAnotherPhoneMessage[] =
    "another phone than before has this serial number, so nothing is read from it";
inline constexpr char kAnotherPhoneNextStep[] =
    "an administrator looks whose it is and runs `mooring device assign` again";

// Whether the two cannot be of one phone. It says little while it does not trust
// the workstation: what it leaves out is no change.
bool IsOtherPhone(const v1::DeviceFacts& before, const v1::DeviceFacts& now);

// Notes it as attached at `agent`, and writes what is new about it to the audit
// log. `facts` were cleaned; `new_id` is for a serial number that is not known.
absl::StatusOr<storage::DeviceRecord> NotePhone(const ServerParts& parts, storage::Transaction& tx,
                                                const DeviceId& new_id,
                                                const v1::DeviceFacts& facts, const AgentId& agent,
                                                const std::string& actor);

// Bound to nobody because another phone took its serial number.
bool WasTakenOver(const storage::DeviceRecord& device);

}  // namespace mooring::server
