// MemoryTransaction: the stores over one running transaction. A store is made
// when it is first asked for: most transactions use two or three.

#pragma once

#include <memory>
#include <vector>

#include "storage/catalog/catalog.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {

class MemoryTransaction final : public storage::Transaction {
 public:
  MemoryTransaction(MemoryTx& tx, Tables& tables, const StoreMakers& makers)
      : tx_(tx), tables_(tables), makers_(makers) {}

  storage::OrganizationStore& organization() override;
  storage::AccountStore& accounts() override;
  storage::PersonStore& people() override;
  storage::InvitationStore& invitations() override;
  storage::AgentStore& agents() override;
  storage::DeviceStore& devices() override;
  storage::PolicyStore& policies() override;
  storage::RequestStore& requests() override;
  storage::KeyStore& keys() override;
  storage::SessionStore& sessions() override;
  storage::PackStore& packs() override;
  storage::ChunkIndex& chunks() override;
  storage::SnapshotStore& snapshots() override;
  storage::CollectionStore& collection() override;
  storage::HoldStore& holds() override;
  storage::PruneStore& prunes() override;
  storage::ComplianceQuery& compliance() override;
  storage::CareStore& care() override;
  storage::DrillStore& drills() override;

  absl::Status Audit(const storage::AuditRecord& record) override;
  absl::StatusOr<std::vector<storage::NumberedAuditRecord>> AuditSince(std::int64_t after,
                                                                       int limit) override;
  absl::Status LockRepositoryShared() override { return LockRepository(false); }
  absl::Status LockRepositoryExclusive() override { return LockRepository(true); }

 private:
  template <typename Store>
  Store& Made(std::unique_ptr<Store>& store, std::unique_ptr<Store> (*make)(MemoryTx&, Tables&)) {
    if (store == nullptr) store = make(tx_, tables_);
    return *store;
  }
  absl::Status LockRepository(bool exclusive);

  MemoryTx& tx_;
  Tables& tables_;
  const StoreMakers& makers_;
  std::unique_ptr<storage::OrganizationStore> organization_;
  std::unique_ptr<storage::AccountStore> accounts_;
  std::unique_ptr<storage::PersonStore> people_;
  std::unique_ptr<storage::InvitationStore> invitations_;
  std::unique_ptr<storage::AgentStore> agents_;
  std::unique_ptr<storage::DeviceStore> devices_;
  std::unique_ptr<storage::PolicyStore> policies_;
  std::unique_ptr<storage::RequestStore> requests_;
  std::unique_ptr<storage::KeyStore> keys_;
  std::unique_ptr<storage::SessionStore> sessions_;
  std::unique_ptr<storage::PackStore> packs_;
  std::unique_ptr<storage::ChunkIndex> chunks_;
  std::unique_ptr<storage::SnapshotStore> snapshots_;
  std::unique_ptr<storage::CollectionStore> collection_;
  std::unique_ptr<storage::HoldStore> holds_;
  std::unique_ptr<storage::PruneStore> prunes_;
  std::unique_ptr<storage::ComplianceQuery> compliance_;
  std::unique_ptr<storage::CareStore> care_;
  std::unique_ptr<storage::DrillStore> drills_;
};

}  // namespace mooring::testing
