// The part of FleetService that is about phones and sessions.

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "server/log/json_text.h"
#include "server/rpc/method_names.h"
#include "server/services/fleet_service.h"
#include "server/services/lookups.h"
#include "server/services/records.h"
#include "server/services/sessions_elsewhere.h"
#include "storage/base/status.h"
#include "storage/catalog/hold_store.h"
#include "storage/retention/fleet_input.h"

namespace mooring::server {
namespace {

constexpr std::uint32_t kSessionsDefault = 100;
constexpr std::uint32_t kSessionsMax = 10'000;
constexpr absl::Duration kWatchRound = absl::Seconds(1);

absl::Status NotPluggedIn() {
  return absl::FailedPreconditionError("the phone is not plugged in at any agent now");
}

// What keeps the device's snapshots beyond the rules.
absl::Status AddRetention(storage::Transaction& tx, absl::Time now, const storage::DeviceView& view,
                          v1::Device& message) {
  MOORING_ASSIGN_OR_RETURN(const auto input, storage::ReadDeviceInput(tx, view.device.id, now));
  for (const auto& [person, of_person] : input.people) {
    for (const v1::PruningPause& pause : of_person.input.pauses()) {
      if (pause.lineage() == view.device.lineage) *message.mutable_pruning_pause() = pause;
    }
  }
  MOORING_ASSIGN_OR_RETURN(const auto holds, tx.holds().ListForDevice(view.device.id));
  for (const storage::HoldView& hold : holds) *message.add_holds() = storage::HoldMessage(hold);
  return absl::OkStatus();
}

}  // namespace

grpc::Status FleetServiceImpl::ListDevices(grpc::ServerContext* context,
                                           const v1::ListDevicesRequest* request,
                                           v1::ListDevicesResponse* response) {
  return gate_.Unary(method::kListDevices, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      response->Clear();
      std::optional<PersonId> person;
      if (!request->person_handle().empty()) {
        MOORING_ASSIGN_OR_RETURN(const auto found, FindPerson(tx, request->person_handle()));
        person = found.id;
      }
      MOORING_ASSIGN_OR_RETURN(const PolicyMap policies, PoliciesInForce(tx));
      MOORING_ASSIGN_OR_RETURN(const auto views, tx.devices().List(person));
      for (const auto& view : views) {
        *response->add_devices() = DeviceMessage(parts_, policies, view);
      }
      return absl::OkStatus();
    });
  });
}

grpc::Status FleetServiceImpl::GetDevice(grpc::ServerContext* context,
                                         const v1::GetDeviceRequest* request,
                                         v1::GetDeviceResponse* response) {
  return gate_.Unary(method::kGetDevice, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto view, FindDevice(tx, request->device()));
      MOORING_ASSIGN_OR_RETURN(const PolicyMap policies, PoliciesInForce(tx));
      *response->mutable_device() = DeviceMessage(parts_, policies, view);
      storage::SnapshotFilter of_device;
      of_device.device = view.device.id;
      MOORING_ASSIGN_OR_RETURN(const auto snapshots, tx.snapshots().List(of_device));
      response->mutable_device()->set_damaged_snapshots(static_cast<std::uint64_t>(std::count_if(
          snapshots.begin(), snapshots.end(),
          [](const storage::SnapshotView& one) { return one.snapshot.damaged_chunks > 0; })));
      return AddRetention(tx, parts_.clock.Now(), view, *response->mutable_device());
    });
  });
}

grpc::Status FleetServiceImpl::AssignDevice(grpc::ServerContext* context,
                                            const v1::AssignDeviceRequest* request,
                                            v1::AssignDeviceResponse* response) {
  return gate_.Unary(method::kAssignDevice, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Assign(caller, ctx, *request, *response);
                     });
}

absl::Status FleetServiceImpl::Assign(const Caller& caller, const OpContext& ctx,
                                      const v1::AssignDeviceRequest& request,
                                      v1::AssignDeviceResponse& response) {
  std::optional<DeviceId> handed_over;
  std::string serial;
  const absl::Status assigned =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        handed_over.reset();
        MOORING_ASSIGN_OR_RETURN(const auto before, FindDevice(tx, request.device()));
        MOORING_ASSIGN_OR_RETURN(const auto person, FindPerson(tx, request.person_handle()));
        MOORING_ASSIGN_OR_RETURN(const auto after,
                                 tx.devices().Assign(before.device.id, person.id));
        if (before.device.person && before.device.person != person.id) {
          handed_over = before.device.id;
        }
        serial = after.serial;
        MOORING_RETURN_IF_ERROR(tx.Audit(AuditOf(
            parts_, caller.actor(), "device.assign", after.id.hex(),
            fmt::format(R"({{"person":"{}","lineage":{}}})", person.id.hex(), after.lineage))));
        MOORING_ASSIGN_OR_RETURN(const auto view, FindDevice(tx, after.serial));
        MOORING_ASSIGN_OR_RETURN(const PolicyMap policies, PoliciesInForce(tx));
        *response.mutable_device() = DeviceMessage(parts_, policies, view);
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(assigned);
  if (handed_over) {
    // A backup that runs is of the owner before.
    MOORING_RETURN_IF_ERROR(sessions_.Cancel(ctx, *handed_over, v1::CAUSE_CANCELLED,
                                             "the phone was given to another person"));
  }
  standings_.Push(ctx, serial);
  return absl::OkStatus();
}

grpc::Status FleetServiceImpl::AdmitDevice(grpc::ServerContext* context,
                                           const v1::AdmitDeviceRequest* request,
                                           v1::AdmitDeviceResponse* response) {
  return gate_.Unary(method::kAdmitDevice, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return Admit(caller, ctx, *request, *response);
                     });
}

absl::Status FleetServiceImpl::Admit(const Caller& caller, const OpContext& ctx,
                                     const v1::AdmitDeviceRequest& request,
                                     v1::AdmitDeviceResponse& response) {
  MOORING_ASSIGN_OR_RETURN(const AgentId agent, IdFrom<AgentId>(request.agent_id(), "agent_id"));
  std::string serial;
  const absl::Status admitted =
      parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto before, FindDevice(tx, request.device()));
        serial = before.device.serial;
        const DeviceId& id = before.device.id;
        if (request.withdraw()) {
          MOORING_RETURN_IF_ERROR(tx.devices().Withdraw(id, agent));
        } else if (!before.device.person) {
          return absl::FailedPreconditionError("the phone is bound to nobody; assign it first");
        } else {
          MOORING_RETURN_IF_ERROR(
              tx.devices().Admit(id, agent, caller.account, parts_.clock.Now()));
        }
        MOORING_RETURN_IF_ERROR(tx.Audit(
            AuditOf(parts_, caller.actor(), request.withdraw() ? "device.withdraw" : "device.admit",
                    id.hex(), fmt::format(R"({{"agent":"{}"}})", agent.hex()))));
        MOORING_ASSIGN_OR_RETURN(const auto view, FindDevice(tx, serial));
        MOORING_ASSIGN_OR_RETURN(const PolicyMap policies, PoliciesInForce(tx));
        *response.mutable_device() = DeviceMessage(parts_, policies, view);
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(admitted);
  standings_.Push(ctx, serial);
  return absl::OkStatus();
}

grpc::Status FleetServiceImpl::StartDeviceBackup(grpc::ServerContext* context,
                                                 const v1::StartDeviceBackupRequest* request,
                                                 v1::StartDeviceBackupResponse* response) {
  return gate_.Unary(method::kStartDeviceBackup, *context,
                     [&](const Caller& caller, const OpContext& ctx) {
                       return OrderBackup(caller, ctx, *request, *response);
                     });
}

