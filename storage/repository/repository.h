// Repository: begin, find, put, commit, open. Everything that makes or reads a
// snapshot goes through here; the commit order, the existence predicate and
// idempotency live here and nowhere else.
//
// Commit order: packs durable -> chunk rows -> key object and commit record
// durable -> one transaction -> receipt. Nothing is acknowledged before it is
// durable. Argued in storage/design/repository-format.md.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/backup.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/catalog/catalog.h"
#include "storage/objects/object_store.h"
#include "storage/seal/key_ring.h"

namespace mooring::storage {

// A session's packs close at this size, on Flush, or after kPackIdle.
inline constexpr std::uint64_t kPackCloseBytes = std::uint64_t{32} << 20;
inline constexpr absl::Duration kPackIdle = absl::Seconds(10);

struct BeginOptions {
  Bytes idempotency_key;  // 16 bytes.
  DeviceId device;
  AgentId agent;
  std::vector<int> captures;  // mooring.v1.CaptureKind.
  absl::Duration lease;
};

// What a session was given. The keys are clear; callers seal them to the agent.
struct BegunSession {
  SessionId session;
  SnapshotId snapshot;
  DeviceId device;
  PersonId person;
  std::uint64_t sequence = 0;
  DomainKeys person_domain;
  DomainKeys organization_domain;
  SecretBytes snapshot_key;
  // Set where the device has a snapshot of this lineage and the agent is admitted.
  struct Base {
    SnapshotId snapshot;
    Bytes root;
    SecretBytes snapshot_key;
  };
  std::optional<Base> base;
};

// Streams the sealed chunks of one session into packs. Thread-bound: one per
// upload stream. Memory: the footer rows and one write buffer, not the pack.
class PackUpload {
 public:
  virtual ~PackUpload() = default;

  // Verifies the chunk's form, hashes it and appends it to the session's open
  // pack unless the repository already has it for this session. Not durable
  // until a Close covers it. kInvalidArgument: not a sealed chunk, foreign domain.
  virtual absl::Status Put(const OpContext& ctx, const DomainId& domain, ByteView sealed) = 0;

  // Bytes in the open pack.
  virtual std::uint64_t open_bytes() const = 0;
  virtual absl::Duration open_for() const = 0;

  // Makes every chunk put so far durable: pack closed, fsynced, renamed, rows
  // written. On error none of the chunks since the last Close counts as stored.
  virtual absl::Status Close(const OpContext& ctx) = 0;

  virtual std::uint64_t durable_count() const = 0;  // Chunks covered by Close calls.
  virtual std::uint64_t new_bytes() const = 0;
};

struct CommitOutcome {
  std::optional<v1::Receipt> receipt;
  std::vector<ChunkId> missing;  // Upload these and commit again.
};

struct VerifyResult {
  std::uint64_t chunks_checked = 0;
  std::uint64_t chunks_total = 0;
  std::uint64_t bytes_checked = 0;
  std::vector<ChunkId> damaged;
};

// Thread-safe.
class Repository {
 public:
  // Creates the repository object, the organization's keys (organization, pack
  // index), wrapped, and the catalog rows. kAlreadyExists if the store has one.
  static absl::Status Create(const OpContext& ctx, Catalog& catalog, ObjectStore& objects,
                             KekProvider& kek, Clock& clock, Random& random);

  // kFailedPrecondition: store and catalog belong to different repositories.
  static absl::StatusOr<std::unique_ptr<Repository>> Open(const OpContext& ctx, Catalog& catalog,
                                                          ObjectStore& objects, KekProvider& kek,
                                                          Clock& clock, Random& random);
  virtual ~Repository() = default;

  // Opens a session, or returns the one that this idempotency key opened. A
  // device has one open session: an older one of the same agent is closed, one
  // of another agent gives kFailedPrecondition until its lease ends. Makes the person's key on
  // first use. kFailedPrecondition: the device is bound to nobody; or, as for Find
  // and Commit, the catalog is older than the store (storage/repository/epoch.h).
  virtual absl::StatusOr<BegunSession> Begin(const OpContext& ctx, const BeginOptions& options) = 0;

  // For each id whether the session may reference it without uploading it.
  virtual absl::StatusOr<std::vector<bool>> Find(const OpContext& ctx, const SessionId& session,
                                                 const DomainId& domain,
                                                 const std::vector<ChunkId>& ids) = 0;

