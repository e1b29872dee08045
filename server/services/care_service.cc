#include "server/services/care_service.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "server/rpc/method_names.h"
#include "server/services/lookups.h"
#include "server/services/proto_time.h"
#include "storage/base/status.h"
#include "storage/catalog/prune_store.h"

namespace mooring::server {
namespace {

// How often a stream says where it is.
constexpr absl::Duration kReportEvery = absl::Milliseconds(500);
constexpr std::uint32_t kDrillsMax = 1000;

v1::ScrubRepositoryResponse ToMessage(const storage::ScrubProgress& p) {
  v1::ScrubRepositoryResponse message;
  message.set_packs_done(p.packs_done);
  message.set_packs_left(p.packs_left);
  message.set_chunks(p.chunks);
  message.set_bytes(p.bytes);
  message.set_packs_bad(p.packs_bad);
  message.set_records_checked(p.records_checked);
  message.set_records_bad(p.records_bad);
  message.set_records_healed(p.records_healed);
  message.set_chunks_healed(p.chunks_healed);
  message.set_chunks_lost(p.chunks_lost);
  message.set_complete(p.is_complete);
  return message;
}

v1::SyncReplicaResponse ToMessage(const storage::ReplicaProgress& p) {
  v1::SyncReplicaResponse message;
  message.set_packs_copied(p.packs_copied);
  message.set_objects_copied(p.objects_copied);
  message.set_bytes_copied(p.bytes_copied);
  message.set_packs_removed(p.packs_removed);
  message.set_objects_removed(p.objects_removed);
  message.set_packs_again(p.packs_again);
  message.set_packs_bad(p.packs_bad);
  message.set_packs_left(p.packs_left);
  message.set_complete(p.is_complete);
  return message;
}

v1::CatalogExport ToMessage(const storage::ExportInfo& info) {
  v1::CatalogExport message;
  message.set_name(info.name);
  *message.mutable_made_at() = ToTimestamp(info.made_at);
  message.set_epoch(info.epoch);
  message.set_bytes(info.bytes);
  return message;
}

// Ends with the caller, who may press Ctrl-C, and with the server. Writes at most
// twice a second.
template <typename Message>
class StreamReport {
 public:
  StreamReport(grpc::ServerContext& context, grpc::ServerWriter<Message>& writer, Clock& clock,
               std::stop_source& stop)
      : context_(context), writer_(writer), clock_(clock), stop_(stop) {}

  void Write(const Message& message) {
    if (context_.IsCancelled()) stop_.request_stop();
    if (clock_.Monotonic() - last_ < kReportEvery) return;
    last_ = clock_.Monotonic();
    writer_.Write(message);
  }

 private:
  grpc::ServerContext& context_;
  grpc::ServerWriter<Message>& writer_;
  Clock& clock_;
  std::stop_source& stop_;
  absl::Duration last_ = -absl::InfiniteDuration();
};

// A context that a caller's going away ends as well as the server's drain.
struct StreamScope {
  explicit StreamScope(std::stop_token drain)
      : on_drain(std::move(drain), Relay{&stop}),
        ctx{.deadline = absl::InfiniteFuture(), .stop = stop.get_token()} {}
  struct Relay {
    std::stop_source* stop;
    void operator()() const { stop->request_stop(); }
  };
  std::stop_source stop;
  std::stop_callback<Relay> on_drain;
  OpContext ctx;
};

}  // namespace

absl::Status CareServiceImpl::AuditOrder(const OpContext& ctx, const Caller& caller,
                                         std::string action) {
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) {
    return tx.Audit(AuditOf(parts_, caller.actor(), action, "repository"));
  });
}

absl::StatusOr<std::optional<DeviceId>> CareServiceImpl::DeviceOf(const OpContext& ctx,
                                                                  const std::string& name) {
  std::optional<DeviceId> device;
  if (name.empty()) return device;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto view, FindDevice(tx, name));
    device = view.device.id;
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  return device;
}

grpc::Status CareServiceImpl::GetRepositoryHealth(grpc::ServerContext* context,
                                                  const v1::GetRepositoryHealthRequest* request,
                                                  v1::GetRepositoryHealthResponse* response) {
  return gate_.Unary(method::kGetRepositoryHealth, *context,
                     [&](const Caller&, const OpContext& ctx) -> absl::Status {
                       MOORING_ASSIGN_OR_RETURN(
                           *response, desk_.Health(ctx, request->with_resolved_findings()));
                       return absl::OkStatus();
                     });
}

