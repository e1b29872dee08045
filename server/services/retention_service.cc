#include "server/services/retention_service.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/log/json_text.h"
#include "server/rpc/method_names.h"
#include "server/services/lookups.h"
#include "server/services/proto_time.h"
#include "server/services/request_rules.h"
#include "storage/base/status.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/prune_store.h"
#include "storage/retention/fleet_input.h"

namespace mooring::server {
namespace {

// What a hold is of, for people.
std::string DescribeHold(const storage::HoldView& view) {
  return view.hold.device ? fmt::format("device {}", view.serial)
                          : fmt::format("person {}", view.person_handle);
}

absl::StatusOr<storage::HoldView> FindHold(storage::Transaction& tx, const storage::HoldId& id) {
  MOORING_ASSIGN_OR_RETURN(auto view, tx.holds().Get(id));
  if (!view) return absl::NotFoundError("no such hold; `mooring hold list` shows them");
  return *std::move(view);
}

}  // namespace

grpc::Status RetentionServiceImpl::CreateHold(grpc::ServerContext* context,
                                              const v1::CreateHoldRequest* request,
                                              v1::CreateHoldResponse* response) {
  return gate_.Unary(method::kCreateHold, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Place(caller, ctx, *request, *response);
                     });
}

absl::Status RetentionServiceImpl::Place(const Caller& caller, const OpContext& ctx,
                                         const v1::CreateHoldRequest& request,
                                         v1::CreateHoldResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckReason(request.reason()));
  if (request.device().empty() == request.person_handle().empty()) {
    return absl::InvalidArgumentError("a hold is of one device or of one person: name one of them");
  }
  storage::HoldRecord record;
  record.id = storage::HoldId::Make(parts_.random);
  record.reason = request.reason();
  record.placed_by = caller.account;
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    record.placed_at = parts_.clock.Now();
    if (request.device().empty()) {
      MOORING_ASSIGN_OR_RETURN(const auto person, FindPerson(tx, request.person_handle()));
      record.person = person.id;
    } else {
      MOORING_ASSIGN_OR_RETURN(const auto device, FindDevice(tx, request.device()));
      record.device = device.device.id;
    }
    MOORING_ASSIGN_OR_RETURN(const std::uint64_t covered, tx.holds().Place(record));
    MOORING_ASSIGN_OR_RETURN(const auto view, FindHold(tx, record.id));
    *response.mutable_hold() = storage::HoldMessage(view);
    response.mutable_hold()->set_snapshot_count(covered);
    return tx.Audit(AuditOf(parts_, caller.actor(), "hold.create", record.id.hex(),
                            fmt::format(R"({{"{}":"{}","snapshots":{},"reason":{}}})",
                                        record.device ? "device" : "person",
                                        record.device ? record.device->hex() : record.person->hex(),
                                        covered, JsonText(record.reason))));
  });
}

grpc::Status RetentionServiceImpl::ListHolds(grpc::ServerContext* context,
                                             const v1::ListHoldsRequest* request,
                                             v1::ListHoldsResponse* response) {
  return gate_.Unary(method::kListHolds, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      response->Clear();
      MOORING_ASSIGN_OR_RETURN(const auto views, tx.holds().List(request->all()));
      for (const auto& view : views) *response->add_holds() = storage::HoldMessage(view);
      return absl::OkStatus();
    });
  });
}

grpc::Status RetentionServiceImpl::ReleaseHold(grpc::ServerContext* context,
                                               const v1::ReleaseHoldRequest* request,
                                               v1::ReleaseHoldResponse* response) {
  return gate_.Unary(method::kReleaseHold, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return RequestRelease(caller, ctx, *request, *response);
                     });
}

absl::Status RetentionServiceImpl::RequestRelease(const Caller& caller, const OpContext& ctx,
                                                  const v1::ReleaseHoldRequest& request,
                                                  v1::ReleaseHoldResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckReason(request.reason()));
  MOORING_ASSIGN_OR_RETURN(const auto id, IdFrom<storage::HoldId>(request.hold_id(), "hold_id"));
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto view, FindHold(tx, id));
    if (view.hold.released_at) {
      return absl::FailedPreconditionError(
          fmt::format("the hold was released before, by {}", view.hold.released_by));
    }
    storage::RequestRecord record =
        NewRequest(parts_, caller, v1::REQUEST_KIND_RELEASE_HOLD, request.reason());
    record.hold = id;
    if (view.hold.device) record.device = *view.hold.device;
    record.summary = fmt::format("release the hold on {} ({}), which keeps {} snapshots",
                                 DescribeHold(view), view.hold.reason, view.snapshot_count);
    MOORING_RETURN_IF_ERROR(tx.requests().Create(record));
    response.set_request_id(record.id.bytes());
    return tx.Audit(AuditOf(parts_, caller.actor(), "request.create", record.id.hex(),
                            fmt::format(R"({{"kind":"release_hold","hold":"{}"}})", id.hex())));
  });
}

