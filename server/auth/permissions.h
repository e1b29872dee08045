// PermissionTable: what each RPC requires, read from the descriptors. An RPC
// without a permission keeps the server from starting: forgetting one must not
// leave a door open.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <google/protobuf/descriptor.h>

#include "mooring/v1/common.pb.h"

namespace mooring::server {

// The services that this server offers, by full name.
const std::vector<std::string>& ServiceNames();

// Thread-safe: immutable.
class PermissionTable {
 public:
  // Of `services` in `pool`. kFailedPrecondition names every RPC that requires
  // nothing; kNotFound: no such service.
  static absl::StatusOr<PermissionTable> Read(
      const std::vector<std::string>& services,
      const google::protobuf::DescriptorPool& pool =
          *google::protobuf::DescriptorPool::generated_pool());

  // `method` is "mooring.v1.FleetService.ListAgents". Unspecified: no such RPC,
  // which nobody may call.
  v1::Permission Required(std::string_view method) const;

  const absl::flat_hash_map<std::string, v1::Permission>& all() const { return required_; }

 private:
  absl::flat_hash_map<std::string, v1::Permission> required_;
};

}  // namespace mooring::server