  // `agent` must own the session. At most one upload at a time writes a session:
  // a newer one takes over, and calls of the older one then fail with kAborted.
  virtual absl::StatusOr<std::unique_ptr<PackUpload>> Upload(const OpContext& ctx,
                                                             const SessionId& session,
                                                             const AgentId& agent) = 0;

  // Chunks of the session's base, or uploaded by this session, in the order asked.
  // kPermissionDenied for any other id, and nothing is read. (A chunk that was
  // there already when the session sent it counts as uploaded until this server
  // restarts; after that the agent sends it again.)
  virtual absl::Status ReadBase(const OpContext& ctx, const SessionId& session,
                                const AgentId& agent, const std::vector<ChunkId>& ids,
                                absl::FunctionRef<absl::Status(ByteView sealed)> sink) = 0;

  // Re-checks that every reference is live under the shared repository lock.
  // The same idempotency key gets the same answer. A commit whose outcome is
  // unknown is resolved by that key before this returns. The agent that makes the
  // first snapshot of a lineage is admitted for the device: it has just seen all
  // that the base would tell it. Others are admitted by people.
  virtual absl::StatusOr<CommitOutcome> Commit(const OpContext& ctx, const AgentId& agent,
                                               const v1::CommitSnapshotRequest& request) = 0;

  virtual absl::Status Abort(const OpContext& ctx, const SessionId& session, const AgentId& agent,
                             v1::Cause cause, const std::string& message) = 0;

  // Extends the lease, and stores progress where it is given.
  virtual absl::Status Touch(const OpContext& ctx, const SessionId& session, const AgentId& agent,
                             absl::Duration lease, const v1::Progress* progress) = 0;

  // Ends sessions whose lease is over. Returns how many.
  virtual absl::StatusOr<int> ExpireSessions(const OpContext& ctx) = 0;

  // The root of a snapshot and its key, for a caller that holds a grant.
  struct OpenedSnapshot {
    Bytes root;
    SecretBytes snapshot_key;
  };
  virtual absl::StatusOr<OpenedSnapshot> OpenSnapshot(const OpContext& ctx,
                                                      const SnapshotId& snapshot) = 0;

  // Chunks that `snapshot` references, in the order asked. kPermissionDenied for
  // any other id; kDataLoss where the store's bytes do not hash to the id.
  virtual absl::Status ReadChunks(const OpContext& ctx, const SnapshotId& snapshot,
                                  const std::vector<ChunkId>& ids,
                                  absl::FunctionRef<absl::Status(ByteView sealed)> sink) = 0;

  // Reads every chunk of the snapshot, checks its id, records the outcome.
  virtual absl::StatusOr<VerifyResult> Verify(
      const OpContext& ctx, const SnapshotId& snapshot,
      absl::FunctionRef<void(const VerifyResult&)> progress) = 0;

  // Decided in one transaction that holds the rows of the device and of the snapshot:
  // refused if a hold or a pin keeps it, or if `allowed`, asked in that transaction,
  // says no. Then the tombstone object durable, then the row is marked deleted and its
  // key slot destroyed, with the audit row in the same transaction. Chunks stay for the
  // collector. Once decided it is certain: whatever an error interrupted is completed by
  // another call, or when the repository is opened next.
  // A snapshot that is deleted already is OK: what an interrupted deletion left is removed.
  // kNotFound: no such snapshot. kFailedPrecondition: it is kept by a hold or a pin.
  virtual absl::Status Delete(const OpContext& ctx, const SnapshotId& snapshot,
                              const std::string& actor, const std::string& reason,
                              absl::FunctionRef<absl::Status(Transaction&)> allowed) = 0;
  absl::Status Delete(const OpContext& ctx, const SnapshotId& snapshot, const std::string& actor,
                      const std::string& reason) {
    return Delete(ctx, snapshot, actor, reason, [](Transaction&) { return absl::OkStatus(); });
  }

  // Commit records without a snapshot in the catalog: a crash came between, and
  // the agent has not asked again. They do no harm. Reads the whole listing.
  virtual absl::StatusOr<std::uint64_t> CountOrphanRecords(const OpContext& ctx) = 0;
};

}  // namespace mooring::storage