grpc::Status CareServiceImpl::ScrubRepository(
    grpc::ServerContext* context, const v1::ScrubRepositoryRequest* request,
    grpc::ServerWriter<v1::ScrubRepositoryResponse>* writer) {
  return gate_.Stream(method::kScrubRepository, *context,
                      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
                        MOORING_RETURN_IF_ERROR(AuditOrder(ctx, caller, "repository.scrub"));
                        StreamScope scope(gate_.drain());
                        StreamReport<v1::ScrubRepositoryResponse> report(*context, *writer,
                                                                         parts_.clock, scope.stop);
                        MOORING_ASSIGN_OR_RETURN(
                            const storage::ScrubProgress progress,
                            desk_.scrubber().Run(scope.ctx, request->all(),
                                                 [&report](const storage::ScrubProgress& so_far) {
                                                   report.Write(ToMessage(so_far));
                                                 }));
                        writer->Write(ToMessage(progress));
                        return absl::OkStatus();
                      });
}

grpc::Status CareServiceImpl::SyncReplica(grpc::ServerContext* context,
                                          const v1::SyncReplicaRequest* request,
                                          grpc::ServerWriter<v1::SyncReplicaResponse>* writer) {
  return gate_.Stream(method::kSyncReplica, *context,
                      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
                        if (desk_.replica() == nullptr) {
                          return absl::FailedPreconditionError(
                              "no replica is configured; name one as `replica` in mooringd.yaml");
                        }
                        MOORING_RETURN_IF_ERROR(AuditOrder(ctx, caller, "repository.replicate"));
                        StreamScope scope(gate_.drain());
                        StreamReport<v1::SyncReplicaResponse> report(*context, *writer,
                                                                     parts_.clock, scope.stop);
                        MOORING_ASSIGN_OR_RETURN(
                            const storage::ReplicaProgress progress,
                            desk_.replica()->Run(scope.ctx, request->full(),
                                                 [&report](const storage::ReplicaProgress& so_far) {
                                                   report.Write(ToMessage(so_far));
                                                 }));
                        writer->Write(ToMessage(progress));
                        return absl::OkStatus();
                      });
}

grpc::Status CareServiceImpl::ExportCatalog(grpc::ServerContext* context,
                                            const v1::ExportCatalogRequest*,
                                            v1::ExportCatalogResponse* response) {
  // Without a unary call's deadline: a large catalog takes longer.
  return gate_.Stream(method::kExportCatalog, *context,
                      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
                        MOORING_RETURN_IF_ERROR(AuditOrder(ctx, caller, "catalog.export_order"));
                        const OpContext drained{.deadline = ctx.deadline, .stop = gate_.drain()};
                        MOORING_ASSIGN_OR_RETURN(
                            const storage::ExportSummary summary,
                            desk_.exporter().Run(drained, desk_.options().exports_kept));
                        *response->mutable_export_() = ToMessage(summary.info);
                        response->set_tables(summary.tables);
                        response->set_rows(summary.rows);
                        return absl::OkStatus();
                      });
}

grpc::Status CareServiceImpl::ListCatalogExports(grpc::ServerContext* context,
                                                 const v1::ListCatalogExportsRequest*,
                                                 v1::ListCatalogExportsResponse* response) {
  return gate_.Unary(method::kListCatalogExports, *context,
                     [&](const Caller&, const OpContext& ctx) -> absl::Status {
                       MOORING_ASSIGN_OR_RETURN(const auto exports,
                                                storage::ListExports(ctx, parts_.objects));
                       for (const storage::ExportInfo& info : exports) {
                         *response->add_exports() = ToMessage(info);
                       }
                       return absl::OkStatus();
                     });
}

grpc::Status CareServiceImpl::ConfirmRebuild(grpc::ServerContext* context,
                                             const v1::ConfirmRebuildRequest*,
                                             v1::ConfirmRebuildResponse* response) {
  return gate_.Unary(
      method::kConfirmRebuild, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
          MOORING_ASSIGN_OR_RETURN(storage::CareState state,
                                   tx.care().State(storage::RowLock::kExclusive));
          response->set_unchanged(!state.holds_unconfirmed());
          if (!state.holds_unconfirmed()) return absl::OkStatus();
          state.holds_confirmed_at = parts_.clock.Now();
          MOORING_RETURN_IF_ERROR(tx.prunes().SetStopped(""));
          MOORING_RETURN_IF_ERROR(tx.care().SetState(state));
          return tx.Audit(
              AuditOf(parts_, caller.actor(), "repository.confirm_rebuild", "repository"));
        });
      });
}

