// Faults: what a simulated phone has been told to do wrong, and when.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "storage/base/mutex.h"

namespace mooring::testing {

enum class FaultKind {
  kUnplug,      // The cable goes. `delay_ms` > 0: it comes back after so long.
  kStall,       // Nothing moves for `delay_ms`.
  kFileError,   // A file breaks off with an error block of `code` (6 or 11); the backup goes on.
  kFinalError,  // The operation ends with MobileBackup error `code`.
  kPurge,       // Asks the host to purge space although there is enough.
  kNoSpace,     // Backup: never content with the host's free space. Restore: the phone is full.
  kWrongOrder,  // Sends MoveItems for files that were never uploaded.
  kHostile,     // One of the attacks of hostile.h, named by `value`.
  kVanish,      // Android: a file whose path matches `value` is gone when it is opened.
  kGrow,        // Android: such a file grows while it is read.
  kSyncFail,    // Android: a sync request for such a path is refused.
};

struct Fault {
  FaultKind kind = FaultKind::kStall;
  std::string step = {};  // Named step at which it strikes; empty: by bytes.
  std::optional<std::uint64_t> after_bytes =
      {};  // Of the payload sent to the host in one operation.
  std::optional<std::uint64_t> after_received = {};  // The same from the host; Android alone.
  std::uint64_t random_below = 0;  // Whoever adds it draws after_bytes from [0, random_below).
  std::uint64_t delay_ms = 0;
  int code = 0;
  std::string value = {};
  int times = 1;
};

// Which phone knows which kind: tests/phones/README.md. "unplug at=upload", "unplug
// random=5000000", "stall after=100000 ms=5000", "file-error code=6 after=0", "error code=104",
// "hostile value=dotdot", each with an optional "times=N".
absl::StatusOr<Fault> ParseFault(std::string_view text);

// Thread-safe.
class FaultPlan {
 public:
  void Add(Fault fault);
  void Clear();
  std::vector<Fault> list();

  // The next fault of `kind` whatever its trigger; uses it up.
  std::optional<Fault> Take(FaultKind kind);
  // The next fault of `kind` set for `step`.
  std::optional<Fault> TakeAtStep(FaultKind kind, std::string_view step);
  // The first fault of `kind` whose bytes threshold lies in [sent, sent + length).
  std::optional<Fault> TakeAtBytes(FaultKind kind, std::uint64_t sent, std::uint64_t length);
  // The same by the bytes that came from the host.
  std::optional<Fault> TakeAtReceived(FaultKind kind, std::uint64_t received, std::uint64_t length);
  // The first fault of `kind` whose value is empty or a pattern that matches `path`.
  std::optional<Fault> TakeForPath(FaultKind kind, std::string_view path);

 private:
  template <typename Matches>
  std::optional<Fault> TakeIf(Matches matches);

  Mutex mutex_;
  std::vector<Fault> faults_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing
