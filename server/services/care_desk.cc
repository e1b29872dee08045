#include "server/services/care_desk.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "server/metrics/metric_names.h"
#include "server/services/proto_time.h"
#include "storage/base/status.h"
#include "storage/catalog/drill_store.h"
#include "storage/collection/doom_journal.h"
#include "storage/repository/damage.h"
#include "storage/repository/epoch.h"
#include "storage/repository/key_custody.h"

namespace mooring::server {
namespace {

constexpr int kFindingsShownMax = 1000;
// The replica's own listing is compared with the catalog once a day.
constexpr absl::Duration kFullSyncEvery = absl::Hours(24);

double SecondsSince(const std::optional<absl::Time>& then, absl::Time now) {
  return then ? absl::ToDoubleSeconds(now - *then) : 0;
}

v1::CareFinding FindingMessage(const storage::Finding& finding) {
  v1::CareFinding message;
  message.set_kind(static_cast<v1::FindingKind>(finding.kind));
  message.set_subject(finding.subject);
  message.set_message(finding.message);
  *message.mutable_found_at() = ToTimestamp(finding.found_at);
  if (finding.resolved_at) *message.mutable_resolved_at() = ToTimestamp(*finding.resolved_at);
  message.set_resolution(finding.resolution);
  return message;
}

}  // namespace

absl::Status CheckRebuildConfirmed(const OpContext& ctx, storage::Catalog& catalog) {
  storage::CareState state;
  const absl::Status read = catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(state, tx.care().State());
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (!state.holds_unconfirmed()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "this catalog was rebuilt: nothing is deleted until a person has looked at holds and policies"
      " and run `mooring repository rebuild --confirm`");
}

v1::Drill DrillMessage(const storage::DrillRecord& drill, const std::string& serial) {
  v1::Drill message;
  message.set_id(drill.id.bytes());
  message.set_snapshot_id(drill.snapshot.bytes());
  message.set_device_id(drill.device.bytes());
  message.set_serial(serial);
  message.set_requested_by(drill.requested_by);
  *message.mutable_started_at() = ToTimestamp(drill.started_at);
  *message.mutable_finished_at() = ToTimestamp(drill.finished_at);
  message.set_result(static_cast<v1::DrillResult>(drill.result));
  message.set_file_count(drill.file_count);
  message.set_bytes(drill.bytes);
  message.set_chunk_count(drill.chunk_count);
  message.set_damaged_count(drill.damaged_count);
  message.set_message(drill.message);
  return message;
}

absl::StatusOr<std::unique_ptr<CareDesk>> CareDesk::Make(const OpContext& ctx, ServerParts& parts,
                                                         storage::KekProvider& kek,
                                                         storage::ObjectStore* replica,
                                                         const CareOptions& options) {
  std::unique_ptr<CareDesk> desk(new CareDesk(parts, kek, options));
  storage::KeyCustody keys(parts.catalog, parts.objects, kek, parts.clock, parts.random);
  MOORING_ASSIGN_OR_RETURN(desk->pack_index_key_,
                           keys.OrganizationKey(ctx, storage::KeyPurpose::kPackIndexKey));
  MOORING_ASSIGN_OR_RETURN(desk->organization_key_,
                           keys.OrganizationKey(ctx, storage::KeyPurpose::kOrganizationKey));
  desk->healer_ = std::make_unique<storage::Healer>(
      storage::Healer::Parts{.catalog = parts.catalog,
                             .objects = parts.objects,
                             .replica = replica,
                             .pack_index_key = desk->pack_index_key_,
                             .clock = parts.clock,
                             .random = parts.random});
  desk->scrubber_ = std::make_unique<storage::Scrubber>(
      storage::Scrubber::Parts{.catalog = parts.catalog,
                               .objects = parts.objects,
                               .replica = replica,
                               .pack_index_key = desk->pack_index_key_,
                               .clock = parts.clock,
                               .random = parts.random},
      options.scrub);
  if (replica != nullptr) {
    desk->replica_sync_ = std::make_unique<storage::ReplicaSync>(
        storage::ReplicaSync::Parts{.catalog = parts.catalog,
                                    .primary = parts.objects,
                                    .replica = *replica,
                                    .pack_index_key = desk->pack_index_key_,
                                    .clock = parts.clock},
        options.replica_bytes_per_second);
  }
  desk->exporter_ = std::make_unique<storage::CatalogExporter>(
      storage::CatalogExporter::Parts{.catalog = parts.catalog,
                                      .database_url = options.database_url,
                                      .objects = parts.objects,
                                      .organization_key = desk->organization_key_,
                                      .clock = parts.clock,
                                      .random = parts.random,
                                      .program_version = kServerVersion});
  desk->drills_ = std::make_unique<storage::DrillRunner>(
      storage::DrillRunner::Parts{.catalog = parts.catalog,
                                  .repository = parts.repository,
                                  .clock = parts.clock,
                                  .random = parts.random});
  return desk;
}

absl::StatusOr<storage::RebuildSummary> CareDesk::Reconcile(
    const OpContext& ctx, const std::string& actor,
    absl::FunctionRef<void(const storage::RebuildProgress&)> progress) {
  MOORING_ASSIGN_OR_RETURN(storage::RebuildSummary summary,
                           storage::ReconcileCatalog(ctx,
                                                     {.objects = parts_.objects,
                                                      .kek = kek_,
                                                      .database_url = options_.database_url,
                                                      .clock = parts_.clock,
                                                      .random = parts_.random,
                                                      .organization = parts_.settings.organization,
                                                      .single_admin = parts_.settings.single_admin},
                                                     progress));
  MOORING_RETURN_IF_ERROR(storage::LeaveJournaledPacks(ctx, parts_.catalog, *healer_, summary));
  MOORING_RETURN_IF_ERROR(storage::RefreshDamage(ctx, parts_.catalog).status());
  MOORING_RETURN_IF_ERROR(
      storage::LeaveRecovery(ctx, parts_.catalog, parts_.objects, parts_.clock, actor));
  return summary;
}

absl::Status CareDesk::ScrubRound(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const storage::ScrubProgress progress,
                           scrubber_->Run(ctx, false, [](const storage::ScrubProgress&) {}));
  if (progress.packs_bad > 0 || progress.records_bad > 0) {
    parts_.log.Warning("scrub.found",
                       {{"packs", static_cast<std::int64_t>(progress.packs_bad)},
                        {"records", static_cast<std::int64_t>(progress.records_bad)},
                        {"healed", static_cast<std::int64_t>(progress.chunks_healed)},
                        {"lost", static_cast<std::int64_t>(progress.chunks_lost)}});
  }
  return absl::OkStatus();
}

