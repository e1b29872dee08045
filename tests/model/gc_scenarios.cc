#include "tests/model/gc_scenarios.h"

namespace mooring::model {
namespace {

constexpr std::uint64_t Bit(Goal goal) {
  return 1ULL << goal;
}

constexpr std::uint64_t kCollecting = Bit(kGoalAcknowledged) | Bit(kGoalCollected) |
                                      Bit(kGoalRowDeleted) | Bit(kGoalFindResurrects) |
                                      Bit(kGoalPutTakesOver) | Bit(kGoalNeed);

// Violations, as GcProtocol words them.
constexpr std::string_view kNotLive = "a committed snapshot references a chunk that is not live";
constexpr std::string_view kNotInPack =
    "a committed snapshot's chunk is not in the pack that its row names";
constexpr std::string_view kNoCopy = "no copy is left of an acknowledged snapshot's chunk";
constexpr std::string_view kNoRowOfSnapshot = "an acknowledged snapshot has no row";
constexpr std::string_view kDoomedPackInUse = "a doomed pack has a row that is not doomed";
constexpr std::string_view kFalseAlarm = "DOOM found a reference to a condemned chunk";
constexpr std::string_view kNotFound = "a restore did not find a chunk of its snapshot";

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> scenarios = {
      {.name = "sessions",
       .what = "one chunk, three sessions, a collector",
       .bounds =
           {.chunks = 1, .packs = 3, .sessions = 3, .refs = {1, 1, 1}, .is_commit_atomic = true},
       .goals = kCollecting,
       .states_floor = 420'000},
      {.name = "in-flight",
       .what = "one chunk, two sessions whose commits take time, a collector, the sweep",
       .bounds = {.chunks = 1, .packs = 3, .sessions = 2, .refs = {1, 1}, .has_sweep = true},
       .goals = kCollecting | Bit(kGoalSwept),
       .states_floor = 250'000},
      {.name = "collectors",
       .what = "one chunk, two sessions, two collectors of which one is a zombie",
       .bounds = {.chunks = 1,
                  .packs = 2,
                  .sessions = 2,
                  .refs = {1, 1},
                  .collectors = 2,
                  .is_commit_atomic = true},
       .goals = kCollecting | Bit(kGoalFenced),
       .states_floor = 350'000},
      {.name = "shared-pack",
       .what = "two chunks in one pack, two sessions of which one needs one of them",
       .bounds = {.chunks = 2,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {3, 1},
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = kCollecting,
       .states_floor = 950'000},
      {.name = "compaction",
       .what = "two chunks in one pack, two sessions, compaction",
       .bounds = {.chunks = 2,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {3, 1},
                  .compactions = 1,
                  .has_expiry = false,
                  .is_forget_atomic = true,
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = kCollecting | Bit(kGoalCompacted),
       .states_floor = 3'500'000},
      {.name = "compaction-sweep",
       .what = "one chunk, two sessions, compaction whose lease ends, sweep",
       .bounds = {.chunks = 1,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {1, 1},
                  .compactions = 1,
                  .has_sweep = true,
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = kCollecting | Bit(kGoalCompacted) | Bit(kGoalSwept),
       .states_floor = 200'000},
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
       .states_floor = 100'000},
      {.name = "damage",
       .what = "one chunk, two sessions, a fault, scrub, a compaction",
       .bounds = {.chunks = 1,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {1, 1},
                  .compactions = 1,
                  .damages = 1,
                  .has_scrub = true,
                  .is_forget_atomic = true,
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = kCollecting | Bit(kGoalHealed) | Bit(kGoalCompacted),
       .states_floor = 1'100'000},
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
       .states_floor = 4'700'000},
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
       .states_floor = 2'500'000},
      {.name = "sessions-long",
       .what = "one chunk, three sessions whose commits take time, a collector, the sweep",
       .bounds = {.chunks = 1, .packs = 4, .sessions = 3, .refs = {1, 1, 1}, .has_sweep = true},
       .goals = kCollecting | Bit(kGoalSwept),
       .states_floor = 9'000'000,
       .is_long = true},
      {.name = "shared-pack-long",
       .what = "two chunks in one pack, two sessions whose uploads take time",
       .bounds = {.chunks = 2, .packs = 3, .sessions = 2, .refs = {3, 1}, .is_commit_atomic = true},
       .goals = kCollecting,
       .states_floor = 4'000'000,
       .is_long = true},
      {.name = "compaction-long",
       .what = "two chunks in one pack, two sessions, leases that end, compaction, sweep",
       .bounds = {.chunks = 2,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {3, 1},
                  .compactions = 1,
                  .has_sweep = true,
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals = kCollecting | Bit(kGoalCompacted) | Bit(kGoalSwept),
       .states_floor = 8'000'000,
       .is_long = true},
      {.name = "rollback-sweep-long",
       .what = "as rollback-sweep, and snapshots are deleted",
       .bounds = {.chunks = 1,
                  .packs = 3,
                  .sessions = 2,
                  .refs = {1, 1},
                  .epochs = 1,
                  .has_sweep = true,
                  .has_rollback = true,
                  .has_collection = false,
                  .is_commit_atomic = true},
       .goals = Bit(kGoalRolledBack) | Bit(kGoalReconciled) | Bit(kGoalSwept),
       .states_floor = 5'000'000,
       .is_long = true},
      {.name = "rollback-compaction-long",
       .what = "one chunk, one session, a compaction, the catalog goes back in time",
       .bounds = {.chunks = 1,
                  .packs = 4,
                  .sessions = 1,
                  .refs = {1},
                  .compactions = 1,
                  .epochs = 1,
                  .has_rollback = true,
                  .has_expiry = false,
                  .has_forget = false,
                  .is_commit_atomic = true,
                  .is_put_atomic = true},
       .goals =
           Bit(kGoalCollected) | Bit(kGoalRolledBack) | Bit(kGoalReconciled) | Bit(kGoalCompacted),
       .states_floor = 4'800'000,
       .is_long = true},
  };
  return scenarios;
}

const std::vector<BrokenVariant>& BrokenVariants() {
  static const std::vector<BrokenVariant> variants = {
      {"commit does not check that its chunks are live", "sessions", kNoLivenessCheck, kNotLive},
      {"condemn trusts the mark alone", "sessions", kStaleMark, kNotLive},
      {"condemn's snapshot is taken before the lock", "in-flight", kCondemnOldSnapshot, kNotLive},
      {"mark_no is taken without the lock", "in-flight", kMarkWithoutLock, kNotLive},
      {"Find brings doomed chunks back", "sessions", kFindResurrectsDoomed, kDoomedPackInUse},
      {"Find updates what it has seen, not what is", "sessions", kFindBlindUpdate,
       kDoomedPackInUse},
      {"rows go live before the pack is durable", "sessions", kLiveBeforeDurable, kNoCopy},
      {"the receipt before the commit", "in-flight", kAckBeforeCommit, kNoRowOfSnapshot},
      {"the sweep takes what open sessions have staged, object first", "in-flight",
       kSweepIgnoresSessions | kSweepObjectFirst, kNoCopy},
      {"a zombie's old mark", "collectors", kUnfencedRound, kFalseAlarm},
      {"a pack is doomed over a condemned row, and unlinked for its state", "shared-pack",
       kPackDoomedOverCondemned | kUnlinkTrustsPackState, kNoCopy},
      {"the sweep removes the object before the row", "compaction-sweep", kSweepObjectFirst,
       kNotInPack},
      {"repoint without a look at the own pack's row", "compaction-sweep", kRepointWithoutOwnRow,
       kNotInPack},
      {"a restore looks up once", "readers", kReaderTrustsFirst, kNotFound},
      {"lost by number, whatever the pack", "damage", kLostByNumber, kNotLive},
      {"a lost row is doomed though referenced", "damage", kDoomLostUnchecked, kNotLive},
      {"no guard against a rollback", "rollback", kNoRollbackGuard, kNoCopy},
      {"the guard is asked at rounds, not by COMMIT", "rollback", kGuardOnlyAtRounds, kNoCopy},
      {"the guard is asked before COMMIT's transaction", "rollback", kGuardBeforeCommit, kNoCopy},
      {"pending epoch used twice", "rollback", kPendingReused, kNoCopy},
      {"the epoch before DOOM", "rollback", kEpochBeforeDoom, kNoCopy},
      {"unlink asks the journal alone", "rollback", kUnlinkByJournalAlone, kNoCopy},
      {"the journal after unlink", "rollback", kJournalAfterUnlink, kNotInPack},
      {"rounds without a fence", "rollback", kUnfencedRound, kNotLive},
      {"unlink does not list commit records", "rollback", kUnlinkIgnoresRecords, kNoCopy},
      {"reconcile drops what is journaled", "rollback", kReconcileDropsJournaled, kNoRowOfSnapshot},
      {"a failed upload removes its pack at once", "rollback-sweep", kFailedPutRemoves, kNoCopy},
      {"the sweep ignores commit records", "rollback-sweep", kSweepIgnoresRecords, kNoCopy},
      {"the sweep keeps no journal", "rollback-sweep", kSweepUnjournaled, kNotInPack},
      {"the sweep before the epoch", "rollback-sweep", kSweepBeforeEpoch, kNoCopy},
      {"the sweep asks for the own session's record", "rollback-sweep", kSweepAsksOwnRecordOnly,
       kNoCopy},
  };
  return variants;
}

const std::vector<SpareVariant>& SpareVariants() {
  static const std::vector<SpareVariant> variants = {
      {"Find answers for condemned chunks and leaves them so", "sessions", kFindLeavesCondemned},
      {"DOOM without its check", "sessions", kDoomUnchecked},
      {"the sweep takes what open sessions have staged, row first", "in-flight",
       kSweepIgnoresSessions},
      {"the sweep takes what a running compaction has staged, row first", "compaction-sweep",
       kSweepIgnoresCompaction},
      {"a pack is doomed over a condemned row", "shared-pack", kPackDoomedOverCondemned, true},
      {"unlink trusts the pack's state", "shared-pack", kUnlinkTrustsPackState, true},
      {"repoint whatever the row's state and pack", "compaction", kRepointAnyRow, true},
      {"MARK ignores commit records", "rollback", kMarkIgnoresRecords, true},
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
