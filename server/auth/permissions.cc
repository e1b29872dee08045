#include "server/auth/permissions.h"

#include <fmt/format.h>

#include "mooring/v1/access.pb.h"
#include "mooring/v1/agent.pb.h"
#include "mooring/v1/backup.pb.h"
#include "mooring/v1/care.pb.h"
#include "mooring/v1/collection.pb.h"
#include "mooring/v1/enrollment.pb.h"
#include "mooring/v1/fleet.pb.h"
#include "mooring/v1/policy.pb.h"
#include "mooring/v1/report.pb.h"
#include "mooring/v1/repository.pb.h"
#include "mooring/v1/restore.pb.h"
#include "mooring/v1/retention.pb.h"

namespace mooring::server {

const std::vector<std::string>& ServiceNames() {
  // Of the files, so that a service added to one cannot be forgotten; and by a
  // message of each, so that the linker keeps it.
  static const auto* const names = [] {
    auto* const found = new std::vector<std::string>;
    for (const google::protobuf::Descriptor* message :
         {v1::WhoAmIRequest::descriptor(), v1::ControlRequest::descriptor(),
          v1::BeginBackupRequest::descriptor(), v1::EnrollRequest::descriptor(),
          v1::ListAgentsRequest::descriptor(), v1::Policy::descriptor(),
          v1::ComplianceRow::descriptor(), v1::SnapshotMark::descriptor(),
          v1::OpenSnapshotRequest::descriptor(), v1::RetentionInput::descriptor(),
          v1::CollectionReport::descriptor(), v1::CareFinding::descriptor()}) {
      const google::protobuf::FileDescriptor& file = *message->file();
      for (int i = 0; i < file.service_count(); ++i) found->push_back(file.service(i)->full_name());
    }
    return found;
  }();
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
