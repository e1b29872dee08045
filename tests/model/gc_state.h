// The world of the garbage-collection model: what the catalog holds, what the
// object store holds, what each process remembers between two steps, and what
// has been promised to people. storage/design/gc-safety.md has the protocol.
//
// Plain numbers throughout: a state is copied and packed millions of times.

#pragma once

#include <cstdint>
#include <string>

#include "tests/model/explorer.h"

namespace mooring::model {

constexpr int kChunksMax = 2;
constexpr int kPacksMax = 8;  // Of which the last is never used: kNoPack has no bytes.
constexpr int kSessionsMax = 3;
constexpr int kCollectorsMax = 2;
constexpr int kNoPack = 7;

// Of a chunk's row.
enum ChunkState : int { kGone, kLive, kCondemned, kDoomed, kLost };
// Of a pack's row.
enum PackState : int { kNoRow, kStaged, kPackLive, kPackDoomed };
// Of a session's row, with the snapshot that it made.
enum SessionState : int { kNotBegun, kOpen, kOver, kCommitted, kDeleted };
// Who staged a pack: a session's number, or one of these.
enum Owner : int { kCompactor = kSessionsMax, kNobody };

// One bit each: what the protocol leaves out. None: the protocol as designed.
enum Variant : std::uint64_t {
  kNoLivenessCheck = 1ULL << 0,
  kStaleMark = 1ULL << 1,
  kFindResurrectsDoomed = 1ULL << 2,
  kFindBlindUpdate = 1ULL << 3,
  kLiveBeforeDurable = 1ULL << 4,
  kAckBeforeCommit = 1ULL << 5,
  kSweepIgnoresSessions = 1ULL << 6,
  kSweepIgnoresCompaction = 1ULL << 7,
  kSweepObjectFirst = 1ULL << 8,
  kRepointWithoutOwnRow = 1ULL << 9,
  kRepointAnyRow = 1ULL << 10,
  kNoRollbackGuard = 1ULL << 11,
  kGuardOnlyAtRounds = 1ULL << 12,
  kUnlinkByJournalAlone = 1ULL << 13,
  kUnlinkTrustsPackState = 1ULL << 14,
  kPackDoomedOverCondemned = 1ULL << 15,
  kCondemnOldSnapshot = 1ULL << 16,
  kJournalAfterUnlink = 1ULL << 17,
  kMarkWithoutLock = 1ULL << 18,
  kReaderTrustsFirst = 1ULL << 19,
  kPendingReused = 1ULL << 20,
  kEpochBeforeDoom = 1ULL << 21,
  kUnfencedRound = 1ULL << 22,
  kMarkIgnoresRecords = 1ULL << 23,
  kUnlinkIgnoresRecords = 1ULL << 24,
  kSweepIgnoresRecords = 1ULL << 25,
  kSweepAsksOwnRecordOnly = 1ULL << 26,
  kLostByNumber = 1ULL << 27,
  kDoomLostUnchecked = 1ULL << 28,
  kReconcileDropsJournaled = 1ULL << 29,
  kFindLeavesCondemned = 1ULL << 30,
  kDoomUnchecked = 1ULL << 31,
  kSweepUnjournaled = 1ULL << 32,
  kSweepBeforeEpoch = 1ULL << 33,
  kGuardBeforeCommit = 1ULL << 34,
  kFailedPutRemoves = 1ULL << 35,
};

// How much of the world there is. Sessions reference refs[i], a set of chunks.
struct Bounds {
  int chunks = 1;
  int packs = 3;
  int sessions = 2;
  int refs[kSessionsMax] = {1, 1, 1};
  int collectors = 1;
  int compactions = 0;  // At most so many begin.
  int damages = 0;      // At most so many copies go bad.
  int epochs = 0;       // Rounds that may unlink, where there is a rollback.
  bool has_sweep = false;
  bool has_scrub = false;
  bool has_reader = false;
  bool has_rollback = false;  // One, to any earlier state of the catalog.
  bool has_expiry = true;     // A session may be over without a snapshot.
  bool has_forget = true;     // Snapshots are deleted.
  bool is_forget_atomic = false;
  bool has_collection = true;  // False: the collector sweeps only.
  bool is_commit_atomic = false;
  bool is_put_atomic = false;  // Staged, durable and entered in one step.
  std::uint64_t variants = 0;

  bool Is(std::uint64_t variant) const { return (variants & variant) != 0; }
};

// A number in one byte that reckons as an int.
class Small {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a number stands for itself.
  constexpr Small(int value = 0) : value_(static_cast<std::int8_t>(value)) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr operator int() const { return value_; }
  Small& operator|=(int bits) { return *this = value_ | bits; }
  Small& operator&=(int bits) { return *this = value_ & bits; }
  Small& operator++() { return *this = value_ + 1; }

 private:
  std::int8_t value_;
};

struct ChunkRow {
  Small state = kGone;
  Small pack = kNoPack;
};

struct PackRow {
  Small state = kNoRow;
  Small owner = kNobody;
};

struct SessionRow {
  Small state = kNotBegun;
  Small commit_no = 0;
};

struct Catalog {
  ChunkRow chunk[kChunksMax];
  PackRow pack[kPacksMax];
  SessionRow session[kSessionsMax];
  Small last_no = 0;  // The greatest commit_no given out.
  Small round = 0;    // Whose collection this is: a random number.
  Small epoch = 0;
  Small pending_epoch = 0;
  Small is_compacting = 0;  // The compactor's lease.
};

struct Store {
  Small is_present[kPacksMax] = {};
  Small good[kPacksMax] = {};   // Chunks of the pack whose bytes are right.
  Small maker[kPacksMax] = {};  // kSweepAsksOwnRecordOnly: whose session wrote it.
  Small journaled = 0;          // Packs named in a doom journal.
  Small records = 0;            // Sessions with a commit record.
  Small tombstones = 0;
  Small epoch = 0;
};

enum Upload : int { kNoUpload, kUploadStaged, kUploadDurable };

// The session's agent and the server's upload for it.
struct Agent {
  Small has = 0;         // Chunks that it was told are there.
  Small seen = 0;        // kFindBlindUpdate: condemned when looked at.
  Small is_guarded = 0;  // kGuardBeforeCommit: the store's epoch was read, and is not ahead.
  Small upload = kNoUpload;
  Small pack = kNoPack;
  Small content = 0;
  Small is_committing = 0;  // In the transaction, checked; it holds the lock shared.
};

enum Round : int { kIdle, kMarkBegun, kMarked, kUnlinking };
enum Unlink : int { kNoUnlink, kUnlinkListed, kUnlinkAllowed, kUnlinkRemoved };

struct Collector {
  Small stage = kIdle;
  Small round = 0;
  Small mark_no = 0;
  Small marked = 0;    // Referenced by snapshots.
  Small pinned = 0;    // Named by commit records without rows.
  Small has_view = 0;  // kCondemnOldSnapshot: waits for the lock with what it saw.
  Small view = 0;
  Small journal_pack = kNoPack;  // Doomed and without a journal when it looked.
  Small epoch_value = 0;         // Pending, set by its transaction.
  Small is_epoch_durable = 0;
  Small unlink = kNoUnlink;
  Small unlink_pack = kNoPack;
  Small unlink_chunks = 0;
  Small is_orphan = 0;  // What is unlinked was never entered.
};

struct Compactor {
  Small stage = 0;  // 1: staged. 2: durable.
  Small from = kNoPack;
  Small to = kNoPack;
  Small content = 0;
};

struct Sweeper {
  Small stage = 0;  // 1: about to remove the object.
  Small pack = kNoPack;
};

struct Scrubber {
  Small stage = 0;  // 1: looked up. 2: read, and bad.
  Small chunk = 0;
  Small pack = kNoPack;
};

struct Reader {
  Small stage = 0;  // 1: looked up once. 2: twice.
  Small session = 0;
  Small chunk = 0;
  Small pack = kNoPack;
};

struct State {
  Catalog catalog;
  Catalog saved;
  Small has_saved = 0;
  Store store;
  Agent agent[kSessionsMax];
  Collector collector[kCollectorsMax];
  Compactor compactor;
  Sweeper sweeper;
  Scrubber scrubber;
  Reader reader;
  Small compactions = 0;
  Small damages = 0;
  Small has_rolled_back = 0;
  Small is_recovery = 0;
  Small is_reconciled = 0;
  Small acknowledged = 0;  // Sessions whose agent has a receipt.
  Small hurt = 0;          // Chunks whose one copy a fault destroyed.
  Small broken = 0;        // An action saw what must not be; see Violation.
};

// Forgets what no longer makes a difference: fields of what is idle, sessions
// and packs that left no trace.
void Normalize(const Bounds& bounds, State& state);

// Packs numbered by their use, commit numbers and rounds by their order.
State Renamed(const Bounds& bounds, const State& state);

Key Encode(const Bounds& bounds, const State& state);
State Decode(const Bounds& bounds, const Key& key);

}  // namespace mooring::model
