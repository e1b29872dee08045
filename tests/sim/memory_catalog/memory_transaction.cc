#include "tests/sim/memory_catalog/memory_transaction.h"

#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::testing {

storage::OrganizationStore& MemoryTransaction::organization() {
  return Made(organization_, MakeMemoryOrganizationStore);
}
storage::AccountStore& MemoryTransaction::accounts() {
  return Made(accounts_, MakeMemoryAccountStore);
}
storage::PersonStore& MemoryTransaction::people() {
  return Made(people_, MakeMemoryPersonStore);
}
storage::InvitationStore& MemoryTransaction::invitations() {
  return Made(invitations_, MakeMemoryInvitationStore);
}
storage::AgentStore& MemoryTransaction::agents() {
  return Made(agents_, MakeMemoryAgentStore);
}
storage::DeviceStore& MemoryTransaction::devices() {
  return Made(devices_, makers_.devices);
}
storage::PolicyStore& MemoryTransaction::policies() {
  return Made(policies_, MakeMemoryPolicyStore);
}
storage::RequestStore& MemoryTransaction::requests() {
  return Made(requests_, MakeMemoryRequestStore);
}
storage::KeyStore& MemoryTransaction::keys() {
  return Made(keys_, makers_.keys);
}
storage::SessionStore& MemoryTransaction::sessions() {
  return Made(sessions_, makers_.sessions);
}
storage::PackStore& MemoryTransaction::packs() {
  return Made(packs_, makers_.packs);
}
storage::ChunkIndex& MemoryTransaction::chunks() {
  return Made(chunks_, makers_.chunks);
}
storage::SnapshotStore& MemoryTransaction::snapshots() {
  return Made(snapshots_, makers_.snapshots);
}
storage::CollectionStore& MemoryTransaction::collection() {
  return Made(collection_, MakeMemoryCollectionStore);
}
storage::HoldStore& MemoryTransaction::holds() {
  return Made(holds_, MakeMemoryHoldStore);
}
storage::PruneStore& MemoryTransaction::prunes() {
  return Made(prunes_, MakeMemoryPruneStore);
}
storage::ComplianceQuery& MemoryTransaction::compliance() {
  return Made(compliance_, MakeMemoryComplianceQuery);
}
storage::CareStore& MemoryTransaction::care() {
  return Made(care_, MakeMemoryCareStore);
}
storage::DrillStore& MemoryTransaction::drills() {
  return Made(drills_, MakeMemoryDrillStore);
}

absl::Status MemoryTransaction::Audit(const storage::AuditRecord& record) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(
      tx_.CheckTexts({record.actor, record.action, record.subject, record.detail_json}));
  return tables_.audit.Insert(tx_, tables_.audit_seq.Next(), record).status();
}

absl::StatusOr<std::vector<storage::NumberedAuditRecord>> MemoryTransaction::AuditSince(
    std::int64_t after, int limit) {
  MOORING_STATEMENT(tx_);
  std::vector<storage::NumberedAuditRecord> records;
  tables_.audit.ForEachFrom(tx_, after + 1,
                            [&](std::int64_t no, const storage::AuditRecord& record) {
                              if (static_cast<int>(records.size()) >= limit) return false;
                              records.push_back({no, record});
                              return true;
                            });
  return records;
}

absl::Status MemoryTransaction::LockRepository(bool exclusive) {
  // Anything before it could have read rows that the lock is meant to hold still.
  MOORING_CHECK(tx_.statements() == 0);
  MOORING_STATEMENT(tx_);
  if (!makers_.locks_repository) return absl::OkStatus();
  return tx_.TakeNamed(tables_.repository_lock, exclusive);
}

}  // namespace mooring::testing
