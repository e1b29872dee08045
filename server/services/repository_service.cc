#include "server/services/repository_service.h"

#include <optional>

#include "server/rpc/method_names.h"
#include "server/services/care_desk.h"
#include "server/services/lookups.h"
#include "server/services/proto_time.h"
#include "storage/base/status.h"

namespace mooring::server {

grpc::Status RepositoryServiceImpl::PruneRepository(grpc::ServerContext* context,
                                                    const v1::PruneRepositoryRequest* request,
                                                    v1::PruneRepositoryResponse* response) {
  return gate_.Unary(
      method::kPruneRepository, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        std::optional<DeviceId> device;
        if (!request->device().empty()) {
          const absl::Status read =
              parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
                MOORING_ASSIGN_OR_RETURN(const auto view, FindDevice(tx, request->device()));
                device = view.device.id;
                return absl::OkStatus();
              });
          MOORING_RETURN_IF_ERROR(read);
        }
        if (!request->plan()) MOORING_RETURN_IF_ERROR(CheckRebuildConfirmed(ctx, parts_.catalog));
        MOORING_ASSIGN_OR_RETURN(
            const storage::PruneResult result,
            request->plan() ? pruner_.Plan(ctx, device)
                            : pruner_.Apply(ctx, device, caller.actor(), "repository prune"));
        *response->mutable_as_of() = ToTimestamp(result.as_of);
        for (const storage::PruneMark& mark : result.marks) {
          v1::SnapshotMark& message = *response->add_marks();
          message.set_snapshot_id(mark.snapshot.bytes());
          message.set_device_id(mark.device.bytes());
          message.set_serial(mark.serial);
          *message.mutable_created_at() = ToTimestamp(mark.created_at);
          message.set_keep(mark.verdict.keep());
          for (const auto& reason : mark.verdict.reasons()) message.add_reasons(reason.text());
        }
        for (const v1::PruningPause& pause : result.pauses) *response->add_pauses() = pause;
        response->set_deferred(result.deferred);
        response->set_refused(result.refused);
        response->set_kept(result.kept);
        response->set_dropped(result.dropped);
        response->set_applied(result.applied);
        return absl::OkStatus();
      });
}

}  // namespace mooring::server
