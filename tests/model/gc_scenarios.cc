#include "tests/model/gc_scenarios.h"

namespace mooring::model {
namespace {

constexpr std::uint64_t Bit(Goal goal) {
  return 1ULL << goal;
}

constexpr std::uint64_t kCollecting = Bit(kGoalAcknowledged) | Bit(kGoalCollected) |
                                      Bit(kGoalRowDeleted) | Bit(kGoalFindResurrects) |
                                      Bit(kGoalPutTakesOver) | Bit(kGoalNeed);

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> scenarios = {
      {.name = "sessions",
       .what = "one chunk, three sessions, a collector",
       .bounds =
           {.chunks = 1, .packs = 3, .sessions = 3, .refs = {1, 1, 1}, .is_commit_atomic = true},
       .goals = kCollecting,
       .states_floor = 1000},
      {.name = "in-flight",
       .what = "one chunk, two sessions whose commits take time, a collector, the sweep",
       .bounds = {.chunks = 1, .packs = 3, .sessions = 2, .refs = {1, 1}, .has_sweep = true},
       .goals = kCollecting | Bit(kGoalSwept),
       .states_floor = 1000},
      {.name = "collectors",
       .what = "one chunk, two sessions, two collectors of which one is a zombie",
       .bounds = {.chunks = 1,
                  .packs = 2,
                  .sessions = 2,
                  .refs = {1, 1},
                  .collectors = 2,
                  .is_commit_atomic = true},
       .goals = kCollecting | Bit(kGoalFenced),
       .states_floor = 1000},
      {.name = "shared-pack",
       .what = "two chunks in one pack, two sessions of which one needs one of them",
       .bounds = {.chunks = 2,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {3, 1},
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = kCollecting,
       .states_floor = 1000},
      {.name = "compaction",
       .what = "two chunks in one pack, two sessions, compaction, sweep",
       .bounds = {.chunks = 2,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {3, 1},
                  .compactions = 1,
                  .has_sweep = true,
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = kCollecting | Bit(kGoalCompacted) | Bit(kGoalSwept),
       .states_floor = 1000},
      {.name = "readers",
       .what = "one chunk, two sessions, a compaction, a restore",
       .bounds = {.chunks = 1,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {1, 1},
                  .compactions = 1,
                  .has_reader = true,
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = kCollecting | Bit(kGoalCompacted) | Bit(kGoalReadAgain),
       .states_floor = 1000},
      {.name = "damage",
       .what = "one chunk, two sessions, a fault, scrub, a compaction",
       .bounds = {.chunks = 1,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {1, 1},
                  .compactions = 1,
                  .damages = 1,
                  .has_scrub = true,
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = kCollecting | Bit(kGoalHealed) | Bit(kGoalCompacted),
       .states_floor = 1000},
      {.name = "rollback",
       .what = "one chunk, two sessions, the catalog goes back in time",
       .bounds = {.chunks = 1,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {1, 1},
                  .epochs = 1,
                  .has_rollback = true,
                  .has_expiry = false,
                  .is_forget_atomic = true,
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = Bit(kGoalCollected) | Bit(kGoalRolledBack) | Bit(kGoalRecovery) |
                Bit(kGoalReconciled) | Bit(kGoalFinished),
       .states_floor = 1000},
      {.name = "rollback-sweep",
       .what = "one chunk, two sessions, the catalog goes back in time under the sweep",
       .bounds = {.chunks = 1,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {1, 1},
                  .epochs = 1,
                  .has_sweep = true,
                  .has_rollback = true,
                  .has_forget = false,
                  .has_collection = false,
                  .is_commit_atomic = true},
       .goals = Bit(kGoalRolledBack) | Bit(kGoalReconciled) | Bit(kGoalSwept),
       .states_floor = 1000},
  };
  return scenarios;
}

const std::vector<BrokenVariant>& BrokenVariants() {
  static const std::vector<BrokenVariant> variants = {
      {"commit does not check that its chunks are live", "sessions", kNoLivenessCheck, ""},
      {"condemn trusts the mark alone", "sessions", kStaleMark, ""},
      {"condemn's snapshot is taken before the lock", "in-flight", kCondemnOldSnapshot, ""},
      {"mark_no is taken without the lock", "in-flight", kMarkWithoutLock, ""},
      {"Find brings doomed chunks back", "sessions", kFindResurrectsDoomed, ""},
      {"Find updates what it has seen, not what is", "sessions", kFindBlindUpdate, ""},
      {"rows go live before the pack is durable", "sessions", kLiveBeforeDurable, ""},
      {"the receipt before the commit", "in-flight", kAckBeforeCommit, ""},
      {"the sweep takes what open sessions have staged, object first", "in-flight",
       kSweepIgnoresSessions | kSweepObjectFirst, ""},
      {"a zombie's old mark", "collectors", kUnfencedRound, ""},
      {"a pack is doomed over a condemned row, and unlinked for its state", "shared-pack",
       kPackDoomedOverCondemned | kUnlinkTrustsPackState, ""},
      {"the sweep removes the object before the row", "compaction", kSweepObjectFirst, ""},
      {"repoint without a look at the own pack's row", "compaction", kRepointWithoutOwnRow, ""},
      {"a restore looks up once", "readers", kReaderTrustsFirst, ""},
      {"lost by number, whatever the pack", "damage", kLostByNumber, ""},
      {"a lost row is doomed though referenced", "damage", kDoomLostUnchecked, ""},
      {"no guard against a rollback", "rollback", kNoRollbackGuard, ""},
      {"the guard is asked at rounds alone", "rollback", kGuardOnlyAtRounds, ""},
      {"pending epoch used twice", "rollback", kPendingReused, ""},
      {"the epoch before DOOM", "rollback", kEpochBeforeDoom, ""},
      {"unlink asks the journal alone", "rollback", kUnlinkByJournalAlone, ""},
      {"the journal after unlink", "rollback", kJournalAfterUnlink, ""},
      {"rounds without a fence", "rollback", kUnfencedRound, ""},
      {"commit records without rows ignored", "rollback",
       kMarkIgnoresRecords | kUnlinkIgnoresRecords, ""},
      {"reconcile drops what is journaled", "rollback", kReconcileDropsJournaled, ""},
      {"the sweep ignores commit records", "rollback-sweep", kSweepIgnoresRecords, ""},
      {"the sweep keeps no journal", "rollback-sweep", kSweepUnjournaled, ""},
      {"the sweep before the epoch", "rollback-sweep", kSweepBeforeEpoch, ""},
      {"the sweep asks for the own session's record", "rollback-sweep", kSweepAsksOwnRecordOnly,
       ""},
  };
  return variants;
}

const std::vector<SpareVariant>& SpareVariants() {
  static const std::vector<SpareVariant> variants = {
      {"Find answers for condemned chunks and leaves them so", "sessions", kFindLeavesCondemned},
      {"DOOM without its check", "sessions", kDoomUnchecked},
      {"the sweep takes what open sessions have staged, row first", "in-flight",
       kSweepIgnoresSessions},
      {"the sweep takes what a running compaction has staged, row first", "compaction",
       kSweepIgnoresCompaction},
      {"a pack is doomed over a condemned row", "shared-pack", kPackDoomedOverCondemned},
      {"unlink trusts the pack's state", "shared-pack", kUnlinkTrustsPackState},
      {"repoint whatever the row's state and pack", "compaction", kRepointAnyRow},
      {"MARK ignores commit records", "rollback", kMarkIgnoresRecords},
      {"UNLINK ignores commit records", "rollback", kUnlinkIgnoresRecords},
  };
  return variants;
}

const Scenario* FindScenario(std::string_view name) {
  for (const Scenario& scenario : Scenarios()) {
    if (scenario.name == name) return &scenario;
  }
  return nullptr;
}

}  // namespace mooring::model
