// FleetService: people, phones, agents, sessions and snapshots, for administrators.

#pragma once

#include <string>

#include "mooring/v1/fleet.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/server_parts.h"
#include "server/services/session_desk.h"
#include "server/services/standings.h"

namespace mooring::server {

class FleetServiceImpl final : public v1::FleetService::Service {
 public:
  FleetServiceImpl(RpcGate& gate, ServerParts& parts, Standings& standings, SessionDesk& sessions)
      : gate_(gate), parts_(parts), standings_(standings), sessions_(sessions) {}

  grpc::Status GetServerStatus(grpc::ServerContext* context,
                               const v1::GetServerStatusRequest* request,
                               v1::GetServerStatusResponse* response) override;
  grpc::Status CreateInvitation(grpc::ServerContext* context,
                                const v1::CreateInvitationRequest* request,
                                v1::CreateInvitationResponse* response) override;
  grpc::Status ListInvitations(grpc::ServerContext* context,
                               const v1::ListInvitationsRequest* request,
                               v1::ListInvitationsResponse* response) override;
  grpc::Status RevokeInvitation(grpc::ServerContext* context,
                                const v1::RevokeInvitationRequest* request,
                                v1::RevokeInvitationResponse* response) override;
  grpc::Status ListAgents(grpc::ServerContext* context, const v1::ListAgentsRequest* request,
                          v1::ListAgentsResponse* response) override;
  grpc::Status RevokeAgent(grpc::ServerContext* context, const v1::RevokeAgentRequest* request,
                           v1::RevokeAgentResponse* response) override;
  grpc::Status CreatePerson(grpc::ServerContext* context, const v1::CreatePersonRequest* request,
                            v1::CreatePersonResponse* response) override;
  grpc::Status ListPeople(grpc::ServerContext* context, const v1::ListPeopleRequest* request,
                          v1::ListPeopleResponse* response) override;
  grpc::Status ListDevices(grpc::ServerContext* context, const v1::ListDevicesRequest* request,
                           v1::ListDevicesResponse* response) override;
  grpc::Status GetDevice(grpc::ServerContext* context, const v1::GetDeviceRequest* request,
                         v1::GetDeviceResponse* response) override;
  grpc::Status AssignDevice(grpc::ServerContext* context, const v1::AssignDeviceRequest* request,
                            v1::AssignDeviceResponse* response) override;
  grpc::Status AdmitDevice(grpc::ServerContext* context, const v1::AdmitDeviceRequest* request,
                           v1::AdmitDeviceResponse* response) override;
  grpc::Status StartDeviceBackup(grpc::ServerContext* context,
                                 const v1::StartDeviceBackupRequest* request,
                                 v1::StartDeviceBackupResponse* response) override;
  grpc::Status ListSessions(grpc::ServerContext* context, const v1::ListSessionsRequest* request,
                            v1::ListSessionsResponse* response) override;
  grpc::Status WatchSessions(grpc::ServerContext* context, const v1::WatchSessionsRequest* request,
                             grpc::ServerWriter<v1::WatchSessionsResponse>* writer) override;
  grpc::Status ListSnapshots(grpc::ServerContext* context, const v1::ListSnapshotsRequest* request,
                             v1::ListSnapshotsResponse* response) override;
  grpc::Status GetSnapshot(grpc::ServerContext* context, const v1::GetSnapshotRequest* request,
                           v1::GetSnapshotResponse* response) override;
  grpc::Status VerifySnapshot(grpc::ServerContext* context,
                              const v1::VerifySnapshotRequest* request,
                              grpc::ServerWriter<v1::VerifySnapshotResponse>* writer) override;
  grpc::Status DeleteSnapshot(grpc::ServerContext* context,
                              const v1::DeleteSnapshotRequest* request,
                              v1::DeleteSnapshotResponse* response) override;

 private:
  absl::Status Status(const OpContext& ctx, v1::GetServerStatusResponse& response);
  absl::Status Invite(const Caller& caller, const OpContext& ctx,
                      const v1::CreateInvitationRequest& request,
                      v1::CreateInvitationResponse& response);
  absl::Status NewPerson(const Caller& caller, const OpContext& ctx,
                         const v1::CreatePersonRequest& request,
                         v1::CreatePersonResponse& response);
  absl::Status Assign(const Caller& caller, const OpContext& ctx,
                      const v1::AssignDeviceRequest& request, v1::AssignDeviceResponse& response);
  absl::Status Admit(const Caller& caller, const OpContext& ctx,
                     const v1::AdmitDeviceRequest& request, v1::AdmitDeviceResponse& response);
  absl::Status OrderBackup(const Caller& caller, const OpContext& ctx,
                           const v1::StartDeviceBackupRequest& request,
                           v1::StartDeviceBackupResponse& response);
  absl::Status RevokeOne(const Caller& caller, const OpContext& ctx,
                         const v1::RevokeAgentRequest& request);
  absl::Status Snapshots(const OpContext& ctx, const v1::ListSnapshotsRequest& request,
                         v1::ListSnapshotsResponse& response);
  absl::Status RequestDeletion(const Caller& caller, const OpContext& ctx,
                               const v1::DeleteSnapshotRequest& request,
                               v1::DeleteSnapshotResponse& response);
  absl::Status Watch(const OpContext& ctx, grpc::ServerContext& context,
                     const v1::WatchSessionsRequest& request,
                     grpc::ServerWriter<v1::WatchSessionsResponse>& writer);

  RpcGate& gate_;
  ServerParts& parts_;
  Standings& standings_;
  SessionDesk& sessions_;
};

}  // namespace mooring::server
