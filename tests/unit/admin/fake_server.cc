#include "tests/unit/admin/fake_server.h"

#include <algorithm>

#include <grpcpp/server_builder.h>

#include "proto/rpc_status.h"
#include "storage/base/bytes.h"

namespace mooring::testing {
namespace {

grpc::Status NotFound(const std::string& what) {
  return {grpc::StatusCode::NOT_FOUND, "there is no " + what};
}

// Notes the call and checks the token.
grpc::Status Enter(FakeState& state, const grpc::ServerContext& context, const char* method) {
  state.calls.emplace_back(method);
  const auto found = context.client_metadata().find("authorization");
  const std::string token = found == context.client_metadata().end()
                                ? ""
                                : std::string(found->second.data(), found->second.size());
  if (token != std::string("Bearer ") + kGoodToken) {
    return {grpc::StatusCode::UNAUTHENTICATED, "the token is not known"};
  }
  return grpc::Status::OK;
}

template <typename List>
auto* FindById(List& list, const std::string& id) {
  const auto found =
      std::find_if(list.begin(), list.end(), [&](const auto& item) { return item.id() == id; });
  return found == list.end() ? nullptr : &*found;
}

v1::Device* FindDevice(FakeState& state, const std::string& name) {
  for (v1::Device& device : *state.devices.mutable_devices()) {
    if (device.serial() == name || ToHex(AsBytes(device.id())) == name) return &device;
  }
  return nullptr;
}

v1::Request MakeRequest(FakeState& state, v1::RequestKind kind, const std::string& snapshot) {
  v1::Request request;
  request.set_id(FakeId(static_cast<char>('0' + state.requests.requests_size())));
  request.set_kind(kind);
  request.set_state(state.approves_at_once ? v1::REQUEST_STATE_APPROVED
                                           : v1::REQUEST_STATE_PENDING);
  request.set_requested_by(state.who.user());
  request.set_snapshot_id(snapshot);
  *state.requests.add_requests() = request;
  return request;
}

}  // namespace

#define FAKE_RPC(method)                                                                       \
  grpc::Status method(grpc::ServerContext* context, const v1::method##Request* request,        \
                      v1::method##Response* response) override {                               \
    if (grpc::Status entered = Enter(state, *context, #method); !entered.ok()) return entered; \
    return Do##method(*request, *response);                                                    \
  }                                                                                            \
  grpc::Status Do##method([[maybe_unused]] const v1::method##Request& request,                 \
                          [[maybe_unused]] v1::method##Response& response)

class FakeFleet final : public v1::FleetService::Service {
 public:
  explicit FakeFleet(FakeState& s) : state(s) {}

  FAKE_RPC(GetServerStatus) {
    response = state.status;
    return grpc::Status::OK;
  }
  FAKE_RPC(CreateInvitation) {
    state.last_invitation = request;
    response.set_token("mooring1.secret");
    response.mutable_invitation()->set_id(FakeId('i'));
    response.mutable_invitation()->set_uses_max(request.uses_max());
    return grpc::Status::OK;
  }
  FAKE_RPC(ListInvitations) {
    response = state.invitations;
    return grpc::Status::OK;
  }
  FAKE_RPC(RevokeInvitation) {
    auto* found = FindById(*state.invitations.mutable_invitations(), request.id());
    if (found == nullptr) return NotFound("invitation");
    found->set_revoked(true);
    return grpc::Status::OK;
  }
  FAKE_RPC(ListAgents) {
    response = state.agents;
    return grpc::Status::OK;
  }
  FAKE_RPC(RevokeAgent) {
    state.last_revoke = request;
    return grpc::Status::OK;
  }
  FAKE_RPC(CreatePerson) {
    state.last_person = request;
    for (const v1::Person& person : state.people.people()) {
      if (person.handle() == request.handle()) {
        return {grpc::StatusCode::ALREADY_EXISTS, "there is a person " + request.handle()};
      }
    }
    v1::Person* person = state.people.add_people();
    person->set_handle(request.handle());
    person->set_group(request.group().empty() ? "default" : request.group());
    *response.mutable_person() = *person;
    return grpc::Status::OK;
  }
  FAKE_RPC(ListPeople) {
    response = state.people;
    return grpc::Status::OK;
  }
  FAKE_RPC(ListDevices) {
    for (const v1::Device& device : state.devices.devices()) {
      if (request.person_handle().empty() || device.person_handle() == request.person_handle()) {
        *response.add_devices() = device;
      }
    }
    return grpc::Status::OK;
  }
  FAKE_RPC(GetDevice) {
    const v1::Device* device = FindDevice(state, request.device());
    if (device == nullptr) return NotFound("device " + request.device());
    *response.mutable_device() = *device;
    return grpc::Status::OK;
  }
  FAKE_RPC(AssignDevice) {
    state.last_assign = request;
    v1::Device* device = FindDevice(state, request.device());
    if (device == nullptr) return NotFound("device " + request.device());
    device->set_person_handle(request.person_handle());
    *response.mutable_device() = *device;
    return grpc::Status::OK;
  }
  FAKE_RPC(AdmitDevice) {
    state.last_admit = request;
    v1::Device* device = FindDevice(state, request.device());
    if (device == nullptr) return NotFound("device " + request.device());
    *response.mutable_device() = *device;
    return grpc::Status::OK;
  }
  FAKE_RPC(StartDeviceBackup) {
    state.last_backup = request;
    const v1::Device* device = FindDevice(state, request.device());
    if (device == nullptr) return NotFound("device " + request.device());
    if (device->person_handle().empty()) {
      return ToGrpcStatus(WithCause(absl::FailedPreconditionError("the phone has no person"),
                                    v1::CAUSE_NOT_ASSIGNED, "run `mooring device assign`"));
    }
    response.set_agent_id(FakeId('a'));
    return grpc::Status::OK;
  }
  FAKE_RPC(ListSessions) {
    response = state.sessions;
    return grpc::Status::OK;
  }
  FAKE_RPC(ListSnapshots) {
    response = state.snapshots;
    return grpc::Status::OK;
  }
  FAKE_RPC(GetSnapshot) {
    auto* found = FindById(*state.snapshots.mutable_snapshots(), request.snapshot_id());
    if (found == nullptr) return NotFound("snapshot");
    *response.mutable_snapshot() = *found;
    return grpc::Status::OK;
  }
  FAKE_RPC(DeleteSnapshot) {
    response.set_request_id(
        MakeRequest(state, v1::REQUEST_KIND_DELETE_SNAPSHOT, request.snapshot_id()).id());
    return grpc::Status::OK;
  }

  grpc::Status WatchSessions(grpc::ServerContext* context, const v1::WatchSessionsRequest*,
                             grpc::ServerWriter<v1::WatchSessionsResponse>* writer) override {
    if (grpc::Status s = Enter(state, *context, "WatchSessions"); !s.ok()) return s;
    for (const v1::Session& session : state.watched) {
      // What is listed follows what was told, as at the real server.
      if (auto* listed = FindById(*state.sessions.mutable_sessions(), session.id())) {
        *listed = session;
      }
      v1::WatchSessionsResponse response;
      *response.mutable_session() = session;
      writer->Write(response);
    }
    return grpc::Status::OK;
  }
  grpc::Status VerifySnapshot(grpc::ServerContext* context, const v1::VerifySnapshotRequest*,
                              grpc::ServerWriter<v1::VerifySnapshotResponse>* writer) override {
    if (grpc::Status s = Enter(state, *context, "VerifySnapshot"); !s.ok()) return s;
    for (const auto& response : state.verification) writer->Write(response);
    return grpc::Status::OK;
  }

  FakeState& state;
};

class FakePolicy final : public v1::PolicyService::Service {
 public:
  explicit FakePolicy(FakeState& s) : state(s) {}

  FAKE_RPC(ApplyPolicy) {
    if (state.lowers_retention) {
      response.set_request_id(FakeId('q'));
      response.add_lowered("daily from 7 to 3");
      return grpc::Status::OK;
    }
    response.set_unchanged(request.policy().SerializeAsString() ==
                           state.last_policy.policy().SerializeAsString());
    state.last_policy = request;
    *response.mutable_policy()->mutable_policy() = request.policy();
    response.mutable_policy()->set_version(3);
    return grpc::Status::OK;
  }
  FAKE_RPC(GetPolicy) {
    for (const v1::StoredPolicy& stored : state.policies.policies()) {
      if (stored.policy().group() == request.group()) {
        *response.mutable_policy() = stored;
        return grpc::Status::OK;
      }
    }
    return NotFound("policy " + request.group());
  }
  FAKE_RPC(ListPolicies) {
    response = state.policies;
    return grpc::Status::OK;
  }

  FakeState& state;
};

class FakeReport final : public v1::ReportService::Service {
 public:
  explicit FakeReport(FakeState& s) : state(s) {}

  FAKE_RPC(GetComplianceReport) {
    response = state.report;
    return grpc::Status::OK;
  }

  FakeState& state;
};

class FakeRepository final : public v1::RepositoryService::Service {
 public:
  explicit FakeRepository(FakeState& s) : state(s) {}

  FAKE_RPC(PruneRepository) {
    state.last_prune = request;
    response = state.prune;
    response.set_applied(!request.plan());
    return grpc::Status::OK;
  }

  FakeState& state;
};

class FakeCare final : public v1::CareService::Service {
 public:
  explicit FakeCare(FakeState& s) : state(s) {}

  FAKE_RPC(GetRepositoryHealth) {
    response = state.health;
    return grpc::Status::OK;
  }
  FAKE_RPC(ExportCatalog) {
    response = state.catalog_export;
    return grpc::Status::OK;
  }
  FAKE_RPC(ListCatalogExports) {
    response = state.catalog_exports;
    return grpc::Status::OK;
  }
  FAKE_RPC(ConfirmRebuild) {
    response = state.confirm;
    return grpc::Status::OK;
  }
  FAKE_RPC(ListDrills) {
    response = state.drills;
    return grpc::Status::OK;
  }

  grpc::Status ScrubRepository(grpc::ServerContext* context,
                               const v1::ScrubRepositoryRequest* request,
                               grpc::ServerWriter<v1::ScrubRepositoryResponse>* writer) override {
    state.last_scrub = *request;
    return Send(*context, "ScrubRepository", state.scrub, *writer);
  }
  grpc::Status SyncReplica(grpc::ServerContext* context, const v1::SyncReplicaRequest* request,
                           grpc::ServerWriter<v1::SyncReplicaResponse>* writer) override {
    state.last_sync = *request;
    return Send(*context, "SyncReplica", state.sync, *writer);
  }
  grpc::Status ReconcileRepository(
      grpc::ServerContext* context, const v1::ReconcileRepositoryRequest*,
      grpc::ServerWriter<v1::ReconcileRepositoryResponse>* writer) override {
    return Send(*context, "ReconcileRepository", state.reconciliation, *writer);
  }
  grpc::Status RunDrill(grpc::ServerContext* context, const v1::RunDrillRequest* request,
                        grpc::ServerWriter<v1::RunDrillResponse>* writer) override {
    state.last_drill = *request;
    return Send(*context, "RunDrill", state.drill, *writer);
  }

 private:
  template <typename Message>
  grpc::Status Send(const grpc::ServerContext& context, const char* method,
                    const std::vector<Message>& messages, grpc::ServerWriter<Message>& writer) {
    if (grpc::Status entered = Enter(state, context, method); !entered.ok()) return entered;
    for (const Message& message : messages) writer.Write(message);
    return grpc::Status::OK;
  }

  FakeState& state;
};

class FakeRetention final : public v1::RetentionService::Service {
 public:
  explicit FakeRetention(FakeState& s) : state(s) {}

  FAKE_RPC(PlanPolicy) {
    state.last_plan = request;
    response = state.policy_plan;
    return grpc::Status::OK;
  }
  FAKE_RPC(SimulatePolicy) {
    state.last_simulation = request;
    response = state.simulated;
    return grpc::Status::OK;
  }
  FAKE_RPC(ExplainRetention) {
    state.last_explain = request;
    if (!request.device().empty() && FindDevice(state, request.device()) == nullptr) {
      return NotFound("device " + request.device());
    }
    response = state.explained;
    return grpc::Status::OK;
  }
  FAKE_RPC(CreateHold) {
    v1::Hold& hold = *state.holds.add_holds();
    hold.set_id(FakeId('h'));
    hold.set_device_id(request.device().empty() ? "" : FakeId('d'));
    hold.set_serial(request.device());
    hold.set_person_handle(request.person_handle());
    hold.set_reason(request.reason());
    hold.set_snapshot_count(2);
    *response.mutable_hold() = hold;
    return grpc::Status::OK;
  }
  FAKE_RPC(ListHolds) {
    response = state.holds;
    return grpc::Status::OK;
  }
  FAKE_RPC(ReleaseHold) {
    if (FindById(*state.holds.mutable_holds(), request.hold_id()) == nullptr) {
      return NotFound("hold");
    }
    response.set_request_id(MakeRequest(state, v1::REQUEST_KIND_RELEASE_HOLD, "").id());
    return grpc::Status::OK;
  }
  FAKE_RPC(ConfirmHolds) { return grpc::Status::OK; }
  FAKE_RPC(PinSnapshot) {
    state.last_pin = request;
    if (!request.remove()) {
      response.mutable_pin()->set_snapshot_id(request.snapshot_id());
      if (request.has_until()) *response.mutable_pin()->mutable_until() = request.until();
    }
    return grpc::Status::OK;
  }
  FAKE_RPC(ResumePruning) {
    if (FindDevice(state, request.device()) == nullptr) {
      return NotFound("device " + request.device());
    }
    response = state.resumed;
    return grpc::Status::OK;
  }

  FakeState& state;
};

class FakeAccess final : public v1::AccessService::Service {
 public:
  explicit FakeAccess(FakeState& s) : state(s) {}

  FAKE_RPC(WhoAmI) {
    response = state.who;
    return grpc::Status::OK;
  }
  FAKE_RPC(CreateRestore) {
    state.last_restore = request;
    if (FindDevice(state, request.from_device()) == nullptr) {
      return NotFound("device " + request.from_device());
    }
    *response.mutable_request() = MakeRequest(state, v1::REQUEST_KIND_RESTORE, FakeId('s'));
    response.set_restore_id(FakeId('r'));
    return grpc::Status::OK;
  }
  FAKE_RPC(GetRestore) {
    auto* found = FindById(*state.restores.mutable_restores(), request.restore_id());
    if (found == nullptr) return NotFound("restore");
    *response.mutable_restore() = *found;
    return grpc::Status::OK;
  }
  FAKE_RPC(ListRestores) {
    response = state.restores;
    return grpc::Status::OK;
  }
  FAKE_RPC(CreateExport) {
    *response.mutable_request() =
        MakeRequest(state, v1::REQUEST_KIND_EXPORT, request.snapshot_id());
    return grpc::Status::OK;
  }
  FAKE_RPC(RedeemExport) {
    auto* found = FindById(*state.requests.mutable_requests(), request.request_id());
    const bool used =
        std::count(state.redeemed.begin(), state.redeemed.end(), request.request_id()) > 0;
    if (found == nullptr || found->state() != v1::REQUEST_STATE_APPROVED || used) {
      return {grpc::StatusCode::FAILED_PRECONDITION, "the request has no grant to give"};
    }
    state.redeemed.push_back(request.request_id());
    response.set_grant_code("grant");
    return grpc::Status::OK;
  }
  FAKE_RPC(ListRequests) {
    for (const v1::Request& one : state.requests.requests()) {
      if (request.state() == v1::REQUEST_STATE_UNSPECIFIED || one.state() == request.state()) {
        *response.add_requests() = one;
      }
    }
    return grpc::Status::OK;
  }
  FAKE_RPC(ApproveRequest) {
    auto* found = FindById(*state.requests.mutable_requests(), request.request_id());
    if (found == nullptr) return NotFound("request");
    found->set_state(v1::REQUEST_STATE_APPROVED);
    *response.mutable_request() = *found;
    return grpc::Status::OK;
  }
  FAKE_RPC(DenyRequest) {
    auto* found = FindById(*state.requests.mutable_requests(), request.request_id());
    if (found == nullptr) return NotFound("request");
    found->set_state(v1::REQUEST_STATE_DENIED);
    *response.mutable_request() = *found;
    return grpc::Status::OK;
  }

  FakeState& state;
};

class FakeRestore final : public v1::RestoreService::Service {
 public:
  explicit FakeRestore(FakeState& s) : state(s) {}

  FAKE_RPC(OpenSnapshot) { return state.open(request, response); }
  FAKE_RPC(FinishRestore) {
    state.last_finish = request;
    return grpc::Status::OK;
  }
  grpc::Status ReadChunks(grpc::ServerContext* context, const v1::ReadChunksRequest* request,
                          grpc::ServerWriter<v1::ReadChunksResponse>* writer) override {
    if (grpc::Status s = Enter(state, *context, "ReadChunks"); !s.ok()) return s;
    return state.read(*request, [&](const auto& response) { return writer->Write(response); });
  }

  FakeState& state;
};

#undef FAKE_RPC

struct FakeServer::Services {
  explicit Services(FakeState& state)
      : fleet(state),
        policy(state),
        report(state),
        repository(state),
        care(state),
        retention(state),
        access(state),
        restore(state) {}

  FakeFleet fleet;
  FakePolicy policy;
  FakeReport report;
  FakeRepository repository;
  FakeCare care;
  FakeRetention retention;
  FakeAccess access;
  FakeRestore restore;
};

FakeServer::FakeServer()
    : state_(std::make_unique<FakeState>()), services_(std::make_unique<Services>(*state_)) {
  state_->who.set_user("ada");
  grpc::ServerBuilder builder;
  builder.RegisterService(&services_->fleet);
  builder.RegisterService(&services_->policy);
  builder.RegisterService(&services_->report);
  builder.RegisterService(&services_->repository);
  builder.RegisterService(&services_->care);
  builder.RegisterService(&services_->retention);
  builder.RegisterService(&services_->access);
  builder.RegisterService(&services_->restore);
  server_ = builder.BuildAndStart();
}

FakeServer::~FakeServer() {
  Stop();
}

void FakeServer::Stop() {
  if (server_ != nullptr) server_->Shutdown();
  server_.reset();
}

std::shared_ptr<grpc::Channel> FakeServer::channel() {
  return server_->InProcessChannel({});
}

std::string FakeId(char c) {
  return std::string(16, c);
}

}  // namespace mooring::testing
