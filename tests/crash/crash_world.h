// CrashWorld: one shipped server, one workstation and some phones that are backed up,
// pruned, collected, scrubbed and exported while something goes wrong; and the checks
// that must hold whenever the server is up again.

#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <string>

#include <absl/status/status.h>

#include "mooring/v1/care.grpc.pb.h"
#include "mooring/v1/collection.grpc.pb.h"
#include "storage/base/random.h"
#include "tests/crash/crash_phone.h"
#include "tests/crash/shipped_server.h"

namespace mooring::testing {

enum class Step { kBackup, kTwoBackups, kPrune, kCollect, kScrub, kExport, kEnd };
const char* NameOf(Step step);

class CrashWorld {
 public:
  // `server` runs and outlives this.
  CrashWorld(ShippedServer& server, int phones, std::uint64_t seed);

  // Workstation, people, phones, policy, and the first backup of each phone.
  absl::Status SetUp();

  // Does the step; any of its errors may be the fault's.
  absl::Status Run(Step step);
  // After the server was started: connects again, and brings every backup to its end.
  // Each either goes on where it was, or is given up and a new one made.
  absl::Status Settle();
  // What must hold: the acknowledged snapshots are there, and no other; those that were
  // not read since are restored and compared. `everything`: restores all of them, scrubs
  // all that is stored, and reads the collector's state.
  absl::Status Check(bool everything);
  // All that waits for days is due: rows, objects and leases grow older.
  absl::Status LetTimePass();

  void Reconnect();
  // One try for this phone.
  absl::Status BackUp(std::size_t phone);
  // Until it is acknowledged, or a minute is over, or the server is gone.
  absl::Status BackUpUntilDone(std::size_t phone);
  absl::Status Collect();
  std::deque<CrashPhone>& phones() { return phones_; }
  TestAgent& agent() { return *agent_; }
  std::uint64_t acknowledged() const { return acknowledged_; }
  std::uint64_t restored() const { return restored_; }

 private:
  absl::Status SetUpPhone(CrashPhone& phone, TestControl& control);
  absl::Status SetPolicy();
  absl::Status Prune();
  absl::Status Scrub(bool must_be_clean);
  absl::Status Export();
  absl::Status CheckPhone(CrashPhone& phone, bool everything);
  absl::Status CheckCollector();
  absl::Status Restore(const SnapshotId& id, KnownSnapshot& snapshot);

  ShippedServer& server_;
  SeededRandom random_;
  std::deque<CrashPhone> phones_;
  std::unique_ptr<TestAgent> agent_;
  std::size_t next_phone_ = 0;
  bool was_pruned_ = false;
  std::atomic<std::uint64_t> acknowledged_ = 0;
  std::uint64_t restored_ = 0;
};

}  // namespace mooring::testing
