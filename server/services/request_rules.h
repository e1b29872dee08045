// Requests for dangerous acts: how one is made, and who may decide it.

#pragma once

#include <string>

#include "server/auth/caller.h"
#include "server/services/server_parts.h"
#include "storage/catalog/request_store.h"
#include "storage/catalog/snapshot_store.h"

namespace mooring::server {

inline constexpr absl::Duration kRequestLifetime = absl::Hours(24);

storage::RequestRecord NewRequest(const ServerParts& parts, const Caller& caller,
                                  v1::RequestKind kind, const std::string& reason);
// One that is about a snapshot.
storage::RequestRecord NewRequest(const ServerParts& parts, const Caller& caller,
                                  v1::RequestKind kind, const storage::SnapshotView& snapshot,
                                  const std::string& reason);

// "snapshot 12 of 00008120-... (alice, 2026-11-23 01:02 UTC)": for the approver.
std::string DescribeSnapshot(const storage::SnapshotView& snapshot);

// kPermissionDenied: nobody approves their own request, unless the organization
// has one administrator only.
absl::Status CheckApprover(const storage::RequestRecord& request, const std::string& account,
                           bool single_admin);

}  // namespace mooring::server
