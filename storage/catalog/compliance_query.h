// ComplianceQuery: what the compliance report and its metrics stand on, one row
// per device and per person without one, in one statement.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/common.pb.h"
#include "storage/base/ids.h"

namespace mooring::storage {

// Facts alone; whether they comply is judged by the caller, by policy and clock.
struct ComplianceFact {
  std::optional<DeviceId> device;  // None: a person without a device.
  std::string serial;
  v1::Platform platform = v1::PLATFORM_UNSPECIFIED;
  std::string device_name;
  std::optional<PersonId> person;  // None: a device bound to nobody.
  std::string person_handle;
  std::string person_name;
  std::string group;                                  // Of the person; empty without one.
  std::optional<absl::Time> first_seen_at;            // Of the device.
  std::optional<SnapshotId> last_snapshot;            // With the newest capture of the present
  std::optional<absl::Time> last_capture_at;          // lineage, not deleted.
  v1::Cause last_miss_cause = v1::CAUSE_UNSPECIFIED;  // None where the last attempt worked.
  std::optional<absl::Time> last_miss_at;
};

class ComplianceQuery {
 public:
  virtual ~ComplianceQuery() = default;

  // By group, person and serial; devices bound to nobody come first and only
  // where `group` is empty, which means all.
  virtual absl::StatusOr<std::vector<ComplianceFact>> Facts(std::string_view group) = 0;
};

}  // namespace mooring::storage
