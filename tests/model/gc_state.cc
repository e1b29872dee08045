#include "tests/model/gc_state.h"

#include <algorithm>
#include <cstddef>

namespace mooring::model {
namespace {

bool IsOpen(const SessionRow& session) {
  return session.state == kOpen;
}

void NormalizeCatalog(const Bounds& bounds, Catalog& catalog) {
  for (int c = 0; c < bounds.chunks; ++c) {
    if (catalog.chunk[c].state == kGone) catalog.chunk[c].pack = kNoPack;
  }
  for (int p = 0; p < bounds.packs; ++p) {
    PackRow& row = catalog.pack[p];
    const bool has_owner =
        row.state == kStaged && (row.owner == kCompactor ||
                                 (row.owner < kSessionsMax && IsOpen(catalog.session[row.owner])));
    if (!has_owner) row.owner = kNobody;
  }
  for (int i = 0; i < bounds.sessions; ++i) {
    SessionRow& row = catalog.session[i];
    if (row.state != kCommitted && row.state != kOpen) row.commit_no = 0;
  }
}

void NormalizeAgent(const State& state, int i, Agent& agent) {
  if (!IsOpen(state.catalog.session[i]))
    agent.has = agent.seen = agent.is_committing = agent.is_guarded = 0;
  if (agent.upload == kNoUpload) {
    agent.pack = kNoPack;
    agent.content = 0;
  }
}

void NormalizeCollector(Collector& collector) {
  if (collector.stage == kIdle) collector = {};
  if (collector.stage != kMarked) collector.has_view = 0;
  if (!collector.has_view) collector.view = 0;
  if (collector.epoch_value == 0) collector.is_epoch_durable = 0;
  if (collector.unlink == kNoUnlink) {
    collector.unlink_pack = kNoPack;
    collector.unlink_chunks = 0;
    collector.is_orphan = 0;
  }
}

// A session that is over without a trace may begin again: a run is as long as it likes.
void Recycle(const Bounds& bounds, State& state) {
  if (bounds.has_rollback) return;
  for (int i = 0; i < bounds.sessions; ++i) {
    const int bit = 1 << i;
    const int row = state.catalog.session[i].state;
    if ((row != kDeleted && row != kOver) || state.agent[i].upload != kNoUpload) continue;
    if ((state.acknowledged & bit) != 0 && (state.store.tombstones & bit) == 0) continue;
    state.catalog.session[i] = {};
    state.agent[i] = {};
    state.store.records &= ~bit;
    state.store.tombstones &= ~bit;
    state.acknowledged &= ~bit;
  }
}

// Calls `visit` with every pack number that something holds, in a fixed order.
template <typename AnyState, typename Visit>
void ForEachPointer(const Bounds& bounds, AnyState& state, Visit visit) {
  for (int c = 0; c < bounds.chunks; ++c) visit(state.catalog.chunk[c].pack);
  for (int c = 0; c < bounds.chunks; ++c) visit(state.saved.chunk[c].pack);
  for (int i = 0; i < bounds.sessions; ++i) visit(state.agent[i].pack);
  for (int k = 0; k < bounds.collectors; ++k) {
    visit(state.collector[k].journal_pack);
    visit(state.collector[k].unlink_pack);
  }
  visit(state.compactor.from);
  visit(state.compactor.to);
  visit(state.sweeper.pack);
  visit(state.scrubber.pack);
  visit(state.reader.pack);
}

void ForgetJournals(const Bounds& bounds, State& state) {
  int held = 0;
  ForEachPointer(bounds, state, [&held](int pack) { held |= 1 << pack; });
  for (int p = 0; p < bounds.packs; ++p) {
    const bool is_dead = !state.store.is_present[p] && state.catalog.pack[p].state == kNoRow &&
                         state.saved.pack[p].state == kNoRow && (held & (1 << p)) == 0;
    if (is_dead) state.store.journaled &= ~(1 << p);
  }
}

// What can be told of a pack that nothing points to.
int Attributes(const State& state, int p) {
  int word = state.catalog.pack[p].state;
  word = word * 8 + state.catalog.pack[p].owner;
  word = word * 4 + state.saved.pack[p].state;
  word = word * 8 + state.saved.pack[p].owner;
  word = word * 2 + state.store.is_present[p];
  word = word * 4 + state.store.good[p];
  return word * 2 + ((state.store.journaled >> p) & 1);
}

void RenamePacks(const Bounds& bounds, State& state) {
  int name[kPacksMax];
  std::fill(name, name + kPacksMax, kNoPack);
  int next = 0;
  ForEachPointer(bounds, state, [&](int pack) {
    if (pack != kNoPack && name[pack] == kNoPack) name[pack] = next++;
  });
  // The rest by what can be told of them, greatest first.
  while (next < bounds.packs) {
    int greatest = kNoPack;
    int attributes = -1;
    for (int p = 0; p < bounds.packs; ++p) {
      if (name[p] != kNoPack) continue;
      const int word = Attributes(state, p);
      if (word <= attributes) continue;
      attributes = word;
      greatest = p;
    }
    name[greatest] = next++;
  }
  bool is_same = true;
  for (int p = 0; p < bounds.packs; ++p) is_same = is_same && name[p] == p;
  if (is_same) return;

  const State old = state;
  state.store.journaled = 0;
  for (int p = 0; p < bounds.packs; ++p) {
    const int to = name[p];
    state.catalog.pack[to] = old.catalog.pack[p];
    state.saved.pack[to] = old.saved.pack[p];
    state.store.is_present[to] = old.store.is_present[p];
    state.store.good[to] = old.store.good[p];
    state.store.maker[to] = old.store.maker[p];
    state.store.journaled |= ((old.store.journaled >> p) & 1) << to;
  }
  ForEachPointer(bounds, state, [&](Small& pack) {
    if (pack != kNoPack) pack = name[pack];
  });
}

// Sessions are alike where they reference the same chunks.
int SessionAttributes(const Bounds& bounds, const State& state, int i) {
  const auto bit = [i](int mask) { return (mask >> i) & 1; };
  const Agent& agent = state.agent[i];
  int word = state.catalog.session[i].state * 16 + state.catalog.session[i].commit_no;
  word = word * 8 + state.saved.session[i].state;
  word = word * 8 + state.saved.session[i].commit_no;
  word = word * 4 + agent.has;
  word = word * 4 + agent.upload;
  word = word * 4 + agent.content;
  word = word * 2 + (agent.is_committing || agent.is_guarded);
  word = word * 2 + bit(state.acknowledged);
  word = word * 2 + bit(state.store.records);
  int packs = 0;
  for (int p = 0; p < bounds.packs; ++p) {
    packs += (state.catalog.pack[p].owner == i) + (state.saved.pack[p].owner == i);
    const bool is_known = bounds.Is(kSweepAsksOwnRecordOnly) && state.store.is_present[p];
    packs += is_known && state.store.maker[p] == i;
  }
  word = word * 16 + packs;
  return word * 2 + bit(state.store.tombstones);
}

int MappedMask(int mask, const int* name, int count) {
  int mapped = 0;
  for (int i = 0; i < count; ++i) mapped |= ((mask >> i) & 1) << name[i];
  return mapped;
}

void RenameSessions(const Bounds& bounds, State& state) {
  int order[kSessionsMax] = {0, 1, 2};
  for (int i = 0; i < bounds.sessions; ++i) {
    if (bounds.refs[i] != bounds.refs[0]) return;
  }
  std::stable_sort(order, order + bounds.sessions, [&](int a, int b) {
    return SessionAttributes(bounds, state, a) > SessionAttributes(bounds, state, b);
  });
  if (std::is_sorted(order, order + bounds.sessions)) return;
  int name[kSessionsMax] = {0, 1, 2};
  for (int i = 0; i < bounds.sessions; ++i) name[order[i]] = i;
  const State old = state;
  for (int i = 0; i < bounds.sessions; ++i) {
    state.catalog.session[name[i]] = old.catalog.session[i];
    state.saved.session[name[i]] = old.saved.session[i];
    state.agent[name[i]] = old.agent[i];
  }
  const auto rename_owner = [&](Small& owner) {
    if (owner < kSessionsMax) owner = name[owner];
  };
  for (int p = 0; p < bounds.packs; ++p) {
    rename_owner(state.catalog.pack[p].owner);
    rename_owner(state.saved.pack[p].owner);
    rename_owner(state.store.maker[p]);
  }
  if (state.reader.stage != 0) state.reader.session = name[state.reader.session];
  state.acknowledged = MappedMask(old.acknowledged, name, bounds.sessions);
  state.store.records = MappedMask(old.store.records, name, bounds.sessions);
  state.store.tombstones = MappedMask(old.store.tombstones, name, bounds.sessions);
}

// Only the order of commit numbers matters. After a rollback their distance
// does too, for they are given out again; then they stay as they are.
void RenameCommitNumbers(const Bounds& bounds, State& state) {
  if (bounds.has_rollback) return;
  Small* fields[kSessionsMax + kCollectorsMax + 1];
  int count = 0;
  for (int i = 0; i < bounds.sessions; ++i) {
    SessionRow& row = state.catalog.session[i];
    if (row.state == kOpen && !state.agent[i].is_committing) row.commit_no = 0;
    if (row.commit_no != 0) fields[count++] = &row.commit_no;
  }
  for (int k = 0; k < bounds.collectors; ++k) {
    if (state.collector[k].stage != kIdle) fields[count++] = &state.collector[k].mark_no;
  }
  fields[count++] = &state.catalog.last_no;
  int values[kSessionsMax + kCollectorsMax + 1];
  for (int i = 0; i < count; ++i) values[i] = *fields[i];
  std::sort(values, values + count);
  int* const end = std::unique(values, values + count);
  for (int i = 0; i < count; ++i) {
    *fields[i] = static_cast<int>(std::lower_bound(values, end, *fields[i]) - values) + 1;
  }
}

// Only whether two rounds are the same matters.
void RenameRounds(const Bounds& bounds, State& state) {
  int seen[kCollectorsMax + 2];
  int count = 0;
  const auto rename = [&](Small& round) {
    int at = 0;
    while (at < count && seen[at] != round) ++at;
    if (at == count) seen[count++] = round;
    round = at;
  };
  rename(state.catalog.round);
  if (state.has_saved) rename(state.saved.round);
  for (int k = 0; k < bounds.collectors; ++k) {
    if (state.collector[k].stage != kIdle) rename(state.collector[k].round);
  }
}

template <typename AnyCatalog, typename Visit>
void ForEachCatalogField(const Bounds& bounds, AnyCatalog& catalog, Visit visit) {
  for (int c = 0; c < bounds.chunks; ++c) {
    visit(catalog.chunk[c].state, 3);
    visit(catalog.chunk[c].pack, 3);
  }
  for (int p = 0; p < bounds.packs; ++p) {
    visit(catalog.pack[p].state, 2);
    visit(catalog.pack[p].owner, 3);
  }
  for (int i = 0; i < bounds.sessions; ++i) {
    visit(catalog.session[i].state, 3);
    visit(catalog.session[i].commit_no, 3);
  }
  visit(catalog.last_no, 3);
  visit(catalog.round, 2);
  if (bounds.has_rollback) {
    visit(catalog.epoch, 3);
    visit(catalog.pending_epoch, 3);
  }
  if (bounds.compactions > 0) visit(catalog.is_compacting, 1);
}

template <typename AnyStore, typename Visit>
void ForEachStoreField(const Bounds& bounds, AnyStore& store, Visit visit) {
  for (int p = 0; p < bounds.packs; ++p) {
    visit(store.is_present[p], 1);
    visit(store.good[p], bounds.chunks);
    if (bounds.Is(kSweepAsksOwnRecordOnly)) visit(store.maker[p], 3);
  }
  visit(store.journaled, bounds.packs);
  visit(store.records, bounds.sessions);
  visit(store.tombstones, bounds.sessions);
  if (bounds.has_rollback) visit(store.epoch, 3);
}

template <typename AnyState, typename Visit>
void ForEachServerField(const Bounds& bounds, AnyState& state, Visit visit) {
  for (int i = 0; i < bounds.sessions; ++i) {
    auto& agent = state.agent[i];
    visit(agent.has, bounds.chunks);
    if (bounds.Is(kFindBlindUpdate)) visit(agent.seen, bounds.chunks);
    if (bounds.Is(kGuardBeforeCommit)) visit(agent.is_guarded, 1);
    if (!bounds.is_put_atomic) {
      visit(agent.upload, 2);
      visit(agent.pack, 3);
      visit(agent.content, bounds.chunks);
    }
    if (!bounds.is_commit_atomic) visit(agent.is_committing, 1);
  }
  for (int k = 0; k < bounds.collectors; ++k) {
    auto& collector = state.collector[k];
    visit(collector.stage, 2);
    visit(collector.round, 2);
    visit(collector.mark_no, 3);
    visit(collector.marked, bounds.chunks);
    if (bounds.Is(kCondemnOldSnapshot)) {
      visit(collector.has_view, 1);
      visit(collector.view, bounds.chunks);
    }
    visit(collector.journal_pack, 3);
    if (bounds.has_rollback) {
      visit(collector.epoch_value, 3);
      visit(collector.is_epoch_durable, 1);
      visit(collector.pinned, bounds.chunks);
      visit(collector.unlink_chunks, bounds.chunks);
      visit(collector.is_orphan, 1);
    }
    visit(collector.unlink, 2);
    visit(collector.unlink_pack, 3);
  }
}

template <typename AnyState, typename Visit>
void ForEachJobField(const Bounds& bounds, AnyState& state, Visit visit) {
  if (bounds.compactions > 0) {
    visit(state.compactor.stage, 2);
    visit(state.compactor.from, 3);
    visit(state.compactor.to, 3);
    visit(state.compactor.content, bounds.chunks);
    visit(state.compactions, 2);
  }
  if (bounds.has_sweep && !bounds.has_rollback) {
    visit(state.sweeper.stage, 1);
    visit(state.sweeper.pack, 3);
  }
  if (bounds.has_scrub) {
    visit(state.scrubber.stage, 2);
    visit(state.scrubber.chunk, 1);
    visit(state.scrubber.pack, 3);
  }
  if (bounds.has_reader) {
    visit(state.reader.stage, 2);
    visit(state.reader.session, 2);
    visit(state.reader.chunk, 1);
    visit(state.reader.pack, 3);
  }
}

template <typename AnyState, typename Visit>
void ForEachField(const Bounds& bounds, AnyState& state, Visit visit) {
  ForEachCatalogField(bounds, state.catalog, visit);
  ForEachStoreField(bounds, state.store, visit);
  ForEachServerField(bounds, state, visit);
  ForEachJobField(bounds, state, visit);
  if (bounds.has_rollback) {
    visit(state.has_saved, 1);
    if (state.has_saved) ForEachCatalogField(bounds, state.saved, visit);
    visit(state.has_rolled_back, 1);
    visit(state.is_recovery, 1);
    visit(state.is_reconciled, 1);
  }
  if (bounds.damages > 0) {
    visit(state.damages, 2);
    visit(state.hurt, bounds.chunks);
  }
  visit(state.acknowledged, bounds.sessions);
  visit(state.broken, 2);
}

}  // namespace

void Normalize(const Bounds& bounds, State& state) {
  if ((state.store.tombstones & (1 << state.reader.session)) != 0) state.reader = {};
  for (int i = 0; i < bounds.sessions; ++i) {
    if ((state.store.tombstones & (1 << i)) != 0) state.acknowledged &= ~(1 << i);
  }
  for (int i = 0; i < bounds.sessions; ++i) NormalizeAgent(state, i, state.agent[i]);
  Recycle(bounds, state);
  NormalizeCatalog(bounds, state.catalog);
  if (state.has_saved) {
    NormalizeCatalog(bounds, state.saved);
  } else {
    state.saved = {};
  }
  for (int p = 0; p < bounds.packs; ++p) {
    if (!bounds.Is(kSweepAsksOwnRecordOnly) || !state.store.is_present[p]) state.store.maker[p] = 0;
  }
  for (int k = 0; k < bounds.collectors; ++k) NormalizeCollector(state.collector[k]);
  if (state.compactor.stage == 0) state.compactor = {};
  if (state.sweeper.stage == 0) state.sweeper = {};
  if (state.scrubber.stage == 0) state.scrubber = {};
  if (state.reader.stage == 0) state.reader = {};
  for (int c = 0; c < bounds.chunks; ++c) {
    const ChunkRow& row = state.catalog.chunk[c];
    const bool is_good = row.state != kGone && ((state.store.good[row.pack] >> c) & 1) != 0;
    if (row.state == kGone || is_good) state.hurt &= ~(1 << c);
  }
  ForgetJournals(bounds, state);
}

State Renamed(const Bounds& bounds, const State& state) {
  State renamed = state;
  RenameCommitNumbers(bounds, renamed);
  RenameRounds(bounds, renamed);
  RenameSessions(bounds, renamed);
  RenamePacks(bounds, renamed);
  return renamed;
}

Key Encode(const Bounds& bounds, const State& state) {
  Key key = {};
  unsigned at = 0;
  ForEachField(bounds, state, [&](int field, int bits) {
    const std::uint64_t value = static_cast<std::uint64_t>(field);
    key[at / 64] |= value << (at % 64);
    const unsigned width = static_cast<unsigned>(bits);
    if (at % 64 + width > 64) key[at / 64 + 1] |= value >> (64 - at % 64);
    at += width;
  });
  return key;
}

State Decode(const Bounds& bounds, const Key& key) {
  State state;
  unsigned at = 0;
  ForEachField(bounds, state, [&](Small& field, int bits) {
    const unsigned width = static_cast<unsigned>(bits);
    std::uint64_t value = key[at / 64] >> (at % 64);
    if (at % 64 + width > 64) value |= key[at / 64 + 1] << (64 - at % 64);
    field = static_cast<int>(value & ((1ULL << width) - 1));
    at += width;
  });
  return state;
}

}  // namespace mooring::model
