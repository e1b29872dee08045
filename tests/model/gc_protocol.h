// GcProtocol: commit and garbage collection as one transition system.
//
// Each step is one transaction, or one write to the object store, of one actor.
// Any actor may pause for ever between two of its steps, or vanish; that covers
// slow machines, lost leases, zombies and crashes. Delays are not modeled: every
// one may have passed. Where the model is freer than the code (no age limits, no
// touches, one mark instead of two) it allows more, so what it proves stands.

#pragma once

#include <absl/functional/function_ref.h>

#include "tests/model/explorer.h"
#include "tests/model/gc_state.h"

namespace mooring::model {

// What a model that does nothing would not reach.
enum Goal : int {
  kGoalAcknowledged,
  kGoalNeed,
  kGoalCollected,  // A pack removed and its rows deleted.
  kGoalRowDeleted,
  kGoalFindResurrects,
  kGoalPutTakesOver,  // A condemned or doomed row.
  kGoalHealed,        // A lost row lives again.
  kGoalCompacted,
  kGoalSwept,
  kGoalReadAgain,  // A reader found the chunk where it had moved.
  kGoalRolledBack,
  kGoalRecovery,
  kGoalReconciled,
  kGoalFinished,  // A commit record without a row became a snapshot.
  kGoalRescued,   // Chunks read out of a journaled pack.
  kGoalFenced,    // A round that is no longer the repository's was turned away.
  kGoalCount,
};

class GcProtocol {
 public:
  using State = model::State;
  using Sink = absl::FunctionRef<void(const State&, const Step&)>;

  explicit GcProtocol(const Bounds& bounds) : bounds_(bounds) {}

  State Initial() const;
  void Expand(const State& state, Sink sink) const;
  const char* Violation(const State& state) const;
  Key KeyOf(const State& state) const { return Encode(bounds_, Renamed(bounds_, state)); }
  State StateOf(const Key& key) const { return Decode(bounds_, key); }

  // Goals that any expansion so far has reached, one bit each.
  std::uint64_t goals() const { return goals_; }

 private:
  // gc_sessions.cc
  void ExpandSession(const State& state, int i, Sink sink) const;
  void Upload(const State& state, int i, Sink sink) const;
  void EnterPack(const State& state, int i, Sink sink) const;
  void Commit(const State& state, int i, Sink sink) const;
  void Forget(const State& state, int i, Sink sink) const;
  // gc_collector.cc
  void ExpandCollector(const State& state, int k, Sink sink) const;
  void BeginRound(const State& state, int k, Sink sink) const;
  void Mark(const State& state, int k, Sink sink) const;
  void Condemn(const State& state, int k, Sink sink) const;
  void Doom(const State& state, int k, Sink sink) const;
  void Journal(const State& state, int k, Sink sink) const;
  void BumpEpoch(const State& state, int k, Sink sink) const;
  void ListForUnlink(const State& state, int k, Sink sink) const;
  void ListOrphans(const State& state, int k, Sink sink) const;
  void Unlink(const State& state, int k, Sink sink) const;
  void DeleteRows(const State& state, int k, Sink sink) const;
  // gc_jobs.cc
  void ExpandCompactor(const State& state, Sink sink) const;
  void Repoint(const State& state, Sink sink) const;
  void ExpandSweeper(const State& state, Sink sink) const;
  bool IsOrphan(const State& state, int p) const;
  void ExpandScrubber(const State& state, Sink sink) const;
  void ExpandReader(const State& state, Sink sink) const;
  // gc_disasters.cc
  void ExpandDamage(const State& state, Sink sink) const;
  void ExpandRollback(const State& state, Sink sink) const;
  void Reconcile(const State& state, Sink sink) const;
  enum class Place { kFound, kNowhere, kNoRoom };
  Place PlaceChunk(State& state, int c) const;

  bool Is(std::uint64_t variant) const { return bounds_.Is(variant); }
  void Reach(Goal goal) const { goals_ |= 1ULL << goal; }
  void Emit(const State& state, const Step& step, Sink sink) const;
  // A transaction can run at all, and with the lock exclusively.
  bool CanWrite(const State& state) const;
  bool CanLock(const State& state) const;
  bool HoldsRound(const State& state, int k) const;
  bool IsBehind(const State& state) const;
  int LiveChunks(const State& state) const;
  // References of committed snapshots, of those with commit_no > `after`.
  int Referenced(const State& state, int after) const;
  // References of commit records with neither row nor tombstone.
  int RowlessRecords(const State& state) const;
  int FreePack(const State& state) const;    // kNoPack: none.
  int FreshRound(const State& state) const;  // A number that nobody holds.
  int Refs(int i) const { return bounds_.refs[i]; }

  const Bounds bounds_;
  mutable std::uint64_t goals_ = 0;
};

}  // namespace mooring::model
