// Devices: phones, the people they are bound to, the agents admitted for them.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/common.pb.h"
#include "storage/base/ids.h"
#include "storage/catalog/row_lock.h"

namespace mooring::storage {

struct DeviceRecord {
  DeviceId id;
  v1::Platform platform = v1::PLATFORM_UNSPECIFIED;
  std::string serial;  // Unique.
  std::string name;
  std::string model;
  std::string os_version;
  bool phone_encrypts = false;
  std::optional<PersonId> person;
  std::uint32_t lineage = 1;  // Counts how often it was bound to somebody else.
  absl::Time first_seen_at;
  absl::Time last_seen_at;
  std::optional<AgentId> attached_agent;  // Where it is plugged in now.
  std::uint64_t next_sequence = 1;
  std::optional<absl::Time> last_attempt_at;
  v1::Cause last_cause = v1::CAUSE_UNSPECIFIED;  // Of the last miss; none after a snapshot.
  std::string last_message;
  v1::DeviceFacts facts;  // As it last told them.
};

// A device with what is joined to it. Snapshots are those of its present
// lineage that are not deleted.
struct DeviceView {
  DeviceRecord device;
  std::string person_handle;  // Empty while bound to nobody; so the two below.
  std::string person_name;
  std::string group;
  std::uint32_t snapshot_count = 0;
  std::optional<absl::Time> last_snapshot_at;  // Newest snapshot's created_at.
  std::optional<absl::Time> last_capture_at;   // Newest captured_at.
  std::vector<AgentId> admitted;               // For its present lineage.
};

class DeviceStore {
 public:
  virtual ~DeviceStore() = default;

  // Notes a phone that is plugged in at `agent`: a new row with `new_id` if its
  // serial is not known, else its facts brought up to date. Returns the row.
  virtual absl::StatusOr<DeviceRecord> Attach(const DeviceId& new_id, const v1::DeviceFacts& facts,
                                              const AgentId& agent, absl::Time now) = 0;
  // Unplugged. Nothing if it is attached elsewhere by now.
  virtual absl::Status Detach(std::string_view serial, const AgentId& agent, absl::Time now) = 0;
  // The agent's connection ended, or began anew.
  virtual absl::Status DetachAll(const AgentId& agent) = 0;

  virtual absl::StatusOr<std::optional<DeviceRecord>> Get(const DeviceId& id,
                                                          RowLock lock = RowLock::kNone) = 0;
  virtual absl::StatusOr<std::optional<DeviceRecord>> FindBySerial(std::string_view serial) = 0;
  // By serial, or by id in hexadecimal.
  virtual absl::StatusOr<std::optional<DeviceView>> Find(std::string_view name) = 0;
  // By serial. Only this person's where given.
  virtual absl::StatusOr<std::vector<DeviceView>> List(const std::optional<PersonId>& person) = 0;
  virtual absl::StatusOr<std::uint64_t> Count() = 0;

  // Binds it. Another person than before begins a new lineage, which voids every
  // admission; the same person again changes nothing. Returns the row as it is
  // then. kNotFound: no such device, or no such person.
  virtual absl::StatusOr<DeviceRecord> Assign(const DeviceId& id, const PersonId& person) = 0;

  // Binds it to nobody. If it was bound, its lineage ends: whoever gets it next,
  // the same person included, begins a new one. kNotFound: no such device.
  virtual absl::Status Unbind(const DeviceId& id) = 0;

  // Lets `agent` read the base of the present lineage. kNotFound: no such device or agent.
  virtual absl::Status Admit(const DeviceId& id, const AgentId& agent,
                             const std::string& admitted_by, absl::Time at) = 0;
  // OK if there is none.
  virtual absl::Status Withdraw(const DeviceId& id, const AgentId& agent) = 0;
  virtual absl::StatusOr<bool> IsAdmitted(const DeviceId& id, const AgentId& agent) = 0;

  // An attempt ended without a snapshot.
  virtual absl::Status RecordMiss(const DeviceId& id, v1::Cause cause, const std::string& message,
                                  absl::Time at) = 0;
  // An attempt made a snapshot: clears the miss.
  virtual absl::Status RecordSuccess(const DeviceId& id, absl::Time at) = 0;

  // The next snapshot's sequence number, which is then spent. Locks the row.
  virtual absl::StatusOr<std::uint64_t> TakeSequence(const DeviceId& id) = 0;
};

}  // namespace mooring::storage
