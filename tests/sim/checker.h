// Checker: the invariants of security.md E.2 as far as they can be seen from
// outside, on what is committed and durable at one moment, whoever is at work.

#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "tests/sim/ground.h"
#include "tests/sim/sim_server.h"

namespace mooring::testing {

class Checker {
 public:
  explicit Checker(Ground& ground) : ground_(ground) {}

  // At any moment between two steps: committed snapshots stand on live chunks
  // whose bytes are there (I2, I3, I7), deletions are whole (I11), the sizes of
  // packs agree (I17).
  void CheckNow();
  // No session is open, nothing is on its way out, no object without a row.
  bool IsAtRest() const { return !FindLeftover(); }
  // At rest, with no session open: nothing is left over (I17).
  void CheckAtRest();
  // At the end, on a quiet system and from within a task: everything that was
  // acknowledged opens and holds what it held, deletions hold, retries are
  // answered as before (I1, I5, I6, I11, I12).
  void CheckAcknowledged(ServerLife& life);

 private:
  void CheckSnapshot(const SnapshotId& id, const SnapshotRow& row);
  void CheckRefs(const SnapshotId& id, const SnapshotRow& row);
  void CheckRecord(const SnapshotId& id, const SnapshotRow& row);
  void CheckChunk(const SnapshotId& id, std::uint64_t no);
  void CheckRotten(std::uint64_t no, const IndexedChunk& chunk, const storage::PackRecord& pack);
  void CheckDeleted(const SnapshotId& id);
  void CheckPacks();
  void CheckOne(ServerLife& life, const SnapshotId& id, const Oracle::Acknowledged& promise);
  void CheckRetry(ServerLife& life, const SnapshotId& id, const Oracle::Acknowledged& promise);
  struct Pinned {
    bool everything = false;
    std::uint64_t records = 0;
    std::set<std::uint64_t> chunks;
    std::set<std::int64_t> packs;
  };
  Pinned FindPinned() const;
  void PinNamed(const std::string& key, Pinned& pinned) const;
  std::optional<std::string> FindLeftover() const;
  std::optional<Bytes> Read(const std::string& key) const;
  bool Has(const std::string& key) const;
  void Fail(const std::string& what) { ground_.oracle.Fail(what); }

  Ground& ground_;
  // Bytes that were seen to hash to their id: objects never change in place.
  std::set<std::pair<PackId, std::uint64_t>> seen_good_;
  std::set<SnapshotId> seen_record_;
};

}  // namespace mooring::testing
