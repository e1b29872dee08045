#include "tests/sim/sim_jobs.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/care/replica.h"
#include "storage/care/scrub.h"
#include "storage/collection/collector.h"
#include "storage/objects/object_layout.h"
#include "storage/retention/prune.h"

namespace mooring::testing {
namespace {

// About `length`, so that jobs do not march in step.
absl::Duration About(Ground& ground, absl::Duration length) {
  return length * (0.5 + static_cast<double>(ground.dice.Roll(1000)) / 1000.0);
}

bool IsWorking(const Ground& ground, const ServerLife& life) {
  return !life.dead() && !ground.resting && !ground.stopping;
}

// A repository that tells the oracle what it is about to delete.
class NotingRepository final : public storage::Repository {
 public:
  NotingRepository(storage::Repository& inner, Oracle& oracle) : inner_(inner), oracle_(oracle) {}

  absl::StatusOr<storage::BegunSession> Begin(const OpContext& ctx,
                                              const storage::BeginOptions& options) override {
    return inner_.Begin(ctx, options);
  }
  absl::StatusOr<std::vector<bool>> Find(const OpContext& ctx, const SessionId& session,
                                         const DomainId& domain,
                                         const std::vector<ChunkId>& ids) override {
    return inner_.Find(ctx, session, domain, ids);
  }
  absl::StatusOr<std::unique_ptr<storage::PackUpload>> Upload(const OpContext& ctx,
                                                              const SessionId& session,
                                                              const AgentId& agent) override {
    return inner_.Upload(ctx, session, agent);
  }
  absl::Status ReadBase(const OpContext& ctx, const SessionId& session, const AgentId& agent,
                        const std::vector<ChunkId>& ids,
                        absl::FunctionRef<absl::Status(ByteView sealed)> sink) override {
    return inner_.ReadBase(ctx, session, agent, ids, sink);
  }
  absl::StatusOr<storage::CommitOutcome> Commit(const OpContext& ctx, const AgentId& agent,
                                                const v1::CommitSnapshotRequest& request) override {
    return inner_.Commit(ctx, agent, request);
  }
  absl::Status Abort(const OpContext& ctx, const SessionId& session, const AgentId& agent,
                     v1::Cause cause, const std::string& message) override {
    return inner_.Abort(ctx, session, agent, cause, message);
  }
  absl::Status Touch(const OpContext& ctx, const SessionId& session, const AgentId& agent,
                     absl::Duration lease, const v1::Progress* progress) override {
    return inner_.Touch(ctx, session, agent, lease, progress);
  }
  absl::StatusOr<int> ExpireSessions(const OpContext& ctx) override {
    return inner_.ExpireSessions(ctx);
  }
  absl::StatusOr<OpenedSnapshot> OpenSnapshot(const OpContext& ctx,
                                              const SnapshotId& snapshot) override {
    return inner_.OpenSnapshot(ctx, snapshot);
  }
  absl::Status ReadChunks(const OpContext& ctx, const SnapshotId& snapshot,
                          const std::vector<ChunkId>& ids,
                          absl::FunctionRef<absl::Status(ByteView sealed)> sink) override {
    return inner_.ReadChunks(ctx, snapshot, ids, sink);
  }
  absl::StatusOr<storage::VerifyResult> Verify(
      const OpContext& ctx, const SnapshotId& snapshot,
      absl::FunctionRef<void(const storage::VerifyResult&)> progress) override {
    return inner_.Verify(ctx, snapshot, progress);
  }
  absl::Status Delete(const OpContext& ctx, const SnapshotId& snapshot, const std::string& actor,
                      const std::string& reason,
                      absl::FunctionRef<absl::Status(storage::Transaction&)> allowed) override {
    oracle_.NoteDeleting(snapshot);
    return inner_.Delete(ctx, snapshot, actor, reason, allowed);
  }
  absl::StatusOr<std::uint64_t> CountOrphanRecords(const OpContext& ctx) override {
    return inner_.CountOrphanRecords(ctx);
  }

