#include "server/services/standings.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "server/compliance/policy_check.h"
#include "server/services/device_facts.h"
#include "server/services/phone_note.h"
#include "server/services/proto_time.h"
#include "storage/base/status.h"
#include "storage/catalog/policy_store.h"

namespace mooring::server {

absl::StatusOr<v1::DeviceStanding> Standings::Of(storage::Transaction& tx,
                                                 const storage::DeviceView& view,
                                                 const AgentId& agent, absl::Time now) {
  v1::DeviceStanding standing;
  standing.set_serial(view.device.serial);
  standing.set_device_id(view.device.id.bytes());
  standing.set_assigned(view.device.person.has_value());
  standing.set_another_phone(WasTakenOver(view.device));
  if (!standing.assigned()) return standing;
  standing.set_person(view.person_name.empty() ? view.person_handle : view.person_name);
  standing.set_admitted(std::find(view.admitted.begin(), view.admitted.end(), agent) !=
                        view.admitted.end());
  if (view.last_snapshot_at) {
    *standing.mutable_last_snapshot_at() = ToTimestamp(*view.last_snapshot_at);
  }
  MOORING_ASSIGN_OR_RETURN(const auto policy, tx.policies().GetInForce(view.group));
  const v1::Policy in_force = policy ? policy->policy() : BuiltInPolicy();
  const absl::Duration due_after = DueAfter(in_force);
  standing.set_remind_debugging_off(view.device.platform == v1::PLATFORM_ANDROID &&
                                    in_force.android().remind_debugging_off());
  standing.set_debugging_forbidden(IsDebuggingForbidden(view.device.facts, in_force));
  standing.set_due(!view.last_capture_at || now - *view.last_capture_at >= due_after);
  return standing;
}

void Standings::Send(const AgentId& agent, const v1::DeviceStanding& standing) {
  v1::ControlResponse order;
  *order.mutable_standing() = standing;
  if (!parts_.hub.Send(agent, order).ok()) return;
  MutexLock lock(mutex_);
  told_[agent.bytes() + standing.serial()] = standing.SerializeAsString();
}

void Standings::Push(const OpContext& ctx, const std::string& serial) {
  std::optional<AgentId> agent;
  v1::DeviceStanding standing;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto view, tx.devices().Find(serial));
    if (!view || !view->device.attached_agent) return absl::OkStatus();
    agent = view->device.attached_agent;
    MOORING_ASSIGN_OR_RETURN(standing, Of(tx, *view, *agent, parts_.clock.Now()));
    return absl::OkStatus();
  });
  if (!read.ok()) {
    // The next round of PushChanges tells it.
    parts_.log.Warning("standing.failed", {{"message", std::string(read.message())}});
    return;
  }
  if (agent) Send(*agent, standing);
}

absl::Status Standings::PushChanges(const OpContext& ctx) {
  std::vector<std::pair<AgentId, v1::DeviceStanding>> attached;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    attached.clear();
    MOORING_ASSIGN_OR_RETURN(const auto views, tx.devices().List(std::nullopt));
    for (const storage::DeviceView& view : views) {
      const auto& agent = view.device.attached_agent;
      if (!agent || !parts_.hub.IsHere(*agent)) continue;
      MOORING_ASSIGN_OR_RETURN(auto standing, Of(tx, view, *agent, parts_.clock.Now()));
      attached.emplace_back(*agent, std::move(standing));
    }
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  absl::flat_hash_map<std::string, std::string> before;
  {
    MutexLock lock(mutex_);
    // Phones that left are forgotten here.
    before = std::exchange(told_, {});
  }
  for (const auto& [agent, standing] : attached) {
    const auto it = before.find(agent.bytes() + standing.serial());
    if (it == before.end() || it->second != standing.SerializeAsString()) {
      Send(agent, standing);
      continue;
    }
    MutexLock lock(mutex_);
    told_.insert(*it);
  }
  return absl::OkStatus();
}

}  // namespace mooring::server
