// CrashPhone: a phone whose backups are interrupted, and what is known of each of its
// snapshots: acknowledged, perhaps there, or not.

#pragma once

#include <map>
#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/random.h"
#include "tests/integration/server/test_agent.h"
#include "tests/support/synthetic_snapshot.h"

namespace mooring::testing {

struct KnownSnapshot {
  enum class State {
    kAcknowledged,  // Must be there.
    kPerhaps,       // Its commit was sent, and no answer came.
    kPruned,        // Must never come back.
    kNever,         // Was not committed, and never will be.
  };
  State state = State::kNever;
  std::uint64_t sequence = 0;
  Files files;
  bool was_read = false;  // Restored and compared since it was acknowledged.
};

// Thread-compatible.
class CrashPhone {
 public:
  // Phones of one number and generation hold the same, whoever makes them.
  CrashPhone(int number, std::uint64_t seed);

  const std::string& serial() const { return serial_; }
  std::string owner() const { return "owner" + std::to_string(number_); }

  // Goes on with the backup that is under way, or begins one of a new generation: once,
  // to its acknowledgement or to the first error.
  absl::Status BackUp(TestAgent& agent);
  // A backup is under way that was not acknowledged.
  bool is_unsettled() const { return attempt_.has_value(); }
  // Gives up the one that is under way. The next begins with another key.
  void Abandon();

  std::map<SnapshotId, KnownSnapshot>& known() { return known_; }

 private:
  struct Attempt {
    std::string begin_key;
    Files files;
    std::optional<storage::BegunSession> session;
    SealedTree tree;
    bool commit_sent = false;
  };

  Files MakeFiles() const;
  absl::Status Run(TestAgent& agent, Attempt& attempt);
  absl::StatusOr<v1::Receipt> Commit(TestAgent& agent, Attempt& attempt);

  const int number_;
  const std::string serial_;
  SeededRandom random_;
  std::uint64_t generation_ = 0;
  std::optional<Attempt> attempt_;
  std::map<SnapshotId, KnownSnapshot> known_;
};

}  // namespace mooring::testing
