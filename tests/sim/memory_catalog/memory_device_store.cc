#include "tests/sim/memory_catalog/memory_device_store.h"

#include <algorithm>
#include <tuple>

#include "storage/base/status.h"

namespace mooring::testing {

using storage::DeviceRecord;
using storage::DeviceView;
using storage::RowLock;

namespace {

absl::Status NoSuchDevice() {
  return absl::NotFoundError("no such device");
}

void SetFacts(DeviceRecord& row, const v1::DeviceFacts& facts, const AgentId& agent,
              absl::Time now) {
  row.platform = facts.platform();
  row.name = facts.name();
  row.model = facts.model();
  row.os_version = facts.os_version();
  row.phone_encrypts = facts.phone_encrypts();
  row.last_seen_at = now;
  row.attached_agent = agent;
  row.facts = facts;
}

}  // namespace

absl::StatusOr<DeviceRecord> MemoryDeviceStore::Attach(const DeviceId& new_id,
                                                       const v1::DeviceFacts& facts,
                                                       const AgentId& agent, absl::Time now) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(
      tx_.CheckTexts({facts.serial(), facts.name(), facts.model(), facts.os_version()}));
  if (facts.serial().empty()) return tx_.Fail(Violates("a serial is not empty"));
  if (t_.agent.Get(tx_, agent) == nullptr) return tx_.Fail(Violates("device.attached_agent_id"));
  MOORING_ASSIGN_OR_RETURN(const bool is_new, t_.device_serial.Insert(tx_, facts.serial(), new_id));
  if (!is_new) {
    const DeviceId id = *t_.device_serial.Get(tx_, facts.serial());
    MOORING_RETURN_IF_ERROR(
        t_.device
            .LockAndUpdate(tx_, id, [&](DeviceRecord& row) { SetFacts(row, facts, agent, now); })
            .status());
    return *t_.device.Get(tx_, id);
  }
  DeviceRecord row;
  row.id = new_id;
  row.serial = facts.serial();
  row.first_seen_at = now;
  SetFacts(row, facts, agent, now);
  MOORING_ASSIGN_OR_RETURN(const bool id_free, t_.device.Insert(tx_, new_id, row));
  if (!id_free) return tx_.Fail(Duplicate("device"));
  return row;
}

absl::Status MemoryDeviceStore::Detach(std::string_view serial, const AgentId& agent,
                                       absl::Time now) {
  MOORING_STATEMENT(tx_);
  const DeviceRecord* const device = BySerial(serial);
  if (device == nullptr || device->attached_agent != agent) return absl::OkStatus();
  return t_.device
      .LockAndUpdate(tx_, device->id,
                     [&](DeviceRecord& row) {
                       if (row.attached_agent != agent) return;
                       row.attached_agent.reset();
                       row.last_seen_at = now;
                     })
      .status();
}

absl::Status MemoryDeviceStore::DetachAll(const AgentId& agent) {
  MOORING_STATEMENT(tx_);
  const std::vector<DeviceId> attached =
      KeysOf(tx_, t_.device, [&](const DeviceRecord& row) { return row.attached_agent == agent; });
  for (const DeviceId& id : attached) {
    MOORING_RETURN_IF_ERROR(t_.device
                                .LockAndUpdate(tx_, id,
                                               [&](DeviceRecord& row) {
                                                 if (row.attached_agent == agent)
                                                   row.attached_agent.reset();
                                               })
                                .status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<DeviceRecord>> MemoryDeviceStore::Get(const DeviceId& id,
                                                                   RowLock lock) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const DeviceRecord* const row, t_.device.Lock(tx_, id, lock));
  return Copy(row);
}

absl::StatusOr<std::optional<DeviceRecord>> MemoryDeviceStore::FindBySerial(
    std::string_view serial) {
  MOORING_STATEMENT(tx_);
  return Copy(BySerial(serial));
}

DeviceView MemoryDeviceStore::ViewOf(const DeviceRecord& device) {
  DeviceView view;
  view.device = device;
  const storage::PersonRecord* const person =
      device.person ? t_.person.Get(tx_, *device.person) : nullptr;
  if (person != nullptr) {
    view.person_handle = person->handle;
    view.person_name = person->name;
    view.group = person->group;
  }
  t_.snapshot.ForEach(tx_, [&](const SnapshotId&, const SnapshotRow& row) {
    const storage::SnapshotRecord& snapshot = row.record;
    if (snapshot.device != device.id || snapshot.lineage != device.lineage || snapshot.deleted_at) {
      return true;
    }
    ++view.snapshot_count;
    view.last_snapshot_at =
        std::max(view.last_snapshot_at.value_or(snapshot.created_at), snapshot.created_at);
    view.last_capture_at =
        std::max(view.last_capture_at.value_or(snapshot.captured_at), snapshot.captured_at);
    return true;
  });
  std::vector<std::pair<absl::Time, AgentId>> admitted;
  t_.admission.ForEachFrom(tx_, {device.id, AgentId()},
                           [&](const auto& key, const AdmissionRow& row) {
                             if (key.first != device.id) return false;
                             if (row.lineage == device.lineage) {
                               admitted.emplace_back(row.admitted_at, key.second);
                             }
                             return true;
                           });
  std::sort(admitted.begin(), admitted.end());
  for (const auto& [at, agent] : admitted) view.admitted.push_back(agent);
  return view;
}

absl::StatusOr<std::optional<DeviceView>> MemoryDeviceStore::Find(std::string_view name) {
  MOORING_STATEMENT(tx_);
  const DeviceRecord* device = BySerial(name);
  const std::optional<DeviceId> id = DeviceId::FromHex(name);
  if (device == nullptr && id) device = t_.device.Get(tx_, *id);
  if (device == nullptr) return std::optional<DeviceView>();
  return std::optional<DeviceView>(ViewOf(*device));
}

absl::StatusOr<std::vector<DeviceView>> MemoryDeviceStore::List(
    const std::optional<PersonId>& person) {
  MOORING_STATEMENT(tx_);
  std::vector<DeviceView> views;
  t_.device_serial.ForEach(tx_, [&](const std::string&, const DeviceId& id) {
    const DeviceRecord* const device = t_.device.Get(tx_, id);
    if (device != nullptr && (!person || device->person == person)) {
      views.push_back(ViewOf(*device));
    }
    return true;
  });
  return views;
}

absl::StatusOr<std::uint64_t> MemoryDeviceStore::Count() {
  MOORING_STATEMENT(tx_);
  return CountOf(tx_, t_.device, [](const DeviceRecord&) { return true; });
}

absl::StatusOr<DeviceRecord> MemoryDeviceStore::Assign(const DeviceId& id, const PersonId& person) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const storage::PersonRecord* const owner,
                           t_.person.Lock(tx_, person, RowLock::kShared));
  if (owner == nullptr) return absl::NotFoundError("no such person");
  MOORING_ASSIGN_OR_RETURN(const bool done,
                           t_.device.LockAndUpdate(tx_, id, [&](DeviceRecord& row) {
                             if (row.person && row.person != person) ++row.lineage;
                             row.person = person;
                           }));
  if (!done) return NoSuchDevice();
  return *t_.device.Get(tx_, id);
}