grpc::Status RetentionServiceImpl::ConfirmHolds(grpc::ServerContext* context,
                                                const v1::ConfirmHoldsRequest* request,
                                                v1::ConfirmHoldsResponse* response) {
  return gate_.Unary(
      method::kConfirmHolds, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_RETURN_IF_ERROR(CheckReason(request->reason()));
        return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(const auto state, tx.prunes().Get(storage::RowLock::kExclusive));
          response->set_unchanged(state.stopped.empty());
          if (state.stopped.empty()) return absl::OkStatus();
          MOORING_RETURN_IF_ERROR(tx.prunes().SetStopped(""));
          return tx.Audit(
              AuditOf(parts_, caller.actor(), "hold.confirm", "repository",
                      fmt::format(R"({{"stopped":{},"reason":{}}})", JsonText(state.stopped),
                                  JsonText(request->reason()))));
        });
      });
}

grpc::Status RetentionServiceImpl::PinSnapshot(grpc::ServerContext* context,
                                               const v1::PinSnapshotRequest* request,
                                               v1::PinSnapshotResponse* response) {
  return gate_.Unary(method::kPinSnapshot, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Pin(caller, ctx, *request, *response);
                     });
}

absl::Status RetentionServiceImpl::Pin(const Caller& caller, const OpContext& ctx,
                                       const v1::PinSnapshotRequest& request,
                                       v1::PinSnapshotResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckReason(request.reason()));
  MOORING_ASSIGN_OR_RETURN(const SnapshotId id,
                           IdFrom<SnapshotId>(request.snapshot_id(), "snapshot_id"));
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    response.Clear();
    MOORING_RETURN_IF_ERROR(FindSnapshot(tx, id).status());
    const std::string detail = fmt::format(R"({{"reason":{}}})", JsonText(request.reason()));
    if (request.remove()) {
      MOORING_ASSIGN_OR_RETURN(const bool removed, tx.holds().Unpin(id));
      if (!removed) return absl::FailedPreconditionError("the snapshot is not pinned");
      return tx.Audit(AuditOf(parts_, caller.actor(), "snapshot.unpin", id.hex(), detail));
    }
    storage::PinRecord pin{.snapshot = id,
                           .pinned_by = caller.account,
                           .pinned_at = parts_.clock.Now(),
                           .until = std::nullopt,
                           .reason = request.reason()};
    if (request.has_until()) {
      pin.until = FromTimestamp(request.until());
      if (*pin.until <= pin.pinned_at) {
        return absl::InvalidArgumentError("a pin must end in the future");
      }
    }
    MOORING_RETURN_IF_ERROR(tx.holds().Pin(pin));
    *response.mutable_pin() = storage::PinMessage(pin);
    return tx.Audit(AuditOf(parts_, caller.actor(), "snapshot.pin", id.hex(), detail));
  });
}

grpc::Status RetentionServiceImpl::ResumePruning(grpc::ServerContext* context,
                                                 const v1::ResumePruningRequest* request,
                                                 v1::ResumePruningResponse* response) {
  return gate_.Unary(method::kResumePruning, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Resume(caller, ctx, *request, *response);
                     });
}

absl::Status RetentionServiceImpl::Resume(const Caller& caller, const OpContext& ctx,
                                          const v1::ResumePruningRequest& request,
                                          v1::ResumePruningResponse& response) {
  MOORING_RETURN_IF_ERROR(CheckReason(request.reason()));
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    response.Clear();
    MOORING_ASSIGN_OR_RETURN(const auto device, FindDevice(tx, request.device()));
    MOORING_ASSIGN_OR_RETURN(const auto input,
                             storage::ReadDeviceInput(tx, device.device.id, parts_.clock.Now()));
    for (const auto& [person, of_person] : input.people) {
      for (const v1::PruningPause& pause : of_person.input.pauses()) {
        *response.add_ended() = pause;
        storage::PauseMemoryRecord memory;
        memory.device = device.device.id;
        memory.lineage = pause.lineage();
        // What came up to now; what comes later is judged against it.
        for (const storage::SnapshotView& view : input.views) {
          if (view.snapshot.lineage != pause.lineage()) continue;
          memory.accepted_sequence = std::max(memory.accepted_sequence, view.snapshot.sequence);
        }
        MOORING_RETURN_IF_ERROR(tx.prunes().Remember(memory));
        MOORING_RETURN_IF_ERROR(tx.Audit(
            AuditOf(parts_, caller.actor(), "device.resume_pruning", device.device.id.hex(),
                    fmt::format(R"({{"lineage":{},"sequence":{},"reason":{}}})", memory.lineage,
                                memory.accepted_sequence, JsonText(request.reason())))));
      }
    }
    return absl::OkStatus();
  });
}

}  // namespace mooring::server
