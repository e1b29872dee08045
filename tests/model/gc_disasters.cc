// What happens to a repository: a copy goes bad, the catalog travels back in time.

#include <algorithm>

#include "tests/model/gc_protocol.h"

namespace mooring::model {

void GcProtocol::ExpandDamage(const State& state, Sink sink) const {
  if (state.damages >= bounds_.damages) return;
  for (int c = 0; c < bounds_.chunks; ++c) {
    const ChunkRow& row = state.catalog.chunk[c];
    if (row.state == kGone || ((state.store.good[row.pack] >> c) & 1) == 0) continue;
    State next = state;
    next.store.good[row.pack] &= ~(1 << c);
    next.hurt |= 1 << c;
    ++next.damages;
    Emit(next, {"a fault destroys chunk $0 in pack $1", c, row.pack}, sink);
  }
}

void GcProtocol::ExpandRollback(const State& state, Sink sink) const {
  if (!state.has_saved && !state.has_rolled_back) {
    State next = state;
    next.saved = state.catalog;
    next.has_saved = 1;
    Emit(next, {"(the point to which the catalog will go back)", 0}, sink);
  }
  if (state.has_saved) {
    State next = state;
    next.catalog = state.saved;
    next.has_saved = 0;
    next.has_rolled_back = 1;
    Reach(kGoalRolledBack);
    Emit(next, {"the catalog goes back to that point, while the servers run on", 0}, sink);
  }
  if (state.has_rolled_back && !Is(kNoRollbackGuard)) {
    Reconcile(state, sink);
  }
}

// One step: nothing else runs. The store alone is believed.
void GcProtocol::Reconcile(const State& state, Sink sink) const {
  if (state.is_reconciled && !state.is_recovery) return;
  State next = state;
  Catalog& catalog = next.catalog;
  for (int i = 0; i < bounds_.sessions; ++i) {
    SessionRow& row = catalog.session[i];
    const int bit = 1 << i;
    if ((state.store.tombstones & bit) != 0) {
      row = {.state = kDeleted};
    } else if ((state.store.records & bit) != 0 && row.state != kCommitted) {
      row = {.state = kCommitted, .commit_no = ++catalog.last_no};
    } else if (row.state == kOpen) {
      row = {.state = kOver};
    }
  }
  for (int c = 0; c < bounds_.chunks; ++c) {
    const Place place = PlaceChunk(next, c);
    if (place == Place::kFound) continue;
    if (place == Place::kNoRoom) return;  // Of the model; there is always another pack id.
    // What cannot be placed was never acknowledged, or is lost.
    for (int i = 0; i < bounds_.sessions; ++i) {
      const bool was_committed = state.catalog.session[i].state == kCommitted;
      const bool is_new = catalog.session[i].state == kCommitted && !was_committed;
      if (is_new && (Refs(i) & (1 << c)) != 0) catalog.session[i] = {.state = kOver};
    }
  }
  for (int p = 0; p < bounds_.packs; ++p) {
    bool is_named = false;
    for (int c = 0; c < bounds_.chunks; ++c) {
      is_named = is_named || (catalog.chunk[c].state != kGone && catalog.chunk[c].pack == p);
    }
    if (!state.store.is_present[p] && next.store.is_present[p] == 0 && !is_named) {
      catalog.pack[p] = {};
    }
  }
  catalog.epoch = std::max({catalog.epoch, catalog.pending_epoch, next.store.epoch}) + 1;
  catalog.pending_epoch = next.store.epoch = catalog.epoch;
  catalog.round = FreshRound(state);
  catalog.is_compacting = 0;
  next.is_recovery = 0;
  next.is_reconciled = 1;
  Reach(kGoalReconciled);
  Emit(next, {"the catalog is reconciled with the store; all sessions end", 0}, sink);
}

// The row of chunk `c` after reconciliation.
GcProtocol::Place GcProtocol::PlaceChunk(State& state, int c) const {
  const int chunk = 1 << c;
  Catalog& catalog = state.catalog;
  ChunkRow& row = catalog.chunk[c];
  const auto is_sound = [&](int p) {
    return (state.store.good[p] & chunk) != 0 && ((state.store.journaled >> p) & 1) == 0;
  };
  const bool is_needed = (Referenced(state, -1) & chunk) != 0;
  if (row.state != kGone && is_sound(row.pack)) {
    if (is_needed) {
      row.state = kLive;
      catalog.pack[row.pack] = {.state = kPackLive};
    }
    return Place::kFound;
  }
  for (int p = 0; p < bounds_.packs; ++p) {
    if (!is_sound(p)) continue;
    row = {.state = kLive, .pack = p};
    catalog.pack[p] = {.state = kPackLive};
    return Place::kFound;
  }
  if (!is_needed) {
    if (row.state != kGone && (state.store.good[row.pack] & chunk) == 0) row = {};
    if (row.state != kGone) row.state = kDoomed;
    return Place::kFound;
  }
  // Journaled, and still there: somebody may be about to remove it, so the
  // bytes are read into a new pack, and verified, before it counts as lost.
  for (int p = 0; p < bounds_.packs && !Is(kReconcileDropsJournaled); ++p) {
    if ((state.store.good[p] & chunk) == 0) continue;
    const int to = FreePack(state);
    if (to == kNoPack) return Place::kNoRoom;
    state.store.is_present[to] = 1;
    state.store.good[to] = chunk;
    row = {.state = kLive, .pack = to};
    catalog.pack[to] = {.state = kPackLive};
    Reach(kGoalRescued);
    return Place::kFound;
  }
  if (row.state != kGone) row.state = kLost;
  return Place::kNowhere;
}

}  // namespace mooring::model
