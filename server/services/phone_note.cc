#include "server/services/phone_note.h"

#include <optional>

#include <fmt/format.h>

#include "server/log/json_text.h"
#include "server/services/device_facts.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

std::string ChangeOf(const v1::DeviceFacts& before, const v1::DeviceFacts& now) {
  return fmt::format(R"({{"platform":{{"from":"{}","to":"{}"}},"model":{{"from":{},"to":{}}}}})",
                     v1::Platform_Name(before.platform()), v1::Platform_Name(now.platform()),
                     JsonText(before.model()), JsonText(now.model()));
}

absl::StatusOr<storage::DeviceRecord> NoteOther(const ServerParts& parts, storage::Transaction& tx,
                                                const storage::DeviceRecord& known,
                                                const v1::DeviceFacts& facts, const AgentId& agent,
                                                const std::string& actor) {
  const absl::Time now = parts.clock.Now();
  MOORING_RETURN_IF_ERROR(tx.devices().Attach(known.id, facts, agent, now).status());
  MOORING_RETURN_IF_ERROR(tx.devices().Unbind(known.id));
  MOORING_RETURN_IF_ERROR(
      tx.devices().RecordMiss(known.id, v1::CAUSE_ANOTHER_PHONE, kAnotherPhoneMessage, now));
  MOORING_RETURN_IF_ERROR(tx.Audit(
      AuditOf(parts, actor, "device.another_phone", known.id.hex(), ChangeOf(known.facts, facts))));
  MOORING_ASSIGN_OR_RETURN(const auto device, tx.devices().Get(known.id));
  if (!device) return absl::InternalError("the device just noted is not there");
  return *device;
}

}  // namespace

bool IsOtherPhone(const v1::DeviceFacts& before, const v1::DeviceFacts& now) {
  const bool other_platform = before.platform() != v1::PLATFORM_UNSPECIFIED &&
                              now.platform() != v1::PLATFORM_UNSPECIFIED &&
                              before.platform() != now.platform();
  return other_platform ||
         (!before.model().empty() && !now.model().empty() && before.model() != now.model());
}

absl::StatusOr<storage::DeviceRecord> NotePhone(const ServerParts& parts, storage::Transaction& tx,
                                                const DeviceId& new_id,
                                                const v1::DeviceFacts& facts, const AgentId& agent,
                                                const std::string& actor) {
  MOORING_ASSIGN_OR_RETURN(const auto known, tx.devices().FindBySerial(facts.serial()));
  if (known && IsOtherPhone(known->facts, facts)) {
    return NoteOther(parts, tx, *known, facts, agent, actor);
  }
  MOORING_ASSIGN_OR_RETURN(
      const auto device,
      tx.devices().Attach(new_id, known ? MergeFacts(known->facts, facts) : facts, agent,
                          parts.clock.Now()));
  if (known && !known->facts.platform_id().empty() && !facts.platform_id().empty() &&
      known->facts.platform_id() != facts.platform_id()) {
    // It was reset, or is another phone of the same model with the same serial number.
    MOORING_RETURN_IF_ERROR(
        tx.Audit(AuditOf(parts, actor, "device.platform_changed", device.id.hex())));
  }
  if (device.id == new_id) {
    MOORING_RETURN_IF_ERROR(
        tx.Audit(AuditOf(parts, actor, "device.discover", device.id.hex(),
                         fmt::format(R"({{"serial":{}}})", JsonText(device.serial)))));
  }
  return device;
}

bool WasTakenOver(const storage::DeviceRecord& device) {
  return !device.person && device.last_cause == v1::CAUSE_ANOTHER_PHONE;
}

}  // namespace mooring::server
