// PgRequestStore: requests in pg_request_store.cc, what they give in pg_grants.cc.
// Inside storage/catalog only.

#pragma once

#include "storage/catalog/request_store.h"
#include "storage/catalog/sql.h"

namespace mooring::storage {

class PgRequestStore final : public RequestStore {
 public:
  explicit PgRequestStore(SqlSession& sql) : sql_(sql) {}

  absl::Status Create(const RequestRecord& record) override;
  absl::StatusOr<std::optional<RequestRecord>> Get(const RequestId& id, RowLock lock) override;
  absl::StatusOr<std::vector<RequestRecord>> List(
      const std::optional<v1::RequestState>& state) override;
  absl::StatusOr<RequestRecord> Decide(const RequestId& id, v1::RequestState decision,
                                       const std::string& decided_by, const std::string& reason,
                                       absl::Time at) override;
  absl::StatusOr<std::vector<RequestRecord>> Expire(absl::Time now) override;

  absl::Status CreateGrant(const GrantRecord& record) override;
  absl::StatusOr<std::optional<GrantRecord>> GetGrant(const GrantId& id) override;
  absl::StatusOr<std::optional<GrantRecord>> FindGrantByRequest(const RequestId& request) override;
  absl::StatusOr<std::optional<GrantRecord>> FindGrantByCode(ByteView code_hash,
                                                             RowLock lock) override;
  absl::Status SetGrantCode(const GrantId& id, ByteView code_hash) override;
  absl::StatusOr<GrantRecord> OpenGrant(const GrantId& id, const std::optional<AgentId>& agent,
                                        ByteView hpke_public_key, absl::Time at) override;
  absl::Status CloseGrant(const GrantId& id, absl::Time at) override;

  absl::Status CreateRestore(const RestoreRecord& record) override;
  absl::StatusOr<std::optional<RestoreRecord>> GetRestore(const RestoreId& id,
                                                          RowLock lock) override;
  absl::StatusOr<std::optional<RestoreRecord>> FindRestoreByRequest(
      const RequestId& request) override;
  absl::StatusOr<std::vector<RestoreRecord>> ListRestores(const RestoreFilter& filter) override;
  absl::Status SetRestoreState(const RestoreId& id, v1::RestoreState state) override;
  absl::Status SetRestoreProgress(const RestoreId& id, const v1::Progress& progress) override;
  absl::Status FinishRestore(const RestoreId& id, const RestoreResult& result,
                             absl::Time at) override;

 private:
  SqlSession& sql_;
};

}  // namespace mooring::storage
