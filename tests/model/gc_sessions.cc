// Agents and the server's part in their sessions: Find, Put, Commit, the end of
// a lease, and the deletion of a snapshot.

#include "tests/model/gc_protocol.h"

namespace mooring::model {

void GcProtocol::ExpandSession(const State& state, int i, Sink sink) const {
  const SessionRow& row = state.catalog.session[i];
  const Agent& agent = state.agent[i];
  Upload(state, i, sink);
  Commit(state, i, sink);
  Forget(state, i, sink);
  if (!CanWrite(state)) return;
  if (row.state == kNotBegun) {
    State next = state;
    next.catalog.session[i].state = kOpen;
    Emit(next, {"session $0 begins", i}, sink);
  }
  if (row.state != kOpen || agent.is_committing) return;
  if (bounds_.has_expiry) {
    State next = state;
    next.catalog.session[i].state = kOver;
    Emit(next, {"session $0 is over without a snapshot: aborted, or its lease ended", i}, sink);
  }
  const int missing = Refs(i) & ~agent.has;
  if (missing == 0) return;
  State next = state;
  if (Is(kFindBlindUpdate)) {
    // Two statements of which the second does not look again.
    for (int c = 0; c < bounds_.chunks; ++c) {
      ChunkRow& chunk = next.catalog.chunk[c];
      if ((agent.seen & (1 << c)) != 0 && chunk.state != kGone) chunk.state = kLive;
      if ((missing & (1 << c)) != 0 && chunk.state == kCondemned) next.agent[i].seen |= 1 << c;
    }
    if (agent.seen != 0) next.agent[i].seen = 0;
  } else {
    // One UPDATE: it waits for DOOM's row lock, and then looks at the state again.
    for (int c = 0; c < bounds_.chunks; ++c) {
      ChunkRow& chunk = next.catalog.chunk[c];
      if ((missing & (1 << c)) == 0) continue;
      const bool may_revive = (chunk.state == kCondemned && !Is(kFindLeavesCondemned)) ||
                              (chunk.state == kDoomed && Is(kFindResurrectsDoomed));
      if (may_revive) {
        chunk.state = kLive;
        Reach(kGoalFindResurrects);
      }
    }
  }
  int present = LiveChunks(next);
  if (Is(kFindLeavesCondemned)) {
    for (int c = 0; c < bounds_.chunks; ++c) {
      if (next.catalog.chunk[c].state == kCondemned) present |= 1 << c;
    }
  }
  next.agent[i].has |= present & missing;
  const bool changes = next.agent[i].has != agent.has || next.agent[i].seen != agent.seen;
  if (changes || agent.seen != 0) {
    Emit(next,
         {"session $0 asks which chunks are there and is told $1 (a set)", i, next.agent[i].has},
         sink);
  }
}

void GcProtocol::Upload(const State& state, int i, Sink sink) const {
  const Agent& agent = state.agent[i];
  const int wanted = Refs(i) & ~agent.has;
  const bool is_open = state.catalog.session[i].state == kOpen && !agent.is_committing;
  if (agent.upload == kNoUpload && CanWrite(state) && is_open && wanted != 0) {
    const int pack = FreePack(state);
    if (pack != kNoPack) {
      State next = state;
      next.catalog.pack[pack] = {.state = kStaged, .owner = i};
      next.agent[i].upload = kUploadStaged;
      next.agent[i].pack = pack;
      next.agent[i].content = wanted;
      if (bounds_.is_put_atomic) {
        next.agent[i].upload = kUploadDurable;
        next.store.is_present[pack] = 1;
        next.store.good[pack] = wanted;
        EnterPack(next, i, sink);
        return;
      }
      Emit(next, {"session $0 stages pack $1", i, pack}, sink);
    }
  }
  if (agent.upload == kUploadStaged) {
    State next = state;
    next.agent[i].upload = kUploadDurable;
    next.store.is_present[agent.pack] = 1;
    next.store.good[agent.pack] = agent.content;
    next.store.maker[agent.pack] = i;
    Emit(next, {"session $0's pack $1 is durable in the store", i, agent.pack}, sink);
  }
  if (agent.upload == kUploadDurable || (agent.upload == kUploadStaged && Is(kLiveBeforeDurable))) {
    EnterPack(state, i, sink);
  }
  if (agent.upload == kUploadDurable && Is(kFailedPutRemoves) && CanWrite(state) &&
      state.catalog.pack[agent.pack].state == kStaged) {
    State next = state;
    next.agent[i].upload = kNoUpload;
    next.catalog.pack[agent.pack] = {};
    next.store.is_present[agent.pack] = 0;
    next.store.good[agent.pack] = 0;
    Emit(next, {"session $0's upload fails; pack $1 is staged, and removed at once", i, agent.pack},
         sink);
  }
  // With a rollback, an upload that goes on no more says as much.
  if (agent.upload != kNoUpload && !bounds_.has_rollback) {
    State next = state;
    next.agent[i].upload = kNoUpload;
    Emit(next, {"the upload of session $0 is lost: its server or agent is gone", i}, sink);
  }
}

// PUT: rows of a pack and the pack itself in one transaction.
void GcProtocol::EnterPack(const State& state, int i, Sink sink) const {
  const Agent& agent = state.agent[i];
  if (!CanWrite(state) || agent.is_committing) return;
  State next = state;
  const PackRow& row = state.catalog.pack[agent.pack];
  next.agent[i].upload = kNoUpload;
  if (state.catalog.session[i].state != kOpen || row.state != kStaged) {
    Emit(next, {"session $0 is told that pack $1 is no longer wanted", i, agent.pack}, sink);
    return;
  }
  for (int c = 0; c < bounds_.chunks; ++c) {
    ChunkRow& chunk = next.catalog.chunk[c];
    if ((agent.content & (1 << c)) == 0 || chunk.state == kLive) continue;
    if (chunk.state == kLost) Reach(kGoalHealed);
    if (chunk.state == kCondemned || chunk.state == kDoomed) Reach(kGoalPutTakesOver);
    chunk = {.state = kLive, .pack = agent.pack};
  }
  next.catalog.pack[agent.pack].state = kPackLive;
  next.agent[i].has |= agent.content;
  if (agent.upload == kUploadStaged) next.agent[i].upload = kUploadStaged;
  Emit(next, {"session $0 enters pack $1; its chunks are acknowledged", i, agent.pack}, sink);
  if (Is(kFailedPutRemoves)) {
    next.agent[i].upload = agent.upload;
    next.agent[i].has = agent.has;
    Emit(next, {"session $0 enters pack $1, and does not hear of it", i, agent.pack}, sink);
  }
}

void GcProtocol::Commit(const State& state, int i, Sink sink) const {
  const Agent& agent = state.agent[i];
  const SessionRow& row = state.catalog.session[i];
  const int bit = 1 << i;
  if (agent.is_committing) {
    State next = state;
    next.agent[i].is_committing = 0;
    next.catalog.session[i].commit_no = 0;
    Emit(next, {"the commit transaction of session $0 is rolled back: its server is gone", i},
         sink);
    next.catalog.session[i] = {.state = kCommitted, .commit_no = row.commit_no};
    next.acknowledged |= bit;
    Reach(kGoalAcknowledged);
    Emit(next, {"session $0's snapshot is committed and acknowledged", i}, sink);
    return;
  }
  const bool has_record = (state.store.records & ~state.store.tombstones & bit) != 0;
  const bool may_finish = bounds_.has_rollback && row.state == kOver;  // By the server alone.
  if (!CanWrite(state) || (row.state != kOpen && !may_finish)) return;
  const bool is_ready = (Refs(i) & ~agent.has) == 0;
  if (!has_record) {
    if (row.state != kOpen || !is_ready) return;
    State next = state;
    next.store.records |= bit;
    Emit(next, {"session $0's commit record is durable", i}, sink);
    return;
  }
  if (row.state == kOpen && !is_ready && !bounds_.has_rollback) return;
  const int missing = Refs(i) & ~LiveChunks(state);
  State next = state;
  if (bounds_.has_rollback && !Is(kNoRollbackGuard | kGuardOnlyAtRounds) && !agent.is_guarded) {
    // The store's epoch is read after the transaction has begun.
    if (IsBehind(state)) {
      next.is_recovery = 1;
      Reach(kGoalRecovery);
      Emit(next, {"session $0's commit finds the catalog behind the store: RECOVERY", i}, sink);
      return;
    }
    if (Is(kGuardBeforeCommit)) {
      next.agent[i].is_guarded = 1;
      Emit(next, {"session $0's commit reads the store's epoch: not ahead", i}, sink);
      return;
    }
  }
  next.agent[i].is_guarded = 0;
  if (missing != 0 && !Is(kNoLivenessCheck)) {
    next.agent[i].has &= ~missing;
    if (next.agent[i].has == agent.has) return;
    Reach(kGoalNeed);
    Emit(next, {"session $0's commit is answered with NEED $1 (a set)", i, missing}, sink);
    return;
  }
  // The number is given at INSERT, before the transaction is visible.
  next.catalog.session[i].commit_no = ++next.catalog.last_no;
  if (bounds_.is_commit_atomic) {
    next.catalog.session[i].state = kCommitted;
    next.acknowledged |= bit;
    Reach(kGoalAcknowledged);
    if (may_finish) Reach(kGoalFinished);
    Emit(next, {"session $0's snapshot is committed and acknowledged", i}, sink);
    return;
  }
  next.agent[i].is_committing = 1;
  if (Is(kAckBeforeCommit)) next.acknowledged |= bit;
  Emit(next, {"session $0 commits: lock shared, every reference checked, row inserted", i}, sink);
}

// The tombstone first: from then on the deletion is certain.
void GcProtocol::Forget(const State& state, int i, Sink sink) const {
  const int bit = 1 << i;
  if (!bounds_.has_forget || !CanWrite(state)) return;
  if (state.catalog.session[i].state != kCommitted) return;
  State next = state;
  if ((state.store.tombstones & bit) == 0) {
    next.store.tombstones |= bit;
    if (bounds_.is_forget_atomic) next.catalog.session[i].state = kDeleted;
    Emit(next, {"snapshot $0 is to be deleted: its tombstone is durable", i}, sink);
    return;
  }
  next.catalog.session[i].state = kDeleted;
  Emit(next, {"snapshot $0's row is deleted", i}, sink);
}

}  // namespace mooring::model
