// PgTransaction: the stores over one open PostgreSQL transaction. Inside
// storage/catalog only.

#pragma once

#include <memory>
#include <vector>

#include "storage/catalog/catalog.h"
#include "storage/catalog/pg_stores.h"
#include "storage/catalog/sql.h"

namespace mooring::storage {

class PgTransaction final : public Transaction {
 public:
  // `sql` has an open transaction and outlives this.
  explicit PgTransaction(SqlSession& sql);

  OrganizationStore& organization() override { return *organization_; }
  AccountStore& accounts() override { return *accounts_; }
  PersonStore& people() override { return *people_; }
  InvitationStore& invitations() override { return *invitations_; }
  AgentStore& agents() override { return *agents_; }
  DeviceStore& devices() override { return *devices_; }
  PolicyStore& policies() override { return *policies_; }
  RequestStore& requests() override { return *requests_; }
  KeyStore& keys() override { return *keys_; }
  SessionStore& sessions() override { return *sessions_; }
  PackStore& packs() override { return *packs_; }
  ChunkIndex& chunks() override { return *chunks_; }
  SnapshotStore& snapshots() override { return *snapshots_; }
  ComplianceQuery& compliance() override { return *compliance_; }
  CareStore& care() override { return *care_; }
  DrillStore& drills() override { return *drills_; }
  CollectionStore& collection() override { return *collection_; }
  HoldStore& holds() override { return *holds_; }
  PruneStore& prunes() override { return *prunes_; }
  ServerStore& servers() override { return *servers_; }

  absl::Status Audit(const AuditRecord& record) override;
  absl::StatusOr<std::vector<NumberedAuditRecord>> AuditSince(std::int64_t after,
                                                              int limit) override;
  absl::Status LockRepositoryShared() override;
  absl::Status LockRepositoryExclusive() override;

 private:
  absl::Status Lock(std::string_view statement);

  SqlSession& sql_;
  const std::unique_ptr<OrganizationStore> organization_;
  const std::unique_ptr<AccountStore> accounts_;
  const std::unique_ptr<PersonStore> people_;
  const std::unique_ptr<InvitationStore> invitations_;
  const std::unique_ptr<AgentStore> agents_;
  const std::unique_ptr<DeviceStore> devices_;
  const std::unique_ptr<PolicyStore> policies_;
  const std::unique_ptr<RequestStore> requests_;
  const std::unique_ptr<KeyStore> keys_;
  const std::unique_ptr<SessionStore> sessions_;
  const std::unique_ptr<PackStore> packs_;
  const std::unique_ptr<ChunkIndex> chunks_;
  const std::unique_ptr<SnapshotStore> snapshots_;
  const std::unique_ptr<ComplianceQuery> compliance_;
  const std::unique_ptr<CareStore> care_;
  const std::unique_ptr<DrillStore> drills_;
  const std::unique_ptr<CollectionStore> collection_;
  const std::unique_ptr<HoldStore> holds_;
  const std::unique_ptr<PruneStore> prunes_;
  const std::unique_ptr<ServerStore> servers_;
};

}  // namespace mooring::storage
