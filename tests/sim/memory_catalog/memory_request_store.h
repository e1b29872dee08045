// MemoryRequestStore: requests (memory_request_store.cc), grants and restores
// (memory_grants.cc).

#pragma once

#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {

class MemoryRequestStore final : public storage::RequestStore {
 public:
  MemoryRequestStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Create(const storage::RequestRecord& record) override;
  absl::StatusOr<std::optional<storage::RequestRecord>> Get(const RequestId& id,
                                                            storage::RowLock lock) override;
  absl::StatusOr<std::vector<storage::RequestRecord>> List(
      const std::optional<v1::RequestState>& state) override;
  absl::StatusOr<storage::RequestRecord> Decide(const RequestId& id, v1::RequestState decision,
                                                const std::string& decided_by,
                                                const std::string& reason, absl::Time at) override;
  absl::StatusOr<std::vector<storage::RequestRecord>> Expire(absl::Time now) override;

  absl::Status CreateGrant(const storage::GrantRecord& record) override;
  absl::StatusOr<std::optional<storage::GrantRecord>> GetGrant(const GrantId& id) override;
  absl::StatusOr<std::optional<storage::GrantRecord>> FindGrantByRequest(
      const RequestId& request) override;
  absl::StatusOr<std::optional<storage::GrantRecord>> FindGrantByCode(
      ByteView code_hash, storage::RowLock lock) override;
  absl::Status SetGrantCode(const GrantId& id, ByteView code_hash) override;
  absl::StatusOr<storage::GrantRecord> OpenGrant(const GrantId& id,
                                                 const std::optional<AgentId>& agent,
                                                 ByteView hpke_public_key, absl::Time at) override;
  absl::Status CloseGrant(const GrantId& id, absl::Time at) override;

  absl::Status CreateRestore(const storage::RestoreRecord& record) override;
  absl::StatusOr<std::optional<storage::RestoreRecord>> GetRestore(const storage::RestoreId& id,
                                                                   storage::RowLock lock) override;
  absl::StatusOr<std::optional<storage::RestoreRecord>> FindRestoreByRequest(
      const RequestId& request) override;
  absl::StatusOr<std::vector<storage::RestoreRecord>> ListRestores(
      const storage::RestoreFilter& filter) override;
  absl::Status SetRestoreState(const storage::RestoreId& id, v1::RestoreState state) override;
  absl::Status SetRestoreProgress(const storage::RestoreId& id,
                                  const v1::Progress& progress) override;
  absl::Status FinishRestore(const storage::RestoreId& id, const RestoreResult& result,
                             absl::Time at) override;

 private:
  template <typename Change>
  absl::Status UpdateUnfinished(const storage::RestoreId& id, Change change) {
    MOORING_ASSIGN_OR_RETURN(const storage::RestoreRecord* const row,
                             t_.restore.Lock(tx_, id, storage::RowLock::kExclusive));
    if (row == nullptr || row->finished_at) {
      return absl::FailedPreconditionError("the restore is finished");
    }
    t_.restore.Update(tx_, id, change);
    return absl::OkStatus();
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace mooring::testing
