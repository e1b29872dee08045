// Failpoints of the shipped mooringd: what a test and the library that it preloads
// (failpoint_preload.cc) share, a file of one page that both map.
//
// Nothing of this is in production code: the library stands between the program
// and libc, counts the calls whose order makes things durable, by what they do and
// where, and at the one that the test names it kills its process or fails the call.

#pragma once

#include <atomic>
#include <cstdint>

namespace mooring::testing {

// Names the board's file in the environment of the process that is to fail.
inline constexpr char kFailpointVariable[] = "MOORING_FAILPOINT_BOARD";

enum class FailOp : std::uint32_t {
  kCreate,         // open with O_CREAT
  kWrite,          // write
  kSync,           // fsync of a file
  kSyncDirectory,  // fsync of a directory
  kRename,         // rename, renameat2; the place is where it goes
  kUnlink,
  kMkdir,
  kRead,       // pread
  kStatement,  // bytes for PostgreSQL, other than COMMIT
  kCommit,     // COMMIT for PostgreSQL
  kAnswer,     // PostgreSQL's answer to a COMMIT
  kAllocate,   // malloc
  kEnd,
};

enum class FailPlace : std::uint32_t {
  // Folders of the repository.
  kStaging,
  kPacks,
  kSnapshots,
  kKeys,
  kCollection,  // gc: doom journals and epochs
  kCatalog,     // catalog exports
  kRepository,  // what else is in it
  kElsewhere,   // any other file
  kDatabase,
  kMemory,
  kEnd,
};

enum class FailAction : std::uint32_t {
  kNone,
  kKillBefore,
  kKillAfter,
  kKillTorn,   // Half of a write, then the end.
  kError,      // The call is not made and fails with `error`.
  kLoseReply,  // The answer is read and thrown away, and the connection is broken.
  kSkip,       // Success is said and nothing done: a disk that lies.
};

inline constexpr std::uint32_t kFailOps = static_cast<std::uint32_t>(FailOp::kEnd);
inline constexpr std::uint32_t kFailPlaces = static_cast<std::uint32_t>(FailPlace::kEnd);

// All zero is a board without a failpoint. Written by the test while `armed` is 0.
struct FailpointPage {
  char repository[512];  // Its directory, without a slash at the end.
  std::atomic<std::uint32_t> armed;
  FailOp op;
  FailPlace place;
  FailAction action;
  std::int32_t error;
  std::uint32_t forever;  // From the n-th call on, not only at it.
  std::uint64_t nth;      // 1: the first call after arming.
  std::atomic<std::uint64_t> seen;
  std::atomic<std::uint64_t> acted;
  std::atomic<std::uint64_t> counts[kFailOps][kFailPlaces];
};
static_assert(sizeof(FailpointPage) <= 4096);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace mooring::testing
