// Catalog: our PostgreSQL metadata, as transactions over small stores.
//
// A Transaction gives out the stores; each store is an interface of one noun in
// a header of its own. PgCatalog is the real one. Audit rows are written in the
// transaction of the change they tell of: Transaction::Audit.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/op_context.h"

namespace mooring::storage {

class AccountStore;
class AgentStore;
class CareStore;
class ChunkIndex;
class CollectionStore;
class ComplianceQuery;
class DeviceStore;
class DrillStore;
class HoldStore;
class InvitationStore;
class KeyStore;
class OrganizationStore;
class PackStore;
class PersonStore;
class PolicyStore;
class PruneStore;
class RequestStore;
class ServerStore;
class SessionStore;
class SnapshotStore;

struct AuditRecord {
  absl::Time at;
  std::string actor;    // "account:NAME", "agent:ID" or "server".
  std::string action;   // "device.assign", "snapshot.commit", ...
  std::string subject;  // Id of what was changed, or its natural name.
  std::string detail_json = "{}";
};

struct NumberedAuditRecord {
  std::int64_t no = 0;
  AuditRecord record;
};

// Thread-bound; lives for one Catalog::Run.
class Transaction {
 public:
  virtual ~Transaction() = default;

  virtual OrganizationStore& organization() = 0;
  virtual AccountStore& accounts() = 0;
  virtual PersonStore& people() = 0;
  virtual InvitationStore& invitations() = 0;
  virtual AgentStore& agents() = 0;
  virtual DeviceStore& devices() = 0;
  virtual PolicyStore& policies() = 0;
  virtual RequestStore& requests() = 0;
  virtual KeyStore& keys() = 0;
  virtual SessionStore& sessions() = 0;
  virtual PackStore& packs() = 0;
  virtual ChunkIndex& chunks() = 0;
  virtual SnapshotStore& snapshots() = 0;
  virtual CollectionStore& collection() = 0;
  virtual ComplianceQuery& compliance() = 0;
  virtual CareStore& care() = 0;
  virtual DrillStore& drills() = 0;
  virtual HoldStore& holds() = 0;
  virtual PruneStore& prunes() = 0;
  // A catalog within one process has no other servers: kUnimplemented throughout.
  virtual ServerStore& servers();

  virtual absl::Status Audit(const AuditRecord& record) = 0;
  // At most `limit` records with a number above `after`, in order.
  virtual absl::StatusOr<std::vector<NumberedAuditRecord>> AuditSince(std::int64_t after,
                                                                      int limit) = 0;

  // The repository-wide advisory lock of the garbage-collection protocol, held
  // to the end of the transaction. A statement of its own and the first of its
  // transaction (READ COMMITTED).
  virtual absl::Status LockRepositoryShared() = 0;
  virtual absl::Status LockRepositoryExclusive() = 0;
};

// kUnknown with v1::ErrorDetail.in_doubt: a COMMIT whose outcome is not known.
absl::Status InDoubtError(std::string_view message);
bool IsInDoubt(const absl::Status& status);

// Thread-safe.
class Catalog {
 public:
  virtual ~Catalog() = default;

  // Runs `body` in one READ COMMITTED transaction and commits when it returns
  // OK. `body` may run more than once (kAborted inside is retried, bounded), so
  // it must have no effect outside the transaction.
  //
  // kUnavailable: no database; nothing was done. IsInDoubt: the outcome of the
  // COMMIT is not known; ask by idempotency key. Otherwise what `body` returned.
  virtual absl::Status Run(const OpContext& ctx,
                           absl::FunctionRef<absl::Status(Transaction&)> body) = 0;
};

}  // namespace mooring::storage
