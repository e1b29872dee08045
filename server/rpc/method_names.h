// Full names of the RPCs, as the permission table knows them. A test compares
// this list with the descriptors.

#pragma once

namespace mooring::server::method {

inline constexpr char kEnroll[] = "mooring.v1.EnrollmentService.Enroll";

inline constexpr char kControl[] = "mooring.v1.AgentService.Control";
inline constexpr char kRenewCertificate[] = "mooring.v1.AgentService.RenewCertificate";

inline constexpr char kBeginBackup[] = "mooring.v1.BackupService.BeginBackup";
inline constexpr char kFindChunks[] = "mooring.v1.BackupService.FindChunks";
inline constexpr char kUploadChunks[] = "mooring.v1.BackupService.UploadChunks";
inline constexpr char kReadBase[] = "mooring.v1.BackupService.ReadBase";
inline constexpr char kCommitSnapshot[] = "mooring.v1.BackupService.CommitSnapshot";
inline constexpr char kAbortBackup[] = "mooring.v1.BackupService.AbortBackup";

inline constexpr char kOpenSnapshot[] = "mooring.v1.RestoreService.OpenSnapshot";
inline constexpr char kReadChunks[] = "mooring.v1.RestoreService.ReadChunks";
inline constexpr char kFinishRestore[] = "mooring.v1.RestoreService.FinishRestore";

inline constexpr char kGetServerStatus[] = "mooring.v1.FleetService.GetServerStatus";
inline constexpr char kCreateInvitation[] = "mooring.v1.FleetService.CreateInvitation";
inline constexpr char kListInvitations[] = "mooring.v1.FleetService.ListInvitations";
inline constexpr char kRevokeInvitation[] = "mooring.v1.FleetService.RevokeInvitation";
inline constexpr char kListAgents[] = "mooring.v1.FleetService.ListAgents";
inline constexpr char kRevokeAgent[] = "mooring.v1.FleetService.RevokeAgent";
inline constexpr char kCreatePerson[] = "mooring.v1.FleetService.CreatePerson";
inline constexpr char kListPeople[] = "mooring.v1.FleetService.ListPeople";
inline constexpr char kListDevices[] = "mooring.v1.FleetService.ListDevices";
inline constexpr char kGetDevice[] = "mooring.v1.FleetService.GetDevice";
inline constexpr char kAssignDevice[] = "mooring.v1.FleetService.AssignDevice";
inline constexpr char kAdmitDevice[] = "mooring.v1.FleetService.AdmitDevice";
inline constexpr char kStartDeviceBackup[] = "mooring.v1.FleetService.StartDeviceBackup";
inline constexpr char kListSessions[] = "mooring.v1.FleetService.ListSessions";
inline constexpr char kWatchSessions[] = "mooring.v1.FleetService.WatchSessions";
inline constexpr char kListSnapshots[] = "mooring.v1.FleetService.ListSnapshots";
inline constexpr char kGetSnapshot[] = "mooring.v1.FleetService.GetSnapshot";
inline constexpr char kVerifySnapshot[] = "mooring.v1.FleetService.VerifySnapshot";
inline constexpr char kDeleteSnapshot[] = "mooring.v1.FleetService.DeleteSnapshot";

inline constexpr char kApplyPolicy[] = "mooring.v1.PolicyService.ApplyPolicy";
inline constexpr char kGetPolicy[] = "mooring.v1.PolicyService.GetPolicy";
inline constexpr char kListPolicies[] = "mooring.v1.PolicyService.ListPolicies";

inline constexpr char kGetComplianceReport[] = "mooring.v1.ReportService.GetComplianceReport";

inline constexpr char kWhoAmI[] = "mooring.v1.AccessService.WhoAmI";
inline constexpr char kCreateRestore[] = "mooring.v1.AccessService.CreateRestore";
inline constexpr char kGetRestore[] = "mooring.v1.AccessService.GetRestore";
inline constexpr char kListRestores[] = "mooring.v1.AccessService.ListRestores";
inline constexpr char kCreateExport[] = "mooring.v1.AccessService.CreateExport";
inline constexpr char kRedeemExport[] = "mooring.v1.AccessService.RedeemExport";
inline constexpr char kListRequests[] = "mooring.v1.AccessService.ListRequests";
inline constexpr char kApproveRequest[] = "mooring.v1.AccessService.ApproveRequest";
inline constexpr char kDenyRequest[] = "mooring.v1.AccessService.DenyRequest";

inline constexpr char kPruneRepository[] = "mooring.v1.RepositoryService.PruneRepository";

inline constexpr char kGetRepositoryHealth[] = "mooring.v1.CareService.GetRepositoryHealth";
inline constexpr char kScrubRepository[] = "mooring.v1.CareService.ScrubRepository";
inline constexpr char kSyncReplica[] = "mooring.v1.CareService.SyncReplica";
inline constexpr char kExportCatalog[] = "mooring.v1.CareService.ExportCatalog";
inline constexpr char kListCatalogExports[] = "mooring.v1.CareService.ListCatalogExports";
inline constexpr char kConfirmRebuild[] = "mooring.v1.CareService.ConfirmRebuild";
inline constexpr char kReconcileRepository[] = "mooring.v1.CareService.ReconcileRepository";
inline constexpr char kRunDrill[] = "mooring.v1.CareService.RunDrill";
inline constexpr char kListDrills[] = "mooring.v1.CareService.ListDrills";
inline constexpr char kCollectGarbage[] = "mooring.v1.CollectionService.CollectGarbage";
inline constexpr char kGetRepositoryStatus[] = "mooring.v1.CollectionService.GetRepositoryStatus";
inline constexpr char kClearCollectionStop[] = "mooring.v1.CollectionService.ClearCollectionStop";

inline constexpr char kPlanPolicy[] = "mooring.v1.RetentionService.PlanPolicy";
inline constexpr char kSimulatePolicy[] = "mooring.v1.RetentionService.SimulatePolicy";
inline constexpr char kExplainRetention[] = "mooring.v1.RetentionService.ExplainRetention";
inline constexpr char kCreateHold[] = "mooring.v1.RetentionService.CreateHold";
inline constexpr char kListHolds[] = "mooring.v1.RetentionService.ListHolds";
inline constexpr char kReleaseHold[] = "mooring.v1.RetentionService.ReleaseHold";
inline constexpr char kConfirmHolds[] = "mooring.v1.RetentionService.ConfirmHolds";
inline constexpr char kPinSnapshot[] = "mooring.v1.RetentionService.PinSnapshot";
inline constexpr char kResumePruning[] = "mooring.v1.RetentionService.ResumePruning";

}  // namespace mooring::server::method
