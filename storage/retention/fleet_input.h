// FleetInput: from the catalog's rows to the inputs of the judgment.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/policy.pb.h"
#include "mooring/v1/retention.pb.h"
#include "storage/base/ids.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/snapshot_store.h"

namespace mooring::storage {

// One device's snapshots that are neither deleted nor about to be, with everything that keeps them.
struct DeviceInput {
  std::vector<SnapshotView> views;  // Newest first.
  // One for each person whose snapshots there are, since each has a group. A lineage
  // has one person, so this never splits a lineage.
  struct OfPerson {
    std::string group;
    std::uint32_t policy_version = 0;  // 0: the group has none.
    v1::RetentionInput input;
  };
  std::map<PersonId, OfPerson> people;

  // All verdicts, under the rules in force, or those of `instead` for its group.
  std::map<std::string, v1::RetentionVerdict> JudgeAll(const v1::Policy* instead = nullptr) const;
};

absl::StatusOr<DeviceInput> ReadDeviceInput(Transaction& tx, const DeviceId& device,
                                            absl::Time as_of);

v1::Hold HoldMessage(const HoldView& view);
v1::SnapshotPin PinMessage(const PinRecord& record);

}  // namespace mooring::storage
