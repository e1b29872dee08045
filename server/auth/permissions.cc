#include "server/auth/permissions.h"

#include <fmt/format.h>

#include "mooring/v1/access.pb.h"
#include "mooring/v1/agent.pb.h"
#include "mooring/v1/backup.pb.h"
#include "mooring/v1/enrollment.pb.h"
#include "mooring/v1/fleet.pb.h"
#include "mooring/v1/policy.pb.h"
#include "mooring/v1/report.pb.h"
#include "mooring/v1/repository.pb.h"
#include "mooring/v1/restore.pb.h"

namespace mooring::server {

const std::vector<std::string>& ServiceNames() {
  static const auto* const names = new std::vector<std::string>{
      "mooring.v1.AccessService",     "mooring.v1.AgentService",      "mooring.v1.BackupService",
      "mooring.v1.EnrollmentService", "mooring.v1.FleetService",      "mooring.v1.PolicyService",
      "mooring.v1.ReportService",     "mooring.v1.RepositoryService", "mooring.v1.RestoreService"};
  return *names;
}

absl::StatusOr<PermissionTable> PermissionTable::Read(
    const std::vector<std::string>& services, const google::protobuf::DescriptorPool& pool) {
  PermissionTable table;
  std::string open;
  for (const std::string& name : services) {
    const google::protobuf::ServiceDescriptor* service = pool.FindServiceByName(name);
    if (service == nullptr) return absl::NotFoundError("no service " + name);
    for (int i = 0; i < service->method_count(); ++i) {
      const google::protobuf::MethodDescriptor& method = *service->method(i);
      const v1::Permission required = method.options().GetExtension(v1::permission);
      if (required == v1::PERMISSION_UNSPECIFIED) {
        open += fmt::format("{}{}", open.empty() ? "" : ", ", method.full_name());
      }
      table.required_.emplace(method.full_name(), required);
    }
  }
  if (!open.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("no permission is declared for {}; give each one option (permission)", open));
  }
  return table;
}

v1::Permission PermissionTable::Required(std::string_view method) const {
  const auto it = required_.find(std::string(method));
  return it == required_.end() ? v1::PERMISSION_UNSPECIFIED : it->second;
}

}  // namespace mooring::server
