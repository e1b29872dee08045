// Tables: all rows of a memory catalog, and its unique indexes, named as
// storage/catalog/migrations names them.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/catalog/account_store.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/collection_store.h"
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
#include "storage/catalog/session_store.h"
#include "storage/catalog/snapshot_store.h"
#include "tests/sim/memory_catalog/row_table.h"

namespace mooring::testing {

struct AdmissionRow {
  std::uint32_t lineage = 0;
  std::string admitted_by;
  absl::Time admitted_at;
};

struct IndexedChunk {
  std::int32_t domain_no = 0;
  ChunkId id;
  std::int64_t pack_no = 0;
  std::uint64_t offset = 0;
  std::uint32_t bytes = 0;
  storage::ChunkState state = storage::ChunkState::kLive;
  std::optional<absl::Time> condemned_at;
  std::optional<std::uint64_t> condemned_generation;
};

// With what care keeps of it.
struct PackRow : storage::PackRecord {
  std::optional<absl::Time> scrubbed_at;
  std::optional<absl::Time> replicated_at;
};

struct SnapshotRow {
  std::uint64_t commit_no = 0;
  storage::SnapshotRecord record;
  std::shared_ptr<const storage::SnapshotContent> content;
};

// An IDENTITY column: what a transaction took stays taken if it is rolled back.
class Identity {
 public:
  std::int64_t Next() { return ++last_; }
  std::int64_t last() const { return last_; }
  void set_last(std::int64_t last) { last_ = last; }

 private:
  std::int64_t last_ = 0;
};

// Guarded by the catalog's mutex.
struct Tables {
  static constexpr int kOne = 1;  // Key of a table of one row.

  RowTable<int, storage::OrganizationRecord> organization;
  RowTable<int, storage::RepositoryRecord> repository;
  RowTable<std::string, storage::AccountRecord> account;
  RowTable<Bytes, storage::ApiTokenRecord> api_token;

  RowTable<PersonId, storage::PersonRecord> person;
  RowTable<std::string, PersonId> person_handle;
  RowTable<storage::InvitationId, storage::InvitationRecord> invitation;
  RowTable<Bytes, storage::InvitationId> invitation_secret;
  RowTable<AgentId, storage::AgentRecord> agent;
  RowTable<Bytes, AgentId> agent_key;
  RowTable<DeviceId, storage::DeviceRecord> device;
  RowTable<std::string, DeviceId> device_serial;
  RowTable<std::pair<DeviceId, AgentId>, AdmissionRow> admission;
  RowTable<std::pair<std::string, std::uint32_t>, v1::StoredPolicy> policy;

  RowTable<RequestId, storage::RequestRecord> request;
  RowTable<GrantId, storage::GrantRecord> access_grant;
  RowTable<RequestId, GrantId> grant_request;
  RowTable<Bytes, GrantId> grant_code;
  RowTable<storage::RestoreId, storage::RestoreRecord> restore;
  RowTable<RequestId, storage::RestoreId> restore_request;

  RowTable<std::pair<int, Bytes>, storage::KeySlot> key_slot;
  RowTable<SessionId, storage::SessionRecord> session;
  RowTable<Bytes, SessionId> session_idempotency;
  RowTable<SnapshotId, SessionId> session_snapshot;
  RowTable<DeviceId, SessionId> session_open;  // WHERE state = 1.

  RowTable<std::int64_t, PackRow> pack;
  RowTable<PackId, std::int64_t> pack_id;
  RowTable<std::int32_t, storage::DomainRecord> domain;
  RowTable<DomainId, std::int32_t> domain_id;
  RowTable<PersonId, std::int32_t> domain_person;  // The organization's: no id.
  RowTable<std::uint64_t, IndexedChunk> chunk;
  RowTable<std::pair<std::int32_t, ChunkId>, std::uint64_t> chunk_id;
  RowTable<std::pair<PersonId, std::uint64_t>, bool> chunk_owner;

  RowTable<SnapshotId, SnapshotRow> snapshot;
  RowTable<std::uint64_t, SnapshotId> snapshot_commit;
  RowTable<SessionId, SnapshotId> snapshot_session;
  RowTable<std::pair<DeviceId, std::uint64_t>, SnapshotId> snapshot_sequence;
  RowTable<std::int64_t, storage::AuditRecord> audit;

  RowTable<int, storage::CollectionState> collection_state;
  RowTable<std::uint64_t, storage::SessionTouch> session_touch;
  RowTable<std::string, storage::JobLease> job_lease;

  RowTable<storage::HoldId, storage::HoldRecord> hold;
  RowTable<SnapshotId, storage::PinRecord> snapshot_pin;
  RowTable<std::pair<DeviceId, std::uint32_t>, storage::PauseMemoryRecord> pause_memory;
  RowTable<int, storage::PruneState> prune_state;

  RowTable<std::int64_t, storage::Finding> finding;
  RowTable<std::pair<storage::FindingKind, std::string>, std::int64_t> finding_open;
  RowTable<storage::DrillId, storage::DrillRecord> drill;
  RowTable<int, storage::CareState> care_state;

  Identity pack_no;
  Identity domain_no;
  Identity chunk_no;
  Identity commit_no;
  Identity touch_no;
  Identity audit_seq;
  Identity finding_no;

  NamedLock repository_lock;
  std::map<std::string, NamedLock> policy_locks;

  std::vector<AnyTable*> all();
  std::vector<Identity*> identities();
};

}  // namespace mooring::testing
