#include "storage/retention/fleet_input.h"

#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/person_store.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/prune_store.h"
#include "storage/repository/timestamps.h"
#include "storage/retention/facts.h"
#include "storage/retention/pause.h"
#include "storage/retention/policy.h"

namespace mooring::storage {
namespace {

absl::Status ReadRules(Transaction& tx, const PersonId& id, DeviceInput::OfPerson& of_person) {
  MOORING_ASSIGN_OR_RETURN(const std::optional<PersonRecord> person, tx.people().Get(id));
  if (!person) {
    of_person.input.set_without_rules("its person is unknown");
    return absl::OkStatus();
  }
  of_person.group = person->group;
  MOORING_ASSIGN_OR_RETURN(const auto policy, tx.policies().GetInForce(person->group));
  if (!policy) {
    of_person.input.set_without_rules(fmt::format("no policy for group {}", person->group));
    return absl::OkStatus();
  }
  of_person.policy_version = policy->version();
  *of_person.input.mutable_rules() = policy->policy().retention();
  of_person.input.set_without_rules(
      fmt::format("the policy of group {} states no retention", person->group));
  return absl::OkStatus();
}

}  // namespace

std::map<std::string, v1::RetentionVerdict> DeviceInput::JudgeAll(const v1::Policy* instead) const {
  std::map<std::string, v1::RetentionVerdict> verdicts;
  for (const auto& [id, of_person] : people) {
    v1::RetentionInput changed;
    const v1::RetentionInput* input = &of_person.input;
    if (instead != nullptr && instead->group() == of_person.group) {
      changed = of_person.input;
      *changed.mutable_rules() = instead->retention();
      input = &changed;
    }
    for (v1::RetentionVerdict& verdict : Judge(*input)) {
      std::string snapshot = verdict.snapshot_id();
      verdicts.emplace(std::move(snapshot), std::move(verdict));
    }
  }
  return verdicts;
}

absl::StatusOr<DeviceInput> ReadDeviceInput(Transaction& tx, const DeviceId& device,
                                            absl::Time as_of) {
  DeviceInput result;
  SnapshotFilter filter;
  filter.device = device;
  MOORING_ASSIGN_OR_RETURN(std::vector<SnapshotView> views, tx.snapshots().List(filter));
  for (SnapshotView& view : views) {
    // One whose deletion is decided keeps no place that another could have.
    if (!view.snapshot.deletion_decided_at) result.views.push_back(std::move(view));
  }
  if (result.views.empty()) return result;
  MOORING_ASSIGN_OR_RETURN(const auto holds, tx.holds().ListForDevice(device));
  MOORING_ASSIGN_OR_RETURN(const auto pins, tx.holds().ListPins(device));
  MOORING_ASSIGN_OR_RETURN(const auto remembered, tx.prunes().ListMemory(device));
  PauseMemories memories;
  for (const PauseMemoryRecord& record : remembered) {
    memories[record.lineage] = {record.accepted_sequence, record.settled_sequence};
  }
  for (const SnapshotView& view : result.views) {
    const auto [at, is_new] = result.people.try_emplace(view.snapshot.person);
    if (is_new) MOORING_RETURN_IF_ERROR(ReadRules(tx, view.snapshot.person, at->second));
    *at->second.input.add_snapshots() = FactsOf(view.snapshot);
  }
  for (auto& [id, of_person] : result.people) {
    v1::RetentionInput& input = of_person.input;
    *input.mutable_as_of() = ToTimestamp(as_of);
    for (const HoldView& hold : holds) *input.add_holds() = HoldMessage(hold);
    for (const PinRecord& pin : pins) *input.add_pins() = PinMessage(pin);
    for (v1::PruningPause& pause : JudgePauses(input.snapshots(), memories)) {
      *input.add_pauses() = std::move(pause);
    }
  }
  return result;
}

v1::Hold HoldMessage(const HoldView& view) {
  v1::Hold message;
  message.set_id(view.hold.id.bytes());
  if (view.hold.device) message.set_device_id(view.hold.device->bytes());
  if (view.hold.person) message.set_person_id(view.hold.person->bytes());
  message.set_serial(view.serial);
  message.set_person_handle(view.person_handle);
  message.set_reason(view.hold.reason);
  message.set_placed_by(view.hold.placed_by);
  *message.mutable_placed_at() = ToTimestamp(view.hold.placed_at);
  message.set_released_by(view.hold.released_by);
  if (view.hold.released_at) {
    *message.mutable_released_at() = ToTimestamp(*view.hold.released_at);
  }
  message.set_snapshot_count(view.snapshot_count);
  return message;
}

v1::SnapshotPin PinMessage(const PinRecord& record) {
  v1::SnapshotPin message;
  message.set_snapshot_id(record.snapshot.bytes());
  message.set_pinned_by(record.pinned_by);
  *message.mutable_pinned_at() = ToTimestamp(record.pinned_at);
  if (record.until) *message.mutable_until() = ToTimestamp(*record.until);
  message.set_reason(record.reason);
  return message;
}

}  // namespace mooring::storage