 private:
  storage::Repository& inner_;
  Oracle& oracle_;
};

}  // namespace

void RunExpiry(Ground& ground, ServerLife& life) {
  while (IsWorking(ground, life)) {
    ground.scheduler.Sleep(About(ground, ground.profile.expire_every));
    if (!IsWorking(ground, life)) return;
    const absl::Status done = life.repository().ExpireSessions({}).status();
    ground.trace.Note("expire", {}, done.code());
  }
}

void RunPruner(Ground& ground, ServerLife& life) {
  NotingRepository repository(life.repository(), ground.oracle);
  storage::Pruner pruner(life.catalog(), repository, life.clock());
  while (IsWorking(ground, life)) {
    ground.scheduler.Sleep(About(ground, ground.profile.prune_every));
    if (!IsWorking(ground, life)) return;
    const absl::StatusOr<storage::PruneResult> done =
        pruner.Apply({}, std::nullopt, "server", "simulation");
    ground.trace.Note("prune", done.ok() ? fmt::format("{}", done->dropped) : "",
                      done.status().code());
  }
}

absl::Status Collect(Ground& ground, ServerLife& life) {
  storage::CollectionOptions options;
  options.pack_age_min = ground.profile.young_pack;
  options.condemned_for = ground.profile.condemned_for;
  options.marks_min = ground.profile.marks_min;
  options.doomed_for = ground.profile.doomed_for;
  options.orphan_age_min = ground.profile.orphan_age;
  options.small_pack_bytes = ground.profile.small_pack_bytes;
  storage::Collector collector(life.collection(), options);
  const absl::StatusOr<v1::CollectionReport> report =
      collector.Collect({}, {}, [](std::string_view, std::uint64_t, std::uint64_t) {});
  ground.trace.Note(
      "collect",
      report.ok()
          ? fmt::format("removed {}, waiting {}, named {}, orphans {}",
                        report->packs_removed().objects(), report->packs_waiting().objects(),
                        report->packs_named().objects(), report->orphans_removed().objects())
          : std::string(),
      report.status().code());
  // A read that came back wrong ends a round; only what is latched is a verdict.
  const storage::CollectionState* const state =
      ground.catalog.tables().collection_state.Committed(Tables::kOne);
  if (!state->stop_reason.empty()) {
    ground.oracle.Fail(fmt::format("I3: the collector stops: {}", state->stop_reason));
  }
  return report.status();
}

absl::Status Care(Ground& ground, ServerLife& life) {
  const SecretBytes& key = life.collection().pack_index_key;
  storage::ReplicaSync sync({life.catalog(), life.objects(), life.replica(), key, life.clock()}, 0);
  const absl::Status synced =
      sync.Run({}, /*full=*/false, [](const storage::ReplicaProgress&) {}).status();
  ground.trace.Note("sync", {}, synced.code());
  storage::Scrubber scrubber({.catalog = life.catalog(),
                              .objects = life.objects(),
                              .replica = &life.replica(),
                              .pack_index_key = key,
                              .clock = life.clock(),
                              .random = life.random()},
                             {});
  const absl::StatusOr<storage::ScrubProgress> scrubbed =
      scrubber.Run({}, /*all=*/true, [](const storage::ScrubProgress&) {});
  ground.trace.Note(
      "scrub",
      scrubbed.ok() ? fmt::format("bad {}, healed {}", scrubbed->packs_bad, scrubbed->chunks_healed)
                    : std::string(),
      scrubbed.status().code());
  MOORING_RETURN_IF_ERROR(synced);
  return scrubbed.status();
}

void RunCare(Ground& ground, ServerLife& life) {
  while (IsWorking(ground, life)) {
    ground.scheduler.Sleep(About(ground, ground.profile.scrub_every));
    if (!IsWorking(ground, life)) return;
    Care(ground, life).IgnoreError();
  }
}

void RunRot(Ground& ground) {
  while (!ground.quiet && ground.profile.rot_every != absl::InfiniteDuration()) {
    ground.SleepOrQuiet(About(ground, ground.profile.rot_every));
    if (ground.quiet) return;
    std::vector<storage::PackRecord> packs;
    ground.catalog.tables().pack.ForEachCommitted([&](std::int64_t, const PackRow& pack) {
      if (pack.state == storage::PackState::kLive && pack.replicated_at) packs.push_back(pack);
    });
    if (packs.empty()) continue;
    const storage::PackRecord pack = ground.dice.Pick(packs);
    const std::string key = storage::PackObjectKey(pack.id);
    // Once each, and only what is as good there as here.
    if (ground.rotten.count(pack.id) > 0 || !ground.replica.Stat({}, key).ok()) continue;
    if (!ground.disk.FlipByte(key, ground.dice.Roll(pack.bytes))) continue;
    ground.rotten.insert(pack.id);
    ground.trace.Note("rot", key);
  }
}

void RunCollector(Ground& ground, ServerLife& life) {
  while (IsWorking(ground, life)) {
    ground.scheduler.Sleep(About(ground, ground.profile.collect_every));
    if (!IsWorking(ground, life)) return;
    Collect(ground, life).IgnoreError();
  }
}

namespace {

// Mostly those that stand; now and then one is deleted again.
std::vector<SnapshotId> NotDeleted(Ground& ground) {
  const bool with_deleted = ground.dice.Chance(100);
  std::vector<SnapshotId> kept;
  for (const auto& [id, promise] : ground.oracle.acknowledged()) {
    if (with_deleted || ground.oracle.deleted().count(id) == 0) kept.push_back(id);
  }
  return kept;
}

}  // namespace

void RunDeleter(Ground& ground, Network& network) {
  while (!ground.quiet) {
    ground.SleepOrQuiet(About(ground, ground.profile.delete_every));
    const std::vector<SnapshotId> kept = NotDeleted(ground);
    if (ground.quiet || kept.empty()) continue;
    const SnapshotId snapshot = ground.dice.Pick(kept);
    const absl::StatusOr<bool> deleted =
        network.Call<bool>("delete", [&ground, snapshot](ServerLife& life) -> absl::StatusOr<bool> {
          ground.oracle.NoteDeleting(snapshot);
          const absl::Status done =
              life.repository().Delete({}, snapshot, "account:anna", "simulation");
          if (!done.ok()) return done;
          if (!life.dead()) ground.oracle.NoteDeleted(snapshot);
          return true;
        });
    if (absl::IsNotFound(deleted.status())) {
      ground.oracle.Fail(
          fmt::format("I1: acknowledged snapshot {} cannot be found", snapshot.hex()));
    }
  }
}

void CutPower(Ground& ground, Network& network) {
  for (const auto& server : network.servers()) server->Crash();
  for (const std::string& key : ground.volatile_keys) ground.disk.Lose(key);
  ground.volatile_keys.clear();
}

void RunMisfortune(Ground& ground, Network& network, Travel& travel) {
  const Profile& profile = ground.profile;
  absl::Duration crash_at = ground.scheduler.now() + About(ground, profile.crash_every);
  absl::Duration cut_at = ground.scheduler.now() + About(ground, profile.power_cut_every);
  absl::Duration jump_at = ground.scheduler.now() + About(ground, profile.clock_jump_every);
  absl::Duration save_at = ground.scheduler.now() + About(ground, profile.travel_every);
  absl::Duration travel_at = save_at + About(ground, profile.travel_every);
  while (!ground.quiet && ground.faults) {
    const absl::Duration next = std::min({crash_at, cut_at, jump_at, save_at, travel_at});
    if (next == absl::InfiniteDuration()) return;
    ground.SleepOrQuiet(next - ground.scheduler.now());
    if (!ground.faults) return;
    const absl::Duration now = ground.scheduler.now();
    if (now >= crash_at) {
      ground.dice.Pick(network.servers())->Crash();
      crash_at = now + About(ground, profile.crash_every);
    }
    if (now >= cut_at) {
      CutPower(ground, network);
      cut_at = now + About(ground, profile.power_cut_every);
    }
    if (now >= travel_at) {
      travel.Go();
      travel_at = save_at = absl::InfiniteDuration();
    } else if (now >= save_at) {
      travel.Save();
      save_at = absl::InfiniteDuration();
    }
    if (now >= jump_at) {
      const auto hours = static_cast<std::int64_t>(ground.dice.Roll(200)) - 100;
      ground.dice.Pick(network.servers())->JumpClock(absl::Hours(hours));
      jump_at = now + About(ground, profile.clock_jump_every);
    }
  }
}

}  // namespace mooring::testing
