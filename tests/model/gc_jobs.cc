// What else moves or reads chunks: compaction, the sweep of orphans, scrub, restore.

#include "tests/model/gc_protocol.h"

namespace mooring::model {

void GcProtocol::ExpandCompactor(const State& state, Sink sink) const {
  const Compactor& me = state.compactor;
  if (me.stage == 0 && CanWrite(state) && !state.catalog.is_compacting &&
      state.compactions < bounds_.compactions) {
    const int to = FreePack(state);
    for (int from = 0; to != kNoPack && from < bounds_.packs; ++from) {
      if (state.catalog.pack[from].state != kPackLive) continue;
      State next = state;
      next.catalog.pack[to] = {.state = kStaged, .owner = kCompactor};
      next.catalog.is_compacting = 1;
      next.compactor = {.stage = 1, .from = from, .to = to};
      ++next.compactions;
      Emit(next, {"the compactor stages pack $0 for what pack $1 holds", to, from}, sink);
    }
  }
  if (me.stage == 1 && CanWrite(state)) {
    State next = state;
    for (int c = 0; c < bounds_.chunks; ++c) {
      const ChunkRow& row = state.catalog.chunk[c];
      const bool is_wanted = row.pack == me.from && (row.state == kLive || row.state == kCondemned);
      if (is_wanted) next.compactor.content |= state.store.good[me.from] & (1 << c);
    }
    next.store.is_present[me.to] = 1;
    next.store.good[me.to] = next.compactor.content;
    next.compactor.stage = 2;
    Emit(next,
         {"the compactor's pack $0 is durable, with the chunks $1 (a set)", me.to,
          next.compactor.content},
         sink);
  }
  if (me.stage == 2) Repoint(state, sink);
  if (me.stage != 0) {
    State next = state;
    next.compactor = {};
    Emit(next, {"the compactor is gone", 0}, sink);
  }
  // Only the sweep asks for it.
  if (bounds_.has_sweep && state.catalog.is_compacting && CanWrite(state)) {
    State next = state;
    next.catalog.is_compacting = 0;
    Emit(next, {"the compactor's lease ends, whether it knows or not", 0}, sink);
  }
}

void GcProtocol::Repoint(const State& state, Sink sink) const {
  const Compactor& me = state.compactor;
  if (!CanLock(state)) return;
  State next = state;
  next.compactor = {};
  const bool is_staged = state.catalog.pack[me.to].state == kStaged;
  if (!is_staged && !Is(kRepointWithoutOwnRow)) {
    Emit(next, {"the compactor gives up: its pack $0 was swept", me.to}, sink);
    return;
  }
  for (int c = 0; c < bounds_.chunks; ++c) {
    ChunkRow& row = next.catalog.chunk[c];
    if ((me.content & (1 << c)) == 0) continue;
    const bool is_same = row.pack == me.from && (row.state == kLive || row.state == kCondemned);
    if (is_same) {
      row.pack = me.to;
      Reach(kGoalCompacted);
    } else if (Is(kRepointAnyRow)) {
      row = {.state = kLive, .pack = me.to};
    }
  }
  next.catalog.pack[me.to] = {.state = kPackLive};
  next.catalog.is_compacting = 0;
  Emit(next, {"the compactor points rows of pack $0 to pack $1", me.from, me.to}, sink);
}

// In the store without a row, or staged for what is over.
bool GcProtocol::IsOrphan(const State& state, int p) const {
  const PackRow& row = state.catalog.pack[p];
  if (row.state == kNoRow) return state.store.is_present[p] != 0;
  if (row.state != kStaged) return false;
  if (row.owner < kSessionsMax) return Is(kSweepIgnoresSessions);
  if (row.owner == kCompactor && state.catalog.is_compacting) return Is(kSweepIgnoresCompaction);
  return true;
}

// Where there is a rollback, the collector sweeps; see ListForUnlink.
void GcProtocol::ExpandSweeper(const State& state, Sink sink) const {
  const Sweeper& me = state.sweeper;
  if (me.stage != 0) {
    State next = state;
    next.store.is_present[me.pack] = 0;
    next.store.good[me.pack] = 0;
    if (Is(kSweepObjectFirst) && next.catalog.pack[me.pack].state == kStaged) {
      next.catalog.pack[me.pack] = {};
    }
    next.sweeper = {};
    Reach(kGoalSwept);
    Emit(next, {"the sweep removes the object of pack $0", me.pack}, sink);
    return;
  }
  for (int p = 0; p < bounds_.packs && CanWrite(state); ++p) {
    if (!IsOrphan(state, p)) continue;
    State next = state;
    next.sweeper = {.stage = 1, .pack = p};
    if (!Is(kSweepObjectFirst)) next.catalog.pack[p] = {};
    Emit(
        next,
        {Is(kSweepObjectFirst)
             ? "the sweep finds pack $0 without a row, or staged for what is over"
             : "the sweep finds pack $0 without a row, or staged for what is over: it has none now",
         p},
        sink);
  }
}

void GcProtocol::ExpandScrubber(const State& state, Sink sink) const {
  const Scrubber& me = state.scrubber;
  State next = state;
  if (me.stage == 0) {
    for (int c = 0; c < bounds_.chunks && CanWrite(state); ++c) {
      if (state.catalog.chunk[c].state != kLive) continue;
      next.scrubber = {.stage = 1, .chunk = c, .pack = state.catalog.chunk[c].pack};
      Emit(next, {"scrub looks chunk $0 up: it is in pack $1", c, next.scrubber.pack}, sink);
    }
    return;
  }
  if (me.stage == 1) {
    const bool is_good = ((state.store.good[me.pack] >> me.chunk) & 1) != 0;
    next.scrubber.stage = is_good ? 0 : 2;
    Emit(next,
         {is_good ? "scrub reads chunk $0 in pack $1: good" : "scrub finds no chunk $0 in pack $1",
          me.chunk, me.pack},
         sink);
    return;
  }
  if (!CanWrite(state)) return;
  ChunkRow& row = next.catalog.chunk[me.chunk];
  const bool is_there = row.state == kLive || row.state == kCondemned;
  if (is_there && (row.pack == me.pack || Is(kLostByNumber))) row.state = kLost;
  next.scrubber = {};
  Emit(next, {"scrub says that chunk $0 of pack $1 is lost", me.chunk, me.pack}, sink);
}

void GcProtocol::ExpandReader(const State& state, Sink sink) const {
  const Reader& me = state.reader;
  const auto is_kept = [&](int i) {
    return state.catalog.session[i].state == kCommitted && (state.store.tombstones & (1 << i)) == 0;
  };
  if (me.stage == 0) {
    for (int i = 0; i < bounds_.sessions && CanWrite(state); ++i) {
      for (int c = 0; c < bounds_.chunks; ++c) {
        if (!is_kept(i) || (Refs(i) & (1 << c)) == 0) continue;
        State next = state;
        const int pack = state.catalog.chunk[c].pack;
        next.reader = {.stage = 1, .session = i, .chunk = c, .pack = pack};
        Emit(next, {"a restore looks chunk $0 up: it is in pack $1", c, pack}, sink);
      }
    }
    return;
  }
  State next = state;
  const bool is_good = ((state.store.good[me.pack] >> me.chunk) & 1) != 0;
  const bool is_excused = !is_kept(me.session) || (state.hurt & (1 << me.chunk)) != 0;
  if (is_good || is_excused) {
    if (is_good && me.stage == 2) Reach(kGoalReadAgain);
    next.reader = {};
    Emit(next, {"the restore is done with chunk $0 of pack $1", me.chunk, me.pack}, sink);
    return;
  }
  if (me.stage == 1 && !Is(kReaderTrustsFirst)) {
    if (!CanWrite(state)) return;
    next.reader.stage = 2;
    next.reader.pack = state.catalog.chunk[me.chunk].pack;
    Emit(next,
         {"the restore does not find chunk $0, and looks again: pack $1", me.chunk,
          next.reader.pack},
         sink);
    return;
  }
  next.broken = 2;
  Emit(next, {"the restore does not find chunk $0 in pack $1", me.chunk, me.pack}, sink);
}

}  // namespace mooring::model
