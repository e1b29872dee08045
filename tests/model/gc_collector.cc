// The collector: MARK, CONDEMN, DOOM, JOURNAL, EPOCH, UNLINK. There may be two of
// them, of which all but the one that began last are zombies.

#include <algorithm>

#include "tests/model/gc_protocol.h"

namespace mooring::model {

void GcProtocol::ExpandCollector(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  BeginRound(state, k, sink);
  if (me.stage == kIdle) return;
  Mark(state, k, sink);
  // Nothing is doomed or journaled between the pending epoch and its end.
  if (me.epoch_value == 0) {
    if (bounds_.has_collection) {
      Condemn(state, k, sink);
      Doom(state, k, sink);
    }
    Journal(state, k, sink);
  }
  if (bounds_.has_rollback) BumpEpoch(state, k, sink);
  ListForUnlink(state, k, sink);
  Unlink(state, k, sink);
  DeleteRows(state, k, sink);
  State next = state;
  next.collector[k] = {};
  Emit(next, {"collector $0's round ends, or its server is gone", k}, sink);
}

void GcProtocol::BeginRound(const State& state, int k, Sink sink) const {
  if (state.collector[k].stage != kIdle) return;
  const bool is_in_flight = CanWrite(state) && !CanLock(state);
  if (!CanLock(state) && !(is_in_flight && Is(kMarkWithoutLock))) return;
  State next = state;
  if (IsBehind(state) && !Is(kNoRollbackGuard)) {
    next.is_recovery = 1;
    Reach(kGoalRecovery);
    Emit(next, {"collector $0 finds the catalog behind the store: RECOVERY", k}, sink);
    return;
  }
  Collector& me = next.collector[k];
  me.stage = kMarkBegun;
  me.mark_no = state.catalog.last_no;
  if (is_in_flight) {
    // max(commit_no) sees what is visible, and numbers become visible out of order.
    me.mark_no = 0;
    for (int i = 0; i < bounds_.sessions; ++i) {
      const SessionRow& row = state.catalog.session[i];
      if (row.state == kCommitted) me.mark_no = std::max(me.mark_no, row.commit_no);
    }
  }
  me.round = next.catalog.round = FreshRound(state);
  Emit(next, {"collector $0 begins a round: mark_no is $1", k, me.mark_no}, sink);
  if (Is(kEpochBeforeDoom) && bounds_.has_rollback) {
    next.catalog.pending_epoch = next.catalog.epoch + 1;
    if (next.catalog.pending_epoch > bounds_.epochs) return;
    next.catalog.epoch = next.catalog.pending_epoch;
    next.store.epoch = std::max(next.store.epoch, next.catalog.epoch);
    Emit(next, {"collector $0 begins a round and makes the epoch $1", k, next.catalog.epoch}, sink);
  }
}

void GcProtocol::Mark(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  if (me.stage != kMarkBegun || !CanWrite(state)) return;
  State next = state;
  int marked = 0;
  for (int i = 0; i < bounds_.sessions; ++i) {
    const SessionRow& row = state.catalog.session[i];
    if (row.state == kCommitted && row.commit_no <= me.mark_no) marked |= Refs(i);
  }
  next.collector[k].marked = marked;
  if (!Is(kMarkIgnoresRecords)) next.collector[k].pinned = RowlessRecords(state);
  next.collector[k].stage = kMarked;
  Emit(next, {"collector $0 has marked $1 (a set)", k, marked}, sink);
}

void GcProtocol::Condemn(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  if (me.stage != kMarked || !CanWrite(state)) return;
  if (Is(kCondemnOldSnapshot) && !me.has_view && !CanLock(state)) {
    State next = state;
    next.collector[k].has_view = 1;
    next.collector[k].view = Referenced(state, me.mark_no);
    Emit(next, {"collector $0 has a snapshot of the database and waits for the lock", k}, sink);
  }
  if (!CanLock(state) || !HoldsRound(state, k)) return;
  int fresh = Referenced(state, me.mark_no);
  if (Is(kStaleMark)) fresh = 0;
  if (me.has_view) fresh = me.view;
  for (int c = 0; c < bounds_.chunks; ++c) {
    const int chunk = 1 << c;
    if (state.catalog.chunk[c].state != kLive || ((me.marked | me.pinned | fresh) & chunk) != 0)
      continue;
    State next = state;
    next.catalog.chunk[c].state = kCondemned;
    next.collector[k].has_view = 0;
    Emit(next, {"collector $0 condemns chunk $1", k, c}, sink);
  }
}

void GcProtocol::Doom(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  if (me.stage != kMarked || !CanLock(state) || !HoldsRound(state, k)) return;
  const int referenced = me.marked | Referenced(state, me.mark_no);
  const auto doom_packs = [&](State& next) {
    for (int p = 0; p < bounds_.packs; ++p) {
      if (next.catalog.pack[p].state != kPackLive) continue;
      bool is_used = false;
      for (int c = 0; c < bounds_.chunks; ++c) {
        const ChunkRow& row = next.catalog.chunk[c];
        if (row.state == kGone || row.pack != p || row.state == kDoomed) continue;
        is_used = is_used || row.state != kCondemned || !Is(kPackDoomedOverCondemned);
      }
      if (!is_used) next.catalog.pack[p].state = kPackDoomed;
    }
  };
  State packs_only = state;
  doom_packs(packs_only);
  Emit(packs_only, {"collector $0 dooms the packs without a live, condemned or lost row", k}, sink);
  for (int c = 0; c < bounds_.chunks; ++c) {
    const int chunk = 1 << c;
    const int row = state.catalog.chunk[c].state;
    if ((row != kCondemned && row != kLost) || (me.pinned & chunk) != 0) continue;
    State next = state;
    const bool is_referenced = (referenced & chunk) != 0;
    if (row == kCondemned && is_referenced && !Is(kDoomUnchecked)) {
      // After a rollback the marks of before may hold snapshots that are gone.
      if (!state.has_rolled_back) next.broken = 1;
      next.collector[k] = {};
      Emit(next, {"collector $0 stops: condemned chunk $1 is referenced", k, c}, sink);
      continue;
    }
    if (row == kLost && is_referenced && !Is(kDoomLostUnchecked)) continue;
    next.catalog.chunk[c].state = kDoomed;
    doom_packs(next);
    Emit(next, {"collector $0 dooms chunk $1, and packs that hold nothing else", k, c}, sink);
  }
}

void GcProtocol::Journal(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  if (me.journal_pack != kNoPack) {
    State next = state;
    next.store.journaled |= 1 << me.journal_pack;
    next.collector[k].journal_pack = kNoPack;
    Emit(next, {"collector $0's journal of pack $1 is durable", k, me.journal_pack}, sink);
    return;
  }
  if (me.stage != kMarked || !CanWrite(state) || !HoldsRound(state, k)) return;
  for (int p = 0; p < bounds_.packs; ++p) {
    const bool is_journaled = ((state.store.journaled >> p) & 1) != 0;
    const bool is_orphan = bounds_.has_rollback && bounds_.has_sweep && IsOrphan(state, p);
    if ((state.catalog.pack[p].state != kPackDoomed && !is_orphan) || is_journaled) continue;
    State next = state;
    next.collector[k].journal_pack = p;
    Emit(next,
         {is_orphan ? "collector $0 sees pack $1 orphaned and without a journal"
                    : "collector $0 sees pack $1 doomed and without a journal",
          k, p},
         sink);
  }
}

void GcProtocol::BumpEpoch(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  if (me.stage != kMarked || me.journal_pack != kNoPack) return;
  State next = state;
  Collector& then = next.collector[k];
  const auto unlinks = [&] {
    then.stage = kUnlinking;
    then.epoch_value = 0;
    then.is_epoch_durable = 0;
  };
  if (Is(kEpochBeforeDoom)) {
    unlinks();
    Emit(next, {"collector $0 goes on to unlink", k}, sink);
    return;
  }
  if (me.epoch_value == 0) {
    if (!CanWrite(state) || !HoldsRound(state, k)) return;
    const int above = Is(kPendingReused)
                          ? state.catalog.epoch
                          : std::max(state.catalog.epoch, state.catalog.pending_epoch);
    if (above >= bounds_.epochs) return;
    then.epoch_value = next.catalog.pending_epoch = above + 1;
    Emit(next, {"collector $0 makes epoch $1 pending", k, above + 1}, sink);
    return;
  }
  if (!me.is_epoch_durable) {
    then.is_epoch_durable = 1;
    next.store.epoch = std::max(state.store.epoch, me.epoch_value);
    Emit(next, {"collector $0's object of epoch $1 is durable", k, me.epoch_value}, sink);
    return;
  }
  if (!CanWrite(state) || !HoldsRound(state, k)) return;
  if (state.catalog.pending_epoch != me.epoch_value) return;
  next.catalog.epoch = me.epoch_value;
  unlinks();
  Emit(next, {"collector $0 makes the epoch $1 and goes on to unlink", k, me.epoch_value}, sink);
}

// Staged packs whose session is over lose their row here; then the object may go.
void GcProtocol::ListOrphans(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  const bool is_time = me.stage == kUnlinking || (me.stage == kMarked && Is(kSweepBeforeEpoch));
  if (!is_time || me.unlink != kNoUnlink || me.journal_pack != kNoPack) return;
  if (!CanWrite(state) || !HoldsRound(state, k)) return;
  for (int p = 0; p < bounds_.packs; ++p) {
    const bool is_journaled = ((state.store.journaled >> p) & 1) != 0;
    if (!IsOrphan(state, p) || (!is_journaled && !Is(kSweepUnjournaled))) continue;
    State next = state;
    next.catalog.pack[p] = {};
    Collector& then = next.collector[k];
    then.is_orphan = 1;
    then.unlink_pack = p;
    then.unlink = Is(kSweepIgnoresRecords) ? kUnlinkAllowed : kUnlinkListed;
    Emit(next, {"collector $0 makes sure that orphaned pack $1 has no row", k, p}, sink);
  }
}

void GcProtocol::ListForUnlink(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  if (bounds_.has_rollback && bounds_.has_sweep) ListOrphans(state, k, sink);
  const int stage = bounds_.has_rollback ? kUnlinking : kMarked;
  if (me.stage != stage || me.unlink != kNoUnlink || me.journal_pack != kNoPack) return;
  const bool asks_catalog = !Is(kUnlinkByJournalAlone);
  if (asks_catalog && (!CanWrite(state) || !HoldsRound(state, k))) return;
  for (int p = 0; p < bounds_.packs; ++p) {
    const bool is_journaled = ((state.store.journaled >> p) & 1) != 0;
    if (!is_journaled && !Is(kJournalAfterUnlink)) continue;
    if (asks_catalog && state.catalog.pack[p].state != kPackDoomed) continue;
    State next = state;
    bool is_all_doomed = true;
    for (int c = 0; c < bounds_.chunks; ++c) {
      const ChunkRow& row = state.catalog.chunk[c];
      if (row.state == kGone || row.pack != p) continue;
      next.collector[k].unlink_chunks |= 1 << c;
      is_all_doomed = is_all_doomed && row.state == kDoomed;
    }
    if (asks_catalog && !is_all_doomed && !Is(kUnlinkTrustsPackState)) {
      if (!Is(kPackDoomedOverCondemned)) {
        next.broken = 3;
        Emit(next, {"collector $0 stops: doomed pack $1 has a row that is not doomed", k, p}, sink);
      }
      continue;
    }
    next.collector[k].unlink_pack = p;
    next.collector[k].unlink =
        Is(kUnlinkIgnoresRecords) || !bounds_.has_rollback ? kUnlinkAllowed : kUnlinkListed;
    Emit(next, {"collector $0 may unlink pack $1", k, p}, sink);
  }
}

void GcProtocol::Unlink(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  if (me.unlink == kUnlinkListed && CanWrite(state)) {
    // The records are listed after the transaction that listed the packs.
    State next = state;
    // An orphan's chunks are not known without reading it.
    const int of_pack = me.is_orphan ? ~0 : static_cast<int>(me.unlink_chunks);
    bool is_named = (RowlessRecords(state) & of_pack) != 0;
    if (me.is_orphan && Is(kSweepAsksOwnRecordOnly)) {
      is_named = is_named && (state.store.records & (1 << state.store.maker[me.unlink_pack])) != 0;
    }
    next.collector[k].unlink = is_named ? kNoUnlink : kUnlinkAllowed;
    Emit(next,
         {is_named ? "collector $0 leaves pack $1 alone: a commit record without a row needs it"
                   : "collector $0 finds no commit record without a row that needs pack $1",
          k, me.unlink_pack},
         sink);
  }
  if (me.unlink == kUnlinkAllowed) {
    State next = state;
    next.store.is_present[me.unlink_pack] = 0;
    next.store.good[me.unlink_pack] = 0;
    next.collector[k].unlink = me.is_orphan ? kNoUnlink : kUnlinkRemoved;
    if (me.is_orphan) Reach(kGoalSwept);
    Emit(next, {"collector $0 removes the object of pack $1", k, me.unlink_pack}, sink);
  }
}

void GcProtocol::DeleteRows(const State& state, int k, Sink sink) const {
  const Collector& me = state.collector[k];
  const int p = me.unlink_pack;
  if (me.unlink != kUnlinkRemoved || !CanWrite(state)) return;
  State next = state;
  next.collector[k].unlink = kNoUnlink;
  if (Is(kJournalAfterUnlink)) next.collector[k].journal_pack = p;
  if (state.catalog.pack[p].state == kPackDoomed) {
    for (int c = 0; c < bounds_.chunks; ++c) {
      ChunkRow& row = next.catalog.chunk[c];
      if (row.state != kDoomed || row.pack != p) continue;
      row = {};
      Reach(kGoalRowDeleted);
    }
    next.catalog.pack[p] = {};
    Reach(kGoalCollected);
  }
  Emit(next, {"collector $0 deletes the rows of pack $1", k, p}, sink);
}

}  // namespace mooring::model
