// The names of all metrics, in one place: dashboards and alerts are written
// against them. Labels are bounded; none holds a device or a person.

#pragma once

namespace mooring::server::metric {

inline constexpr char kBuildInfo[] = "mooring_build_info";                       // version
inline constexpr char kDevices[] = "mooring_devices";                            // state, platform
inline constexpr char kAttainment[] = "mooring_rpo_attainment_ratio";            // group
inline constexpr char kOverdue[] = "mooring_devices_overdue";                    // group, cause
inline constexpr char kLastSuccessAge[] = "mooring_last_success_age_seconds";    // histogram
inline constexpr char kPeopleWithoutDevice[] = "mooring_people_without_device";  // group
inline constexpr char kSessions[] = "mooring_sessions";  // phase, waiting_for
inline constexpr char kSessionsMax[] = "mooring_sessions_max";
inline constexpr char kSessionsQueued[] = "mooring_sessions_queued";
inline constexpr char kSessionFailures[] = "mooring_session_failures_total";  // cause
inline constexpr char kSnapshotsCommitted[] = "mooring_snapshots_committed_total";
inline constexpr char kIngestBytes[] = "mooring_ingest_bytes_total";  // kind
inline constexpr char kStoreBytes[] = "mooring_store_bytes";          // kind
inline constexpr char kSnapshots[] = "mooring_snapshots";
inline constexpr char kPeople[] = "mooring_people";
inline constexpr char kAgents[] = "mooring_agents";                                 // state
inline constexpr char kAgentLastSeen[] = "mooring_agent_last_seen_age_seconds";     // the oldest
inline constexpr char kRequestSeconds[] = "mooring_request_seconds";                // method
inline constexpr char kRequests[] = "mooring_requests_total";                       // method, code
inline constexpr char kCertificateExpiry[] = "mooring_certificate_expiry_seconds";  // certificate
inline constexpr char kLostChunks[] = "mooring_lost_chunks";
inline constexpr char kDamagedSnapshots[] = "mooring_damaged_snapshots";
inline constexpr char kFindings[] = "mooring_repository_findings";
inline constexpr char kScrubAge[] = "mooring_scrub_age_seconds";          // of the pack longest ago
inline constexpr char kScrubOverdue[] = "mooring_scrub_overdue_seconds";  // beyond scrub_days
inline constexpr char kReplicaLag[] = "mooring_replica_lag_seconds";      // where one is configured
inline constexpr char kReplicaBehindBytes[] = "mooring_replica_behind_bytes";
inline constexpr char kCatalogExportAge[] = "mooring_catalog_export_age_seconds";
inline constexpr char kDrillAge[] = "mooring_drill_age_seconds";
inline constexpr char kDrillsFailed[] = "mooring_drills_failed";  // open findings of drills
inline constexpr char kRebuildUnconfirmed[] = "mooring_rebuild_unconfirmed";
inline constexpr char kPruningPaused[] = "mooring_pruning_paused_devices";  // cause
inline constexpr char kPruneSnapshots[] = "mooring_prune_snapshots";        // result
inline constexpr char kPruneLastRun[] = "mooring_prune_last_run_timestamp_seconds";
inline constexpr char kPruneRefused[] = "mooring_prune_refused";
inline constexpr char kHolds[] = "mooring_holds";
inline constexpr char kCollectionBytes[] = "mooring_collection_bytes";  // state
inline constexpr char kCollectionLastRun[] = "mooring_collection_last_run_timestamp_seconds";
inline constexpr char kCollectionStopped[] = "mooring_collection_stopped";  // reason
inline constexpr char kCollectionAddsUp[] = "mooring_collection_adds_up";
inline constexpr char kLastRefresh[] = "mooring_metrics_refresh_timestamp_seconds";

}  // namespace mooring::server::metric
