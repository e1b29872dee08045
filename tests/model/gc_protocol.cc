#include "tests/model/gc_protocol.h"

namespace mooring::model {

State GcProtocol::Initial() const {
  State state;
  Normalize(bounds_, state);
  return state;
}

void GcProtocol::Expand(const State& state, Sink sink) const {
  for (int i = 0; i < bounds_.sessions; ++i) ExpandSession(state, i, sink);
  for (int k = 0; k < bounds_.collectors; ++k) ExpandCollector(state, k, sink);
  if (bounds_.compactions > 0) ExpandCompactor(state, sink);
  if (bounds_.has_sweep && !bounds_.has_rollback) ExpandSweeper(state, sink);
  if (bounds_.has_scrub) ExpandScrubber(state, sink);
  if (bounds_.has_reader) ExpandReader(state, sink);
  if (bounds_.damages > 0) ExpandDamage(state, sink);
  if (bounds_.has_rollback) ExpandRollback(state, sink);
}

void GcProtocol::Emit(const State& state, const Step& step, Sink sink) const {
  State next = state;
  Normalize(bounds_, next);
  sink(next, step);
}

bool GcProtocol::CanWrite(const State& state) const {
  return !state.is_recovery;
}

bool GcProtocol::CanLock(const State& state) const {
  for (int i = 0; i < bounds_.sessions; ++i) {
    if (state.agent[i].is_committing) return false;
  }
  return CanWrite(state);
}

bool GcProtocol::HoldsRound(const State& state, int k) const {
  if (Is(kUnfencedRound) || state.collector[k].round == state.catalog.round) return true;
  Reach(kGoalFenced);
  return false;
}

// The guard: the store knows of an epoch that the catalog has never prepared.
bool GcProtocol::IsBehind(const State& state) const {
  const Catalog& catalog = state.catalog;
  return state.store.epoch > catalog.epoch && state.store.epoch > catalog.pending_epoch;
}

int GcProtocol::LiveChunks(const State& state) const {
  int live = 0;
  for (int c = 0; c < bounds_.chunks; ++c) {
    if (state.catalog.chunk[c].state == kLive) live |= 1 << c;
  }
  return live;
}

int GcProtocol::Referenced(const State& state, int after) const {
  int refs = 0;
  for (int i = 0; i < bounds_.sessions; ++i) {
    const SessionRow& row = state.catalog.session[i];
    if (row.state == kCommitted && row.commit_no > after) refs |= Refs(i);
  }
  return refs;
}

int GcProtocol::RowlessRecords(const State& state) const {
  if (!bounds_.has_rollback) return 0;
  int refs = 0;
  for (int i = 0; i < bounds_.sessions; ++i) {
    const int row = state.catalog.session[i].state;
    const bool has_record = (state.store.records & ~state.store.tombstones & (1 << i)) != 0;
    if (has_record && row != kCommitted && row != kDeleted) refs |= Refs(i);
  }
  return refs;
}

// A number that nothing has a trace of: pack ids are never used again.
int GcProtocol::FreePack(const State& state) const {
  int held = state.store.journaled;
  const auto hold = [&held](int pack) {
    if (pack != kNoPack) held |= 1 << pack;
  };
  for (int c = 0; c < bounds_.chunks; ++c) {
    hold(state.catalog.chunk[c].pack);
    hold(state.saved.chunk[c].pack);
  }
  for (int i = 0; i < bounds_.sessions; ++i) hold(state.agent[i].pack);
  for (int k = 0; k < bounds_.collectors; ++k) {
    hold(state.collector[k].journal_pack);
    hold(state.collector[k].unlink_pack);
  }
  hold(state.compactor.from);
  hold(state.compactor.to);
  hold(state.sweeper.pack);
  hold(state.scrubber.pack);
  hold(state.reader.pack);
  for (int p = 0; p < bounds_.packs; ++p) {
    const bool is_known = state.store.is_present[p] || state.catalog.pack[p].state != kNoRow ||
                          state.saved.pack[p].state != kNoRow;
    if (!is_known && (held & (1 << p)) == 0) return p;
  }
  return kNoPack;
}

int GcProtocol::FreshRound(const State& state) const {
  const auto is_taken = [&](int number) {
    if (number == state.catalog.round || number == state.saved.round) return true;
    for (int k = 0; k < bounds_.collectors; ++k) {
      const Collector& other = state.collector[k];
      if (other.stage != kIdle && other.round == number) return true;
    }
    return false;
  };
  int round = 1;
  while (is_taken(round)) ++round;
  return round;
}

// Invariants; gc-safety.md numbers them.
const char* GcProtocol::Violation(const State& state) const {
  if (state.broken == 1) return "DOOM found a reference to a condemned chunk";
  if (state.broken == 2) return "a restore did not find a chunk of its snapshot";
  if (state.broken == 3) return "a doomed pack has a row that is not doomed";
  const bool may_differ = state.has_rolled_back && !state.is_reconciled;
  // From a rollback on, until it is noticed, the catalog may name what is gone.
  const bool is_in_doubt = state.is_recovery || (state.has_rolled_back && IsBehind(state));
  for (int i = 0; i < bounds_.sessions; ++i) {
    const int bit = 1 << i;
    if ((state.store.tombstones & bit) != 0) continue;
    const bool is_promised = (state.acknowledged & bit) != 0;
    const bool has_row = state.catalog.session[i].state == kCommitted;
    if (is_promised && !has_row && !may_differ) return "an acknowledged snapshot has no row";
    for (int c = 0; c < bounds_.chunks; ++c) {
      const int chunk = 1 << c;
      if ((Refs(i) & chunk) == 0 || (state.hurt & chunk) != 0) continue;
      int copies = 0;
      for (int p = 0; p < bounds_.packs; ++p) copies |= state.store.good[p] & chunk;
      if (is_promised && copies == 0) return "no copy is left of an acknowledged snapshot's chunk";
    }
    if (!has_row || is_in_doubt) continue;
    for (int c = 0; c < bounds_.chunks; ++c) {
      const int chunk = 1 << c;
      if ((Refs(i) & chunk) == 0) continue;
      const ChunkRow& row = state.catalog.chunk[c];
      const bool is_hurt = (state.hurt & chunk) != 0;
      if (row.state != kLive && !(row.state == kLost && is_hurt)) {
        return "a committed snapshot references a chunk that is not live";
      }
      if ((state.store.good[row.pack] & chunk) == 0 && !is_hurt) {
        return "a committed snapshot's chunk is not in the pack that its row names";
      }
    }
  }
  return nullptr;
}

}  // namespace mooring::model
