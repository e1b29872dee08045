#include "storage/retention/prune.h"

#include <map>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/person_store.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/retention/policy.h"

namespace mooring::storage {
namespace {

// What keeps every snapshot of a group, where no rules do.
struct GroupRules {
  std::optional<RetentionRules> rules;
  std::string without_rules;
};

absl::StatusOr<GroupRules> RulesOfPerson(Transaction& tx, const PersonId& id) {
  GroupRules group;
  MOORING_ASSIGN_OR_RETURN(const std::optional<PersonRecord> person, tx.people().Get(id));
  if (!person) {
    group.without_rules = "its person is unknown";
    return group;
  }
  MOORING_ASSIGN_OR_RETURN(const auto policy, tx.policies().GetInForce(person->group));
  if (!policy) {
    group.without_rules = fmt::format("no policy for group {}", person->group);
    return group;
  }
  const auto rules = RulesOf(policy->policy().retention());
  // Policies are checked when they are applied; what is bad even so keeps.
  if (!rules.ok()) {
    group.without_rules = std::string(rules.status().message());
  } else if (!*rules) {
    group.without_rules = fmt::format("the policy of group {} states no retention", person->group);
  } else {
    group.rules = **rules;
  }
  return group;
}

PruneMark MarkOf(const SnapshotView& view) {
  return PruneMark{.snapshot = view.snapshot.id,
                   .device = view.snapshot.device,
                   .serial = view.serial,
                   .created_at = view.snapshot.created_at,
                   .keep = true,
                   .reasons = {}};
}

}  // namespace

absl::StatusOr<PruneResult> Pruner::Plan(const OpContext& ctx,
                                         const std::optional<DeviceId>& device) {
  PruneResult result;
  result.as_of = clock_.Now();
  std::vector<DeviceId> devices;
  if (device) {
    devices.push_back(*device);
  } else {
    MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
      devices.clear();
      MOORING_ASSIGN_OR_RETURN(const std::vector<DeviceView> views,
                               tx.devices().List(std::nullopt));
      for (const DeviceView& view : views) devices.push_back(view.device.id);
      return absl::OkStatus();
    }));
  }
  for (const DeviceId& id : devices) MOORING_RETURN_IF_ERROR(PlanDevice(ctx, id, result));
  for (const PruneMark& mark : result.marks) ++(mark.keep ? result.kept : result.dropped);
  return result;
}

absl::Status Pruner::PlanDevice(const OpContext& ctx, const DeviceId& device, PruneResult& result) {
  std::vector<SnapshotView> views;
  std::map<PersonId, GroupRules> groups;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    groups.clear();
    SnapshotFilter filter;
    filter.device = device;
    MOORING_ASSIGN_OR_RETURN(views, tx.snapshots().List(filter));
    for (const SnapshotView& view : views) {
      const PersonId& person = view.snapshot.person;
      if (groups.count(person) > 0) continue;
      MOORING_ASSIGN_OR_RETURN(groups[person], RulesOfPerson(tx, person));
    }
    return absl::OkStatus();
  }));
  // A lineage has one person, so judging by person never splits a lineage.
  std::map<SnapshotId, PruneMark> marks;
  for (const auto& [person, group] : groups) {
    std::vector<RetentionSnapshot> snapshots;
    for (const SnapshotView& view : views) {
      if (view.snapshot.person != person) continue;
      PruneMark& mark = marks.emplace(view.snapshot.id, MarkOf(view)).first->second;
      if (!group.rules) mark.reasons.push_back(group.without_rules);
      snapshots.push_back({.id = view.snapshot.id,
                           .device = device,
                           .lineage = view.snapshot.lineage,
                           .sequence = view.snapshot.sequence,
                           .created_at = view.snapshot.created_at});
    }
    if (!group.rules) continue;
    for (RetentionMark& judged : Judge(snapshots, *group.rules, result.as_of)) {
      PruneMark& mark = marks.at(judged.id);
      mark.keep = judged.keep;
      mark.reasons = std::move(judged.reasons);
    }
  }
  for (const SnapshotView& view : views) {
    result.marks.push_back(std::move(marks.at(view.snapshot.id)));
  }
  return absl::OkStatus();
}

absl::StatusOr<PruneResult> Pruner::Apply(const OpContext& ctx,
                                          const std::optional<DeviceId>& device,
                                          const std::string& actor, const std::string& reason) {
  MOORING_ASSIGN_OR_RETURN(PruneResult result, Plan(ctx, device));
  result.applied = true;
  for (PruneMark& mark : result.marks) {
    if (mark.keep) continue;
    const absl::Status dropped = DropOne(ctx, mark, actor, reason);
    if (dropped.ok()) continue;
    if (absl::IsCancelled(dropped) || absl::IsDeadlineExceeded(dropped)) return dropped;
    mark.keep = true;
    mark.reasons = {fmt::format("not dropped: {}", std::string(dropped.message()))};
    --result.dropped;
    ++result.kept;
  }
  return result;
}

// Since the plan, the newer ones may have been deleted by hand.
absl::Status Pruner::DropOne(const OpContext& ctx, const PruneMark& mark, const std::string& actor,
                             const std::string& reason) {
  bool is_newest = false;
  MOORING_RETURN_IF_ERROR(catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto view, tx.snapshots().Get(mark.snapshot));
    if (!view) return absl::NotFoundError("no such snapshot");
    MOORING_ASSIGN_OR_RETURN(const auto newest,
                             tx.snapshots().FindNewest(mark.device, view->snapshot.lineage));
    is_newest = newest && newest->id == mark.snapshot;
    return absl::OkStatus();
  }));
  if (is_newest) return absl::FailedPreconditionError("it has become the newest of its device");
  return repository_.Delete(ctx, mark.snapshot, actor, fmt::format("retention: {}", reason));
}

}  // namespace mooring::storage