grpc::Status CareServiceImpl::ReconcileRepository(
    grpc::ServerContext* context, const v1::ReconcileRepositoryRequest*,
    grpc::ServerWriter<v1::ReconcileRepositoryResponse>* writer) {
  return gate_.Stream(
      method::kReconcileRepository, *context,
      [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        MOORING_RETURN_IF_ERROR(AuditOrder(ctx, caller, "repository.reconcile_order"));
        StreamScope scope(gate_.drain());
        StreamReport<v1::ReconcileRepositoryResponse> report(*context, *writer, parts_.clock,
                                                             scope.stop);
        MOORING_ASSIGN_OR_RETURN(const storage::RebuildSummary summary,
                                 desk_.Reconcile(scope.ctx, caller.actor(),
                                                 [&report](const storage::RebuildProgress& so_far) {
                                                   v1::ReconcileRepositoryResponse message;
                                                   message.set_step(so_far.step);
                                                   message.set_done(so_far.done);
                                                   report.Write(message);
                                                 }));
        v1::ReconcileRepositoryResponse last;
        last.set_complete(true);
        last.set_packs(summary.packs);
        last.set_snapshots_recovered(summary.snapshots_newer);
        last.set_snapshots_deleted(summary.snapshots_deleted);
        last.set_snapshots_incomplete(summary.snapshots_incomplete);
        last.set_chunks_lost(summary.chunks_lost);
        for (const std::string& remark : summary.remarks) last.add_remarks(remark);
        writer->Write(last);
        return absl::OkStatus();
      });
}

grpc::Status CareServiceImpl::RunDrill(grpc::ServerContext* context,
                                       const v1::RunDrillRequest* request,
                                       grpc::ServerWriter<v1::RunDrillResponse>* writer) {
  return gate_.Stream(
      method::kRunDrill, *context, [&](const Caller& caller, const OpContext& ctx) -> absl::Status {
        if (request->count() > kDrillsMax) {
          return absl::InvalidArgumentError("count: at most 1000 snapshots at a time");
        }
        MOORING_ASSIGN_OR_RETURN(const auto device, DeviceOf(ctx, request->device()));
        StreamScope scope(gate_.drain());
        StreamReport<v1::RunDrillResponse> report(*context, *writer, parts_.clock, scope.stop);
        const auto relay = [&report](const storage::DrillProgress& so_far) {
          v1::RunDrillResponse message;
          message.set_drills_done(so_far.drills_done);
          message.set_drills_total(so_far.drills_total);
          message.set_files(so_far.files);
          message.set_bytes(so_far.bytes);
          report.Write(message);
        };
        std::vector<storage::DrillRecord> records;
        if (!request->snapshot_id().empty()) {
          MOORING_ASSIGN_OR_RETURN(const SnapshotId snapshot,
                                   IdFrom<SnapshotId>(request->snapshot_id(), "snapshot_id"));
          MOORING_ASSIGN_OR_RETURN(
              auto record, desk_.drills().RunOne(scope.ctx, snapshot, caller.actor(), relay));
          records.push_back(std::move(record));
        } else {
          MOORING_ASSIGN_OR_RETURN(
              records, desk_.drills().Run(scope.ctx, std::max(request->count(), 1U), device,
                                          caller.actor(), relay));
        }
        v1::RunDrillResponse last;
        last.set_drills_done(records.size());
        last.set_drills_total(records.size());
        last.set_complete(true);
        const absl::Status read =
            parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
              last.clear_drills();
              for (const storage::DrillRecord& record : records) {
                MOORING_ASSIGN_OR_RETURN(const auto row, tx.devices().Get(record.device));
                *last.add_drills() = DrillMessage(record, row ? row->serial : "");
              }
              return absl::OkStatus();
            });
        MOORING_RETURN_IF_ERROR(read);
        writer->Write(last);
        return absl::OkStatus();
      });
}

grpc::Status CareServiceImpl::ListDrills(grpc::ServerContext* context,
                                         const v1::ListDrillsRequest* request,
                                         v1::ListDrillsResponse* response) {
  return gate_.Unary(
      method::kListDrills, *context, [&](const Caller&, const OpContext& ctx) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto device, DeviceOf(ctx, request->device()));
        const std::uint32_t limit = request->limit() == 0 ? 100 : request->limit();
        return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
          response->clear_drills();
          MOORING_ASSIGN_OR_RETURN(
              const auto drills,
              tx.drills().List(device, static_cast<int>(std::min(limit, 10'000U))));
          for (const storage::DrillView& view : drills) {
            *response->add_drills() = DrillMessage(view.drill, view.serial);
          }
          return absl::OkStatus();
        });
      });
}

}  // namespace mooring::server
