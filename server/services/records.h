// Rows of the catalog as messages of the API.

#pragma once

#include "mooring/v1/access.pb.h"
#include "mooring/v1/fleet.pb.h"
#include "server/services/agent_hub.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/invitation_store.h"
#include "storage/catalog/person_store.h"
#include "storage/catalog/request_store.h"
#include "storage/catalog/session_store.h"
#include "storage/catalog/snapshot_store.h"

namespace mooring::server {

v1::InvitationRecord ToMessage(const storage::InvitationRecord& record);
v1::Agent ToMessage(const storage::AgentView& view, const AgentHub& hub);
v1::Person ToMessage(const storage::PersonView& view);
// `rpo` is the one of the device's group.
v1::Device ToMessage(const storage::DeviceView& view, absl::Duration rpo, const AgentHub& hub,
                     absl::Time now);
v1::Session ToMessage(const storage::SessionView& view);
v1::Snapshot ToMessage(const storage::SnapshotView& view);
v1::Request ToMessage(const storage::RequestRecord& record);
v1::Restore ToMessage(const storage::RestoreRecord& record);

}  // namespace mooring::server
