#include "tests/sim/oracle.h"

#include <utility>

#include <fmt/format.h>

namespace mooring::testing {

void Oracle::Fail(const std::string& what) {
  if (!is_silent_) FailAloud(what);
}

void Oracle::FailAloud(const std::string& what) {
  if (!failure_) failure_ = what;
}

void Oracle::NoteBegun(const Bytes& key, const SessionId& session, const SnapshotId& snapshot) {
  const auto [at, is_new] = begun_.emplace(key, std::pair(session, snapshot));
  if (!is_new && at->second != std::pair(session, snapshot)) {
    Fail(fmt::format("I5: one idempotency key opened sessions {} and {}", at->second.first.hex(),
                     session.hex()));
  }
}

void Oracle::Propose(const SnapshotId& snapshot, const std::string& root_hash, const Files& files) {
  proposed_[snapshot][root_hash] = files;
}

void Oracle::NoteReceipt(const AgentId& agent, const v1::CommitSnapshotRequest& request,
                         const v1::Receipt& receipt) {
  const std::optional<SnapshotId> id = SnapshotId::FromBytes(receipt.snapshot_id());
  if (!id) return Fail("a receipt names no snapshot");
  const auto known = acknowledged_.find(*id);
  if (known != acknowledged_.end()) {
    if (known->second.receipt.SerializeAsString() != receipt.SerializeAsString()) {
      Fail(fmt::format("I5: snapshot {} has two different receipts", id->hex()));
    }
    return;
  }
  Acknowledged acknowledged{receipt, {}, false, request, agent};
  const auto proposals = proposed_.find(*id);
  if (proposals != proposed_.end()) {
    const auto proposal = proposals->second.find(receipt.root_hash());
    if (proposal == proposals->second.end()) {
      return Fail(fmt::format("snapshot {}: its receipt is for another root", id->hex()));
    }
    acknowledged.files = proposal->second;
    acknowledged.is_honest = true;
  }
  acknowledged_.emplace(*id, std::move(acknowledged));
}

}  // namespace mooring::testing
