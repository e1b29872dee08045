// The part of FleetService that is about snapshots.

#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "server/log/json_text.h"
#include "server/rpc/method_names.h"
#include "server/services/fleet_service.h"
#include "server/services/lookups.h"
#include "server/services/records.h"
#include "server/services/request_rules.h"
#include "storage/base/status.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/request_store.h"
#include "storage/repository/deletion.h"
#include "storage/retention/fleet_input.h"

namespace mooring::server {
namespace {

constexpr absl::Duration kVerifyReport = absl::Milliseconds(500);
constexpr std::size_t kDamagedShownMax = 1000;

v1::VerifySnapshotResponse ToMessage(const storage::VerifyResult& result, bool done) {
  v1::VerifySnapshotResponse message;
  message.set_chunks_checked(result.chunks_checked);
  message.set_chunks_total(result.chunks_total);
  message.set_bytes_checked(result.bytes_checked);
  message.set_done(done);
  if (!done) return message;
  for (std::size_t i = 0; i < std::min(result.damaged.size(), kDamagedShownMax); ++i) {
    message.add_damaged(result.damaged[i].bytes());
  }
  return message;
}

}  // namespace

grpc::Status FleetServiceImpl::ListSnapshots(grpc::ServerContext* context,
                                             const v1::ListSnapshotsRequest* request,
                                             v1::ListSnapshotsResponse* response) {
  return gate_.Unary(method::kListSnapshots, *context, [&](const Caller&, const OpContext& ctx) {
    return Snapshots(ctx, *request, *response);
  });
}

absl::Status FleetServiceImpl::Snapshots(const OpContext& ctx,
                                         const v1::ListSnapshotsRequest& request,
                                         v1::ListSnapshotsResponse& response) {
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    response.Clear();
    storage::SnapshotFilter filter;
    std::optional<PersonId> person;
    if (!request.person_handle().empty()) {
      MOORING_ASSIGN_OR_RETURN(const auto found, FindPerson(tx, request.person_handle()));
      person = found.id;
    }
    std::map<DeviceId, std::uint32_t> lineages;
    if (!request.device().empty()) {
      MOORING_ASSIGN_OR_RETURN(const auto device, FindDevice(tx, request.device()));
      filter.device = device.device.id;
      lineages[device.device.id] = device.device.lineage;
    } else {
      MOORING_ASSIGN_OR_RETURN(const auto devices, tx.devices().List(std::nullopt));
      for (const auto& view : devices) lineages[view.device.id] = view.device.lineage;
    }
    MOORING_ASSIGN_OR_RETURN(const auto views, tx.snapshots().List(filter));
    for (const storage::SnapshotView& view : views) {
      const auto lineage = lineages.find(view.snapshot.device);
      const bool current = lineage != lineages.end() && lineage->second == view.snapshot.lineage;
      if (person ? view.snapshot.person != *person : !current) continue;
      *response.add_snapshots() = server::ToMessage(view);
    }
    return absl::OkStatus();
  });
}

grpc::Status FleetServiceImpl::GetSnapshot(grpc::ServerContext* context,
                                           const v1::GetSnapshotRequest* request,
                                           v1::GetSnapshotResponse* response) {
  return gate_.Unary(
      method::kGetSnapshot, *context, [&](const Caller&, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const SnapshotId id,
                                 IdFrom<SnapshotId>(request->snapshot_id(), "snapshot_id"));
        return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(const auto view, FindSnapshot(tx, id));
          *response->mutable_snapshot() = server::ToMessage(view);
          MOORING_ASSIGN_OR_RETURN(const auto pin, tx.holds().GetPin(id));
          if (pin) *response->mutable_snapshot()->mutable_pin() = storage::PinMessage(*pin);
          MOORING_ASSIGN_OR_RETURN(const auto holds, tx.holds().ListForSnapshot(id));
          for (const auto& hold : holds) {
            *response->mutable_snapshot()->add_holds() = storage::HoldMessage(hold);
          }
          return absl::OkStatus();
        });
      });
}

grpc::Status FleetServiceImpl::VerifySnapshot(
    grpc::ServerContext* context, const v1::VerifySnapshotRequest* request,
    grpc::ServerWriter<v1::VerifySnapshotResponse>* writer) {
  return gate_.Stream(
      method::kVerifySnapshot, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const SnapshotId id,
                                 IdFrom<SnapshotId>(request->snapshot_id(), "snapshot_id"));
        const OpContext drained{.deadline = ctx.deadline, .stop = gate_.drain()};
        absl::Duration last = parts_.clock.Monotonic();
        MOORING_ASSIGN_OR_RETURN(
            const storage::VerifyResult result,
            parts_.repository.Verify(drained, id, [&](const storage::VerifyResult& so_far) {
              if (parts_.clock.Monotonic() - last < kVerifyReport) return;
              last = parts_.clock.Monotonic();
              writer->Write(ToMessage(so_far, false));
            }));
        const absl::Status audited = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) {
          return tx.Audit(AuditOf(parts_, caller.actor(), "snapshot.verify_order", id.hex(),
                                  fmt::format(R"({{"damaged":{}}})", result.damaged.size())));
        });
        MOORING_RETURN_IF_ERROR(audited);
        writer->Write(ToMessage(result, true));
        return absl::OkStatus();
      });
}

grpc::Status FleetServiceImpl::DeleteSnapshot(grpc::ServerContext* context,
                                              const v1::DeleteSnapshotRequest* request,
                                              v1::DeleteSnapshotResponse* response) {
  return gate_.Unary(method::kDeleteSnapshot, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return RequestDeletion(caller, ctx, *request, *response);
                     });
}

absl::Status FleetServiceImpl::RequestDeletion(const Caller& caller, const OpContext& ctx,
                                               const v1::DeleteSnapshotRequest& request,
                                               v1::DeleteSnapshotResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckReason(request.reason()));
  MOORING_ASSIGN_OR_RETURN(const SnapshotId id,
                           IdFrom<SnapshotId>(request.snapshot_id(), "snapshot_id"));
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto snapshot, FindSnapshot(tx, id));
    MOORING_RETURN_IF_ERROR(storage::CheckNotKept(tx, id, parts_.clock.Now()));
    storage::RequestRecord record =
        NewRequest(parts_, caller, v1::REQUEST_KIND_DELETE_SNAPSHOT, snapshot, request.reason());
    record.summary = fmt::format("delete {}, for good", DescribeSnapshot(snapshot));
    MOORING_RETURN_IF_ERROR(tx.requests().Create(record));
    response.set_request_id(record.id.bytes());
    return tx.Audit(
        AuditOf(parts_, caller.actor(), "request.create", record.id.hex(),
                fmt::format(R"({{"kind":"delete_snapshot","snapshot":"{}"}})", id.hex())));
  });
}

}  // namespace mooring::server
