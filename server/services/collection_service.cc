#include "server/services/collection_service.h"

#include <fmt/format.h>

#include "server/rpc/method_names.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

constexpr absl::Duration kProgressEvery = absl::Milliseconds(500);

}  // namespace

// A round goes on when its caller hangs up, and ends when the server drains: the
// next one would only begin where it stopped.
grpc::Status CollectionServiceImpl::CollectGarbage(
    grpc::ServerContext* context, const v1::CollectGarbageRequest* request,
    grpc::ServerWriter<v1::CollectGarbageResponse>* writer) {
  return gate_.Stream(
      method::kCollectGarbage, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        const OpContext drained{.deadline = ctx.deadline, .stop = gate_.drain()};
        absl::Duration last = parts_.clock.Monotonic();
        const auto progress = [&](std::string_view step, std::uint64_t done, std::uint64_t total) {
          if (parts_.clock.Monotonic() - last < kProgressEvery) return;
          last = parts_.clock.Monotonic();
          v1::CollectGarbageResponse message;
          message.mutable_progress()->set_step(std::string(step));
          message.mutable_progress()->set_done(done);
          message.mutable_progress()->set_total(total);
          writer->Write(message);
        };
        if (!request->plan()) {
          const absl::Status audited = parts_.catalog.Run(drained, [&](storage::Transaction& tx) {
            return tx.Audit(
                AuditOf(parts_, caller.actor(), "collection.order", "repository",
                        fmt::format(R"({{"ignore_share":"{}"}})", request->ignore_share())));
          });
          MOORING_RETURN_IF_ERROR(audited);
        }
        v1::CollectGarbageResponse message;
        MOORING_ASSIGN_OR_RETURN(
            *message.mutable_report(),
            request->plan()
                ? desk_.Plan(drained, progress)
                : desk_.Collect(drained, {.ignore_share = request->ignore_share()}, progress));
        writer->Write(message);
        return absl::OkStatus();
      });
}

grpc::Status CollectionServiceImpl::GetRepositoryStatus(grpc::ServerContext* context,
                                                        const v1::GetRepositoryStatusRequest*,
                                                        v1::GetRepositoryStatusResponse* response) {
  return gate_.Unary(method::kGetRepositoryStatus, *context,
                     [&](const Caller&, const OpContext& ctx) -> absl::Status {
                       MOORING_ASSIGN_OR_RETURN(*response, desk_.Describe(ctx));
                       return absl::OkStatus();
                     });
}

grpc::Status CollectionServiceImpl::ClearCollectionStop(
    grpc::ServerContext* context, const v1::ClearCollectionStopRequest* request,
    v1::ClearCollectionStopResponse*) {
  return gate_.Unary(method::kClearCollectionStop, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return desk_.ClearStop(ctx, caller.actor(), request->reason());
                     });
}

}  // namespace mooring::server