// Chunks become lost and are healed in many places, a restore and a backup among
// them; what snapshots show follows here within one round.
absl::Status CareDesk::DamageRound(const OpContext& ctx) {
  storage::LostTotals lost;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(lost, tx.care().CountLost());
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  {
    MutexLock lock(mutex_);
    if (knows_lost_ && lost == lost_) return absl::OkStatus();
  }
  MOORING_ASSIGN_OR_RETURN(const storage::DamageSummary damage,
                           storage::RefreshDamage(ctx, parts_.catalog));
  if (damage.lost_chunks > 0) {
    parts_.log.Error("damage",
                     {{"chunks", static_cast<std::int64_t>(damage.lost_chunks)},
                      {"snapshots", static_cast<std::int64_t>(damage.damaged_snapshots)}});
  }
  MutexLock lock(mutex_);
  lost_ = lost;
  knows_lost_ = true;
  return absl::OkStatus();
}

absl::Status CareDesk::ReplicaRound(const OpContext& ctx) {
  if (replica_sync_ == nullptr) return absl::OkStatus();
  const absl::Time now = parts_.clock.Now();
  bool full = false;
  {
    MutexLock lock(mutex_);
    full = full_sync_at_ + kFullSyncEvery <= now;
  }
  MOORING_ASSIGN_OR_RETURN(const storage::ReplicaProgress progress,
                           replica_sync_->Run(ctx, full, [](const storage::ReplicaProgress&) {}));
  if (full && progress.is_complete) {
    MutexLock lock(mutex_);
    full_sync_at_ = now;
  }
  if (progress.packs_bad > 0 || progress.packs_again > 0) {
    parts_.log.Warning("replica.found",
                       {{"bad", static_cast<std::int64_t>(progress.packs_bad)},
                        {"again", static_cast<std::int64_t>(progress.packs_again)}});
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Time> CareDesk::NewestExport(const OpContext& ctx) {
  storage::CareState state;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(state, tx.care().State());
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  return state.exported_at.value_or(absl::InfinitePast());
}

absl::Status CareDesk::ExportRound(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const absl::Time newest, NewestExport(ctx));
  if (newest + options_.export_every > parts_.clock.Now()) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(const storage::ExportSummary summary,
                           exporter_->Run(ctx, options_.exports_kept));
  parts_.log.Info("catalog.export", {{"object", summary.info.name},
                                     {"rows", static_cast<std::int64_t>(summary.rows)}});
  return absl::OkStatus();
}

absl::Status CareDesk::DrillRound(const OpContext& ctx) {
  std::vector<storage::DrillView> last;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(last, tx.drills().List(std::nullopt, 1));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (!last.empty() && last.front().drill.started_at + options_.drill_every > parts_.clock.Now()) {
    return absl::OkStatus();
  }
  MOORING_ASSIGN_OR_RETURN(const std::vector<storage::DrillRecord> records,
                           drills_->Run(ctx, options_.drill_snapshots, std::nullopt, "server",
                                        [](const storage::DrillProgress&) {}));
  for (const storage::DrillRecord& record : records) {
    if (record.result == storage::DrillResult::kPassed) continue;
    parts_.log.Error("drill.failed",
                     {{"snapshot", record.snapshot.hex()}, {"message", record.message}});
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::GetRepositoryHealthResponse> CareDesk::Health(const OpContext& ctx,
                                                                 bool with_resolved) {
  storage::CareTotals totals;
  storage::CareState state;
  std::vector<storage::Finding> findings;
  std::vector<storage::DrillView> last;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(totals, tx.care().Totals());
    MOORING_ASSIGN_OR_RETURN(state, tx.care().State());
    MOORING_ASSIGN_OR_RETURN(findings, tx.care().Findings(with_resolved, kFindingsShownMax));
    MOORING_ASSIGN_OR_RETURN(last, tx.drills().List(std::nullopt, 1));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  v1::GetRepositoryHealthResponse health;
  const auto set = [](google::protobuf::Timestamp* field, const std::optional<absl::Time>& time) {
    *field = ToTimestamp(*time);
  };
  *health.mutable_as_of() = ToTimestamp(parts_.clock.Now());
  health.set_packs(totals.packs);
  health.set_packs_never_scrubbed(totals.packs_unscrubbed);
  if (totals.oldest_scrub_at) set(health.mutable_oldest_scrub_at(), totals.oldest_scrub_at);
  if (state.records_checked_at) set(health.mutable_records_checked_at(), state.records_checked_at);
  if (state.scrub_pass_at) set(health.mutable_scrub_pass_at(), state.scrub_pass_at);
  health.set_lost_chunks(totals.lost_chunks);
  health.set_damaged_snapshots(totals.damaged_snapshots);
  for (const storage::Finding& finding : findings) {
    *health.add_findings() = FindingMessage(finding);
  }
  if (!options_.replica_location.empty()) {
    v1::ReplicaHealth& replica = *health.mutable_replica();
    replica.set_location(options_.replica_location);
    if (state.replica_synced_at) set(replica.mutable_synced_at(), state.replica_synced_at);
    replica.set_packs_behind(totals.packs_unreplicated);
    replica.set_bytes_behind(totals.bytes_unreplicated);
    if (totals.oldest_unreplicated_at) {
      set(replica.mutable_behind_since(), totals.oldest_unreplicated_at);
    }
  }
  if (state.exported_at) set(health.mutable_exported_at(), state.exported_at);
  if (state.holds_unconfirmed()) {
    set(health.mutable_unconfirmed_rebuild_at(), state.rebuilt_at);
  }
  if (!last.empty()) *health.mutable_last_drill() = DrillMessage(last[0].drill, last[0].serial);
  health.set_scrub_days(static_cast<std::uint32_t>(absl::ToInt64Hours(options_.scrub.every) / 24));
  return health;
}

absl::Status CareDesk::RefreshGauges(const OpContext& ctx) {
  storage::CareTotals totals;
  storage::CareState state;
  std::vector<storage::DrillView> last;
  std::vector<storage::Finding> findings;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(totals, tx.care().Totals());
    MOORING_ASSIGN_OR_RETURN(state, tx.care().State());
    MOORING_ASSIGN_OR_RETURN(findings, tx.care().Findings(false, kFindingsShownMax));
    MOORING_ASSIGN_OR_RETURN(last, tx.drills().List(std::nullopt, 1));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  const absl::Time now = parts_.clock.Now();
  const double scrub_age = std::max(SecondsSince(totals.oldest_scrub_at, now),
                                    SecondsSince(totals.oldest_unscrubbed_at, now));
  const auto failed = std::count_if(findings.begin(), findings.end(), [](const auto& finding) {
    return finding.kind == storage::FindingKind::kSnapshot;
  });
  std::vector<PlainGauge> gauges = {
      {metric::kLostChunks, "Chunks whose bytes are missing or wrong.",
       static_cast<double>(totals.lost_chunks)},
      {metric::kDamagedSnapshots, "Snapshots that reference lost chunks.",
       static_cast<double>(totals.damaged_snapshots)},
      {metric::kFindings, "Things that checks found wrong and that are not right again.",
       static_cast<double>(totals.open_findings)},
      {metric::kScrubAge, "Time since the pack that was verified longest ago was.", scrub_age},
      {metric::kScrubOverdue, "By how much that is longer than configured.",
       std::max(0.0, scrub_age - absl::ToDoubleSeconds(options_.scrub.every))},
      {metric::kDrillsFailed, "Snapshots whose last restore drill failed.",
       static_cast<double>(failed)},
      {metric::kRebuildUnconfirmed, "1 after a rebuild, until a person has confirmed it.",
       state.holds_unconfirmed() ? 1.0 : 0.0}};
  // Since the server started where there is none: an alert must come even so.
  const absl::Time started = parts_.settings.started_at;
  gauges.push_back({metric::kCatalogExportAge, "Age of the newest catalog export.",
                    absl::ToDoubleSeconds(now - state.exported_at.value_or(started))});
  gauges.push_back(
      {metric::kDrillAge, "Time since the last restore drill.",
       absl::ToDoubleSeconds(now - (last.empty() ? started : last[0].drill.started_at))});
  if (replica_sync_ != nullptr) {
    gauges.push_back({metric::kReplicaLag, "Age of the oldest pack that the replica lacks.",
                      SecondsSince(totals.oldest_unreplicated_at, now)});
    gauges.push_back({metric::kReplicaBehindBytes, "Bytes of packs that the replica lacks.",
                      static_cast<double>(totals.bytes_unreplicated)});
  }
  parts_.metrics.SetGauges("care", std::move(gauges));
  return absl::OkStatus();
}

}  // namespace mooring::server
