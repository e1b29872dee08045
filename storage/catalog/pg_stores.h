// Makers of the PostgreSQL stores. Each lives no longer than its session.
// Inside storage/catalog only.

#pragma once

#include <memory>

#include "storage/catalog/account_store.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/compliance_query.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/drill_store.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/invitation_store.h"
#include "storage/catalog/key_store.h"
#include "storage/catalog/organization_store.h"
#include "storage/catalog/pack_store.h"
#include "storage/catalog/person_store.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/prune_store.h"
#include "storage/catalog/request_store.h"
#include "storage/catalog/server_store.h"
#include "storage/catalog/session_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/catalog/sql.h"

namespace mooring::storage {

std::unique_ptr<OrganizationStore> MakePgOrganizationStore(SqlSession& sql);
std::unique_ptr<AccountStore> MakePgAccountStore(SqlSession& sql);
std::unique_ptr<PersonStore> MakePgPersonStore(SqlSession& sql);
std::unique_ptr<InvitationStore> MakePgInvitationStore(SqlSession& sql);
std::unique_ptr<AgentStore> MakePgAgentStore(SqlSession& sql);
std::unique_ptr<DeviceStore> MakePgDeviceStore(SqlSession& sql);
std::unique_ptr<PolicyStore> MakePgPolicyStore(SqlSession& sql);
std::unique_ptr<RequestStore> MakePgRequestStore(SqlSession& sql);
std::unique_ptr<KeyStore> MakePgKeyStore(SqlSession& sql);
std::unique_ptr<SessionStore> MakePgSessionStore(SqlSession& sql);
std::unique_ptr<PackStore> MakePgPackStore(SqlSession& sql);
std::unique_ptr<ChunkIndex> MakePgChunkIndex(SqlSession& sql);
std::unique_ptr<SnapshotStore> MakePgSnapshotStore(SqlSession& sql);
std::unique_ptr<ComplianceQuery> MakePgComplianceQuery(SqlSession& sql);
std::unique_ptr<CareStore> MakePgCareStore(SqlSession& sql);
std::unique_ptr<DrillStore> MakePgDrillStore(SqlSession& sql);
std::unique_ptr<CollectionStore> MakePgCollectionStore(SqlSession& sql);
std::unique_ptr<HoldStore> MakePgHoldStore(SqlSession& sql);
std::unique_ptr<PruneStore> MakePgPruneStore(SqlSession& sql);
std::unique_ptr<ServerStore> MakePgServerStore(SqlSession& sql);

}  // namespace mooring::storage
