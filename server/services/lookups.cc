#include "server/services/lookups.h"

#include <utility>

#include <fmt/format.h>

#include "server/compliance/policy_check.h"
#include "server/services/records.h"
#include "storage/base/status.h"
#include "storage/catalog/policy_store.h"

namespace mooring::server {

absl::StatusOr<storage::DeviceView> FindDevice(storage::Transaction& tx, const std::string& name) {
  if (name.empty()) return absl::InvalidArgumentError("no device was named");
  MOORING_ASSIGN_OR_RETURN(auto view, tx.devices().Find(name));
  if (!view) {
    return absl::NotFoundError(
        fmt::format("no device \"{}\"; `mooring device list` shows them", name.substr(0, 64)));
  }
  return *std::move(view);
}

absl::StatusOr<storage::PersonRecord> FindPerson(storage::Transaction& tx,
                                                 const std::string& handle) {
  MOORING_ASSIGN_OR_RETURN(auto person, tx.people().FindByHandle(handle));
  if (!person) {
    return absl::NotFoundError(
        fmt::format("no person \"{}\"; `mooring person list` shows them", handle.substr(0, 64)));
  }
  return *std::move(person);
}

absl::StatusOr<storage::SnapshotView> FindSnapshot(storage::Transaction& tx, const SnapshotId& id) {
  MOORING_ASSIGN_OR_RETURN(auto view, tx.snapshots().Get(id));
  if (!view || view->snapshot.deleted_at) {
    return absl::NotFoundError("no such snapshot; `mooring snapshot list` shows them");
  }
  return *std::move(view);
}

absl::StatusOr<PolicyMap> PoliciesInForce(storage::Transaction& tx) {
  MOORING_ASSIGN_OR_RETURN(auto policies, tx.policies().ListInForce());
  PolicyMap map;
  for (v1::StoredPolicy& stored : policies) {
    std::string group = stored.policy().group();
    map.emplace(std::move(group), std::move(stored));
  }
  return map;
}

v1::Device DeviceMessage(const ServerParts& parts, const PolicyMap& policies,
                         const storage::DeviceView& view) {
  const auto policy = policies.find(view.group);
  const absl::Duration rpo =
      policy == policies.end() ? kDefaultRpo : RpoOf(policy->second.policy());
  return ToMessage(view, rpo, parts.hub, parts.clock.Now());
}

absl::Status CheckReason(const std::string& reason) {
  if (reason.empty()) {
    return absl::InvalidArgumentError("give a reason; the approver and the audit trail need it");
  }
  if (reason.size() > 500) return absl::InvalidArgumentError("the reason is over 500 bytes long");
  return absl::OkStatus();
}

}  // namespace mooring::server
