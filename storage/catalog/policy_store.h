// Policies: every version of every group's document; the highest is in force.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/policy.pb.h"

namespace mooring::storage {

struct AppliedPolicy {
  v1::StoredPolicy stored;
  bool unchanged = false;  // Equal to the version in force: nothing was written.
};

class PolicyStore {
 public:
  virtual ~PolicyStore() = default;

  // Makes `policy` the one in force of its group, as a new version if it
  // differs from the one that is.
  virtual absl::StatusOr<AppliedPolicy> Apply(const v1::Policy& policy,
                                              const std::string& applied_by, absl::Time at) = 0;
  virtual absl::StatusOr<std::optional<v1::StoredPolicy>> GetInForce(std::string_view group) = 0;
  virtual absl::StatusOr<std::optional<v1::StoredPolicy>> GetVersion(std::string_view group,
                                                                     std::uint32_t version) = 0;
  // The ones in force, by group.
  virtual absl::StatusOr<std::vector<v1::StoredPolicy>> ListInForce() = 0;
};

}  // namespace mooring::storage
