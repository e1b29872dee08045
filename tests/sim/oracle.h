// Oracle: what the outside world was told, which the repository must keep to:
// proposals, receipts, deletions. The first broken promise is kept and ends the
// simulation.

#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "mooring/v1/backup.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "tests/support/synthetic_snapshot.h"

namespace mooring::testing {

class Oracle {
 public:
  struct Acknowledged {
    v1::Receipt receipt;
    Files files;  // Empty where the snapshot is not an honest agent's.
    bool is_honest = false;
    v1::CommitSnapshotRequest request;  // That the receipt answered.
    AgentId agent;
  };

  // A Begin with this key was answered. Every later answer is the same.
  void NoteBegun(const Bytes& key, const SessionId& session, const SnapshotId& snapshot);
  // A commit whose root hashes to `root_hash` stands for these files.
  void Propose(const SnapshotId& snapshot, const std::string& root_hash, const Files& files);
  // A server gave this answer.
  void NoteReceipt(const AgentId& agent, const v1::CommitSnapshotRequest& request,
                   const v1::Receipt& receipt);

  // Somebody has asked to delete it; from here on it may be gone.
  void NoteDeleting(const SnapshotId& snapshot) { deleting_.insert(snapshot); }
  // The deletion was acknowledged: it stays gone.
  void NoteDeleted(const SnapshotId& snapshot) { deleted_.insert(snapshot); }

  const std::map<SnapshotId, Acknowledged>& acknowledged() const { return acknowledged_; }
  bool MayBeGone(const SnapshotId& snapshot) const { return deleting_.count(snapshot) > 0; }
  const std::set<SnapshotId>& deleted() const { return deleted_; }

  // A promise is broken.
  void Fail(const std::string& what);
  // The same, also where the oracle is silent.
  void FailAloud(const std::string& what);
  // The catalog has forgotten what the world was told: nothing is judged any more.
  void Silence() { is_silent_ = true; }
  bool is_silent() const { return is_silent_; }
  const std::optional<std::string>& failure() const { return failure_; }

 private:
  std::map<Bytes, std::pair<SessionId, SnapshotId>> begun_;
  std::map<SnapshotId, std::map<std::string, Files>> proposed_;
  std::map<SnapshotId, Acknowledged> acknowledged_;
  std::set<SnapshotId> deleting_;
  std::set<SnapshotId> deleted_;
  bool is_silent_ = false;
  std::optional<std::string> failure_;
};

}  // namespace mooring::testing
