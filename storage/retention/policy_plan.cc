#include "storage/retention/policy_plan.h"

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/status.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/prune_store.h"
#include "storage/repository/timestamps.h"
#include "storage/retention/fleet_input.h"
#include "storage/retention/policy.h"

namespace mooring::storage {
namespace {

// Adds one device to the plan.
class Planner {
 public:
  Planner(const v1::Policy& policy, v1::PlanPolicyResponse& plan) : policy_(policy), plan_(plan) {}

  void Add(const DeviceInput& input) {
    const auto now = input.JudgeAll();
    const auto then = input.JudgeAll(&policy_);
    v1::PlannedDevice device;
    bool of_group = false;
    for (const SnapshotView& view : input.views) {
      if (input.people.at(view.snapshot.person).group != policy_.group()) continue;
      of_group = true;
      device.set_serial(view.serial);
      device.set_device_id(view.snapshot.device.bytes());
      if (device.person_handle().empty()) device.set_person_handle(view.person_handle);
      Compare(view, now.at(view.snapshot.id.bytes()), then.at(view.snapshot.id.bytes()), device);
    }
    if (!of_group) return;
    plan_.set_devices(plan_.devices() + 1);
    plan_.set_kept_now(plan_.kept_now() + device.kept_now());
    plan_.set_kept_then(plan_.kept_then() + device.kept_then());
    if (device.changes().empty()) return;
    const auto changes = static_cast<std::size_t>(device.changes_size());
    if (named_ + changes > kPlannedSnapshotsMax) {
      plan_.set_changed_left_off(plan_.changed_left_off() + 1);
      return;
    }
    named_ += changes;
    *plan_.add_changed() = std::move(device);
  }

 private:
  void Compare(const SnapshotView& view, const v1::RetentionVerdict& now,
               const v1::RetentionVerdict& then, v1::PlannedDevice& device) {
    plan_.set_snapshots(plan_.snapshots() + 1);
    if (now.keep()) device.set_kept_now(device.kept_now() + 1);
    if (then.keep()) device.set_kept_then(device.kept_then() + 1);
    if (now.keep() == then.keep()) return;
    if (now.keep()) {
      plan_.set_dropped_by_change(plan_.dropped_by_change() + 1);
    } else {
      plan_.set_saved_by_change(plan_.saved_by_change() + 1);
    }
    v1::PlannedSnapshot& change = *device.add_changes();
    change.set_snapshot_id(view.snapshot.id.bytes());
    *change.mutable_created_at() = ToTimestamp(view.snapshot.created_at);
    change.set_dropped(now.keep());
    *change.mutable_reasons() = now.keep() ? now.reasons() : then.reasons();
  }

  const v1::Policy& policy_;
  v1::PlanPolicyResponse& plan_;
  std::size_t named_ = 0;
};

}  // namespace

absl::StatusOr<v1::PlanPolicyResponse> PlanPolicyChange(const OpContext& ctx, Catalog& catalog,
                                                        const v1::Policy& policy,
                                                        absl::Time as_of) {
  v1::PlanPolicyResponse plan;
  std::vector<DeviceId> devices;
  MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    plan.Clear();
    devices.clear();
    MOORING_ASSIGN_OR_RETURN(const auto in_force, tx.policies().GetInForce(policy.group()));
    if (in_force) plan.set_policy_version(in_force->version());
    MOORING_ASSIGN_OR_RETURN(const auto lowered, LoweredByPolicy(tx, policy));
    for (const std::string& one : lowered) plan.add_lowered(one);
    MOORING_ASSIGN_OR_RETURN(const std::vector<DeviceView> views, tx.devices().List(std::nullopt));
    for (const DeviceView& view : views) devices.push_back(view.device.id);
    return absl::OkStatus();
  }));
  plan.set_group(policy.group());
  *plan.mutable_as_of() = ToTimestamp(as_of);
  plan.set_needs_approval(!plan.lowered().empty());
  Planner planner(policy, plan);
  for (const DeviceId& device : devices) {
    DeviceInput input;
    MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(input, ReadDeviceInput(tx, device, as_of));
      return absl::OkStatus();
    }));
    planner.Add(input);
  }
  if (plan.kept_now() > 0) {
    plan.set_dropped_percent(100.0 * static_cast<double>(plan.dropped_by_change()) /
                             static_cast<double>(plan.kept_now()));
  }
  return plan;
}

absl::StatusOr<std::vector<std::string>> LoweredByPolicy(Transaction& tx,
                                                         const v1::Policy& policy) {
  MOORING_ASSIGN_OR_RETURN(const auto in_force, tx.policies().GetInForce(policy.group()));
  std::vector<std::string> lowered =
      LoweredRules(in_force ? in_force->policy().retention() : v1::Retention(), policy.retention());
  if (lowered.empty()) return lowered;
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t snapshots,
                           tx.prunes().CountSnapshotsOfGroup(policy.group()));
  if (snapshots == 0) lowered.clear();
  return lowered;
}

}  // namespace mooring::storage
