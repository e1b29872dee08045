// Lookups that several services need, with the messages that people read.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "mooring/v1/fleet.pb.h"
#include "server/compliance/compliance.h"
#include "server/services/server_parts.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/person_store.h"
#include "storage/catalog/snapshot_store.h"

namespace mooring::server {

// kNotFound says what to look at instead.
absl::StatusOr<storage::DeviceView> FindDevice(storage::Transaction& tx, const std::string& name);
absl::StatusOr<storage::PersonRecord> FindPerson(storage::Transaction& tx,
                                                 const std::string& handle);
// One that is not deleted.
absl::StatusOr<storage::SnapshotView> FindSnapshot(storage::Transaction& tx, const SnapshotId& id);

// The policies in force.
absl::StatusOr<PolicyMap> PoliciesInForce(storage::Transaction& tx);
v1::Device DeviceMessage(const ServerParts& parts, const PolicyMap& policies,
                         const storage::DeviceView& view);

// A reason that a person gave: required, one line, at most 500 bytes.
absl::Status CheckReason(const std::string& reason);

}  // namespace mooring::server
