// RepositoryImpl: the Repository over a catalog, an object store and a KEK.
//
// Row locks are taken in this order: device, session, snapshot. Transactions
// whose outcome is unknown are settled by looking, before anyone is answered.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "mooring/format/v1/commit_record.pb.h"
#include "storage/base/mutex.h"
#include "storage/catalog/session_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/repository/chunk_reader.h"
#include "storage/repository/commit_request.h"
#include "storage/repository/key_custody.h"
#include "storage/repository/repository.h"
#include "storage/repository/session_registry.h"

namespace mooring::storage {

// Most ids of one Find, ReadBase or ReadChunks.
inline constexpr std::size_t kFindIdsMax = 4096;
inline constexpr std::size_t kReadIdsMax = 4096;
inline constexpr absl::Duration kLeaseMax = absl::Hours(24);

// Thread-safe.
class RepositoryImpl final : public Repository {
 public:
  // For Repository::Open, which has checked that store and catalog belong together.
  RepositoryImpl(Catalog& catalog, ObjectStore& objects, KekProvider& kek, Clock& clock,
                 Random& random, SecretBytes organization_key, SecretBytes pack_index_key);

  absl::StatusOr<BegunSession> Begin(const OpContext& ctx, const BeginOptions& options) override;
  absl::StatusOr<std::vector<bool>> Find(const OpContext& ctx, const SessionId& session,
                                         const DomainId& domain,
                                         const std::vector<ChunkId>& ids) override;
  absl::StatusOr<std::unique_ptr<PackUpload>> Upload(const OpContext& ctx, const SessionId& session,
                                                     const AgentId& agent) override;
  absl::Status ReadBase(const OpContext& ctx, const SessionId& session, const AgentId& agent,
                        const std::vector<ChunkId>& ids,
                        absl::FunctionRef<absl::Status(ByteView sealed)> sink) override;
  absl::StatusOr<CommitOutcome> Commit(const OpContext& ctx, const AgentId& agent,
                                       const v1::CommitSnapshotRequest& request) override;
  absl::Status Abort(const OpContext& ctx, const SessionId& session, const AgentId& agent,
                     v1::Cause cause, const std::string& message) override;
  absl::Status Touch(const OpContext& ctx, const SessionId& session, const AgentId& agent,
                     absl::Duration lease, const v1::Progress* progress) override;
  absl::StatusOr<int> ExpireSessions(const OpContext& ctx) override;
  absl::StatusOr<OpenedSnapshot> OpenSnapshot(const OpContext& ctx,
                                              const SnapshotId& snapshot) override;
  absl::Status ReadChunks(const OpContext& ctx, const SnapshotId& snapshot,
                          const std::vector<ChunkId>& ids,
                          absl::FunctionRef<absl::Status(ByteView sealed)> sink) override;
  absl::StatusOr<VerifyResult> Verify(
      const OpContext& ctx, const SnapshotId& snapshot,
      absl::FunctionRef<void(const VerifyResult&)> progress) override;
  using Repository::Delete;
  absl::Status Delete(const OpContext& ctx, const SnapshotId& snapshot, const std::string& actor,
                      const std::string& reason,
                      absl::FunctionRef<absl::Status(Transaction&)> allowed) override;
  absl::StatusOr<std::uint64_t> CountOrphanRecords(const OpContext& ctx) override;

  // Completes deletions that a crash interrupted: those that were decided, and those
  // with a tombstone whose key object is still there. Part of Open.
  absl::Status FinishDeletions(const OpContext& ctx);

 private:
  // Begin.
  absl::StatusOr<SessionRecord> CreateSession(const OpContext& ctx, const BeginOptions& options,
                                              const PersonId& person,
                                              const SecretBytes& person_key);
  absl::StatusOr<std::optional<SessionId>> CloseOlderSession(Transaction& tx,
                                                             const BeginOptions& options,
                                                             absl::Time now);
  absl::StatusOr<BegunSession> Grant(const OpContext& ctx, const SessionRecord& session,
                                     const SecretBytes& person_key);
  absl::StatusOr<std::optional<BegunSession::Base>> OpenBase(const OpContext& ctx,
                                                             const SnapshotId& base,
                                                             const SecretBytes& person_key);

  // Sessions.
  absl::StatusOr<SessionRecord> GetOpenSession(const OpContext& ctx, const SessionId& session,
                                               const AgentId* agent);
  absl::StatusOr<DomainId> DomainOf(const OpContext& ctx, const PersonId& person);

  // Commit.
  absl::StatusOr<std::vector<ChunkId>> FindMissing(const OpContext& ctx, const PersonId& person,
                                                   const CheckedCommit& commit);
  absl::Status StoreSnapshotKey(const OpContext& ctx, const SessionRecord& session);
  absl::StatusOr<Bytes> StoreCommitRecord(const OpContext& ctx, const SessionRecord& session,
                                          const CheckedCommit& commit,
                                          const v1::CommitSnapshotRequest& request,
                                          absl::Time& created_at);
  absl::Status ReplaceCommitRecord(const OpContext& ctx, const SessionRecord& session,
                                   const std::string& key, ByteView record);
  absl::Status CommitTransaction(Transaction& tx, const OpContext& ctx, const SessionRecord& before,
                                 const CheckedCommit& commit,
                                 const v1::CommitSnapshotRequest& request, ByteView record,
                                 absl::Time created_at, CommitOutcome& outcome);
  absl::Status AdmitFirstAgent(Transaction& tx, const SessionRecord& session, absl::Time now);
  absl::Status CheckRecordStands(const OpContext& ctx, const SnapshotId& snapshot, ByteView record);

  // Snapshots.
  absl::StatusOr<std::pair<SnapshotRecord, SnapshotContent>> GetSnapshot(
      const OpContext& ctx, const SnapshotId& snapshot);
  absl::Status CompleteDeletion(const OpContext& ctx, const SnapshotId& snapshot,
                                const std::string& actor, const std::string& reason);
  absl::Status FinishDecided(const OpContext& ctx);
  absl::Status WriteTombstone(const OpContext& ctx, const SnapshotId& snapshot,
                              const std::string& actor, const std::string& reason);
  absl::Status MarkDeleted(const OpContext& ctx, const SnapshotId& snapshot,
                           const std::string& actor, const std::string& reason);

  Catalog& catalog_;
  ObjectStore& objects_;
  Clock& clock_;
  Random& random_;
  KeyCustody keys_;
  const SecretBytes organization_key_;
  const SecretBytes pack_index_key_;
  const DomainId organization_domain_;
  ChunkReader reader_;
  SessionRegistry registry_;

  Mutex mutex_;
  // Derived from the person's key once, since that costs an unwrap. Not secret.
  absl::flat_hash_map<PersonId, DomainId> domains_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::storage
