// FakeServer: the services that the CLI calls, over an in-process channel, with
// answers that a test sets. It checks the token and refuses what is not there,
// as the real one does.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/server.h>

#include "mooring/v1/access.grpc.pb.h"
#include "mooring/v1/care.grpc.pb.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "mooring/v1/policy.grpc.pb.h"
#include "mooring/v1/report.grpc.pb.h"
#include "mooring/v1/repository.grpc.pb.h"
#include "mooring/v1/restore.grpc.pb.h"
#include "mooring/v1/retention.grpc.pb.h"

namespace mooring::testing {

inline constexpr char kGoodToken[] = "good-token";

// What the fake answers with and what it was asked. Set between commands only.
struct FakeState {
  v1::WhoAmIResponse who;
  v1::GetServerStatusResponse status;
  v1::ListInvitationsResponse invitations;
  v1::ListAgentsResponse agents;
  v1::ListPeopleResponse people;
  v1::ListDevicesResponse devices;
  v1::ListSessionsResponse sessions;
  // Sent to every watcher; then the stream ends.
  std::vector<v1::Session> watched;
  v1::ListSnapshotsResponse snapshots;
  std::vector<v1::VerifySnapshotResponse> verification;
  v1::ListPoliciesResponse policies;
  v1::GetComplianceReportResponse report;
  v1::ListRequestsResponse requests;
  v1::ListRestoresResponse restores;
  v1::PruneRepositoryResponse prune;
  v1::GetRepositoryHealthResponse health;
  std::vector<v1::ScrubRepositoryResponse> scrub;
  std::vector<v1::SyncReplicaResponse> sync;
  std::vector<v1::RunDrillResponse> drill;
  std::vector<v1::ReconcileRepositoryResponse> reconciliation;
  v1::ListDrillsResponse drills;
  v1::ExportCatalogResponse catalog_export;
  v1::ListCatalogExportsResponse catalog_exports;
  v1::ConfirmRebuildResponse confirm;
  v1::ListHoldsResponse holds;
  v1::PlanPolicyResponse policy_plan;
  v1::SimulatePolicyResponse simulated;
  v1::ExplainRetentionResponse explained;
  v1::ResumePruningResponse resumed;
  // A policy that is applied keeps less than before.
  bool lowers_retention = false;

  // Requests that are made turn out approved.
  bool approves_at_once = false;
  // Grants that were handed out; a second time is refused.
  std::vector<std::string> redeemed;
  // Everything that was asked for, as "Method".
  std::vector<std::string> calls;
  v1::CreateInvitationRequest last_invitation;
  v1::CreatePersonRequest last_person;
  v1::AdmitDeviceRequest last_admit;
  v1::AssignDeviceRequest last_assign;
  v1::StartDeviceBackupRequest last_backup;
  v1::PruneRepositoryRequest last_prune;
  v1::ScrubRepositoryRequest last_scrub;
  v1::SyncReplicaRequest last_sync;
  v1::RunDrillRequest last_drill;
  v1::ApplyPolicyRequest last_policy;
  v1::CreateRestoreRequest last_restore;
  v1::RevokeAgentRequest last_revoke;
  v1::FinishRestoreRequest last_finish;
  v1::PinSnapshotRequest last_pin;
  v1::PlanPolicyRequest last_plan;
  v1::ExplainRetentionRequest last_explain;
  v1::SimulatePolicyRequest last_simulation;

  // What opens and reads snapshots.
  std::function<grpc::Status(const v1::OpenSnapshotRequest&, v1::OpenSnapshotResponse&)> open;
  std::function<grpc::Status(const v1::ReadChunksRequest&,
                             const std::function<bool(const v1::ReadChunksResponse&)>&)>
      read;
};

class FakeServer {
 public:
  FakeServer();
  ~FakeServer();

  FakeState& state() { return *state_; }
  std::shared_ptr<grpc::Channel> channel();
  void Stop();

 private:
  struct Services;

  std::unique_ptr<FakeState> state_;
  std::unique_ptr<Services> services_;
  std::unique_ptr<grpc::Server> server_;
};

// Sixteen bytes, all `c`.
std::string FakeId(char c);

}  // namespace mooring::testing