absl::Status MemoryDeviceStore::Unbind(const DeviceId& id) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const bool done, t_.device.LockAndUpdate(tx_, id, [](DeviceRecord& row) {
    if (row.person) ++row.lineage;
    row.person.reset();
  }));
  return done ? absl::OkStatus() : NoSuchDevice();
}

absl::Status MemoryDeviceStore::Admit(const DeviceId& id, const AgentId& agent,
                                      const std::string& admitted_by, absl::Time at) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({admitted_by}));
  const DeviceRecord* const device = t_.device.Get(tx_, id);
  if (device == nullptr || t_.agent.Get(tx_, agent) == nullptr) {
    return absl::NotFoundError("no such device or agent");
  }
  const AdmissionRow row{device->lineage, admitted_by, at};
  MOORING_ASSIGN_OR_RETURN(const bool is_new, t_.admission.Insert(tx_, {id, agent}, row));
  if (is_new) return absl::OkStatus();
  return t_.admission.LockAndUpdate(tx_, {id, agent}, [&](AdmissionRow& there) { there = row; })
      .status();
}

absl::Status MemoryDeviceStore::Withdraw(const DeviceId& id, const AgentId& agent) {
  MOORING_STATEMENT(tx_);
  return t_.admission.Erase(tx_, {id, agent}).status();
}

absl::StatusOr<bool> MemoryDeviceStore::IsAdmitted(const DeviceId& id, const AgentId& agent) {
  MOORING_STATEMENT(tx_);
  const AdmissionRow* const row = t_.admission.Get(tx_, {id, agent});
  const DeviceRecord* const device = t_.device.Get(tx_, id);
  return row != nullptr && device != nullptr && row->lineage == device->lineage;
}

absl::Status MemoryDeviceStore::RecordMiss(const DeviceId& id, v1::Cause cause,
                                           const std::string& message, absl::Time at) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({message}));
  MOORING_ASSIGN_OR_RETURN(const bool done,
                           t_.device.LockAndUpdate(tx_, id, [&](DeviceRecord& row) {
                             row.last_attempt_at = at;
                             row.last_cause = cause;
                             row.last_message = message;
                           }));
  return done ? absl::OkStatus() : NoSuchDevice();
}

absl::Status MemoryDeviceStore::RecordSuccess(const DeviceId& id, absl::Time at) {
  return RecordMiss(id, v1::CAUSE_UNSPECIFIED, "", at);
}

absl::StatusOr<std::uint64_t> MemoryDeviceStore::TakeSequence(const DeviceId& id) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const bool done, t_.device.LockAndUpdate(tx_, id, [](DeviceRecord& row) {
    ++row.next_sequence;
  }));
  if (!done) return NoSuchDevice();
  return t_.device.Get(tx_, id)->next_sequence - 1;
}

std::unique_ptr<storage::DeviceStore> MakeMemoryDeviceStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryDeviceStore>(tx, t);
}

}  // namespace mooring::testing
