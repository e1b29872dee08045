#include "server/services/request_rules.h"

#include <fmt/format.h>

namespace mooring::server {

storage::RequestRecord NewRequest(const ServerParts& parts, const Caller& caller,
                                  v1::RequestKind kind, const std::string& reason) {
  storage::RequestRecord record;
  record.id = RequestId::Make(parts.random);
  record.kind = kind;
  record.requested_by = caller.account;
  record.requested_at = parts.clock.Now();
  record.expires_at = record.requested_at + kRequestLifetime;
  record.reason = reason;
  return record;
}

storage::RequestRecord NewRequest(const ServerParts& parts, const Caller& caller,
                                  v1::RequestKind kind, const storage::SnapshotView& snapshot,
                                  const std::string& reason) {
  storage::RequestRecord record = NewRequest(parts, caller, kind, reason);
  record.snapshot = snapshot.snapshot.id;
  record.device = snapshot.snapshot.device;
  return record;
}

std::string DescribeSnapshot(const storage::SnapshotView& snapshot) {
  return fmt::format(
      "snapshot {} of {} ({}, {} UTC)", snapshot.snapshot.sequence, snapshot.serial,
      snapshot.person_handle,
      absl::FormatTime("%Y-%m-%d %H:%M", snapshot.snapshot.created_at, absl::UTCTimeZone()));
}

absl::Status CheckApprover(const storage::RequestRecord& request, const std::string& account,
                           bool single_admin) {
  if (request.requested_by != account || single_admin) return absl::OkStatus();
  return absl::PermissionDeniedError(
      "nobody approves their own request; ask another administrator");
}

}  // namespace mooring::server
