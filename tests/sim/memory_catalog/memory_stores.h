// Makers of the memory catalog's stores. Each lives no longer than its
// transaction.

#pragma once

#include <memory>

#include "storage/catalog/care_store.h"
#include "storage/catalog/compliance_query.h"
#include "storage/catalog/drill_store.h"
#include "tests/sim/memory_catalog/memory_rows.h"
#include "tests/sim/memory_catalog/memory_tx.h"
#include "tests/sim/memory_catalog/tables.h"

namespace mooring::testing {

std::unique_ptr<storage::OrganizationStore> MakeMemoryOrganizationStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::AccountStore> MakeMemoryAccountStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::PersonStore> MakeMemoryPersonStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::InvitationStore> MakeMemoryInvitationStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::AgentStore> MakeMemoryAgentStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::DeviceStore> MakeMemoryDeviceStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::PolicyStore> MakeMemoryPolicyStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::RequestStore> MakeMemoryRequestStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::KeyStore> MakeMemoryKeyStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::SessionStore> MakeMemorySessionStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::PackStore> MakeMemoryPackStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::ChunkIndex> MakeMemoryChunkIndex(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::SnapshotStore> MakeMemorySnapshotStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::CollectionStore> MakeMemoryCollectionStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::HoldStore> MakeMemoryHoldStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::PruneStore> MakeMemoryPruneStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::ComplianceQuery> MakeMemoryComplianceQuery(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::CareStore> MakeMemoryCareStore(MemoryTx& tx, Tables& t);
std::unique_ptr<storage::DrillStore> MakeMemoryDrillStore(MemoryTx& tx, Tables& t);

// Which store a transaction is given. Tests put others in their place.
struct StoreMakers {
  std::unique_ptr<storage::SessionStore> (*sessions)(MemoryTx&, Tables&) = MakeMemorySessionStore;
  std::unique_ptr<storage::DeviceStore> (*devices)(MemoryTx&, Tables&) = MakeMemoryDeviceStore;
  std::unique_ptr<storage::PackStore> (*packs)(MemoryTx&, Tables&) = MakeMemoryPackStore;
  std::unique_ptr<storage::ChunkIndex> (*chunks)(MemoryTx&, Tables&) = MakeMemoryChunkIndex;
  std::unique_ptr<storage::KeyStore> (*keys)(MemoryTx&, Tables&) = MakeMemoryKeyStore;
  std::unique_ptr<storage::SnapshotStore> (*snapshots)(MemoryTx&,
                                                       Tables&) = MakeMemorySnapshotStore;
  bool locks_repository = true;
};

}  // namespace mooring::testing