absl::Status FleetServiceImpl::OrderBackup(const Caller& caller, const OpContext& ctx,
                                           const v1::StartDeviceBackupRequest& request,
                                           v1::StartDeviceBackupResponse& response) {
  std::optional<storage::DeviceView> view;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(view, FindDevice(tx, request.device()));
    if (!view->device.person) {
      return absl::FailedPreconditionError(
          "the phone is bound to nobody, so nothing is read from it; assign it first");
    }
    const auto& agent = view->device.attached_agent;
    if (!agent || !parts_.hub.IsOnline(*agent)) return NotPluggedIn();
    return tx.Audit(AuditOf(parts_, caller.actor(), "device.backup_order", view->device.id.hex()));
  });
  MOORING_RETURN_IF_ERROR(read);
  v1::ControlResponse order;
  order.mutable_start_backup()->set_serial(view->device.serial);
  *order.mutable_start_backup()->mutable_captures() = request.captures();
  if (request.captures().empty()) {
    order.mutable_start_backup()->add_captures(v1::CAPTURE_KIND_FULL);
  }
  // It may have left in between.
  if (!parts_.hub.Send(*view->device.attached_agent, order).ok()) return NotPluggedIn();
  response.set_agent_id(view->device.attached_agent->bytes());
  return absl::OkStatus();
}

grpc::Status FleetServiceImpl::ListSessions(grpc::ServerContext* context,
                                            const v1::ListSessionsRequest* request,
                                            v1::ListSessionsResponse* response) {
  return gate_.Unary(method::kListSessions, *context, [&](const Caller&, const OpContext& ctx) {
    return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
      response->Clear();
      storage::SessionFilter filter;
      filter.limit =
          request->limit() == 0 ? kSessionsDefault : std::min(request->limit(), kSessionsMax);
      if (!request->device().empty()) {
        MOORING_ASSIGN_OR_RETURN(const auto device, FindDevice(tx, request->device()));
        filter.device = device.device.id;
      }
      MOORING_ASSIGN_OR_RETURN(const auto views, tx.sessions().List(filter));
      for (const auto& view : views) {
        // The board has heard from those that run since their row was written.
        const auto running = parts_.board.Find(view.session.id);
        *response->add_sessions() = running ? *running : ToMessage(view);
      }
      return absl::OkStatus();
    });
  });
}

grpc::Status FleetServiceImpl::WatchSessions(
    grpc::ServerContext* context, const v1::WatchSessionsRequest* request,
    grpc::ServerWriter<v1::WatchSessionsResponse>* writer) {
  return gate_.Stream(method::kWatchSessions, *context, [&](const Caller&, const OpContext& ctx) {
    return Watch(ctx, *context, *request, *writer);
  });
}

absl::Status FleetServiceImpl::Watch(const OpContext& ctx, grpc::ServerContext& context,
                                     const v1::WatchSessionsRequest& request,
                                     grpc::ServerWriter<v1::WatchSessionsResponse>& writer) {
  std::string serial;
  if (!request.device().empty()) {
    const absl::Status read =
        parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(const auto device, FindDevice(tx, request.device()));
          serial = device.device.serial;
          return absl::OkStatus();
        });
    MOORING_RETURN_IF_ERROR(read);
  }
  std::uint64_t seen = 0;
  absl::Duration wait = absl::ZeroDuration();
  v1::WatchSessionsResponse response;
  SessionsElsewhere elsewhere(parts_);
  while (!context.IsCancelled()) {
    if (gate_.drain().stop_requested()) {
      return absl::CancelledError("the server is shutting down");
    }
    for (v1::Session& session : parts_.board.ChangedSince(seen, wait, gate_.drain())) {
      if (!serial.empty() && session.serial() != serial) continue;
      *response.mutable_session() = std::move(session);
      if (!writer.Write(response)) return absl::OkStatus();
    }
    MOORING_ASSIGN_OR_RETURN(const std::vector<v1::Session> changed, elsewhere.Changed(ctx));
    for (const v1::Session& session : changed) {
      if (!serial.empty() && session.serial() != serial) continue;
      *response.mutable_session() = session;
      if (!writer.Write(response)) return absl::OkStatus();
    }
    wait = kWatchRound;
  }
  return absl::OkStatus();
}

}  // namespace mooring::server
