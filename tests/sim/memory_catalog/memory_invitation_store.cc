#include <algorithm>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::InvitationId;
using storage::InvitationRecord;

absl::Status WhyNot(const InvitationRecord& record, absl::Time now) {
  if (record.revoked_at) return absl::PermissionDeniedError("invitation revoked");
  if (record.expires_at <= now) return absl::FailedPreconditionError("invitation expired");
  if (record.uses >= record.uses_max) return absl::ResourceExhaustedError("invitation used up");
  return absl::OkStatus();
}

class MemoryInvitationStore final : public storage::InvitationStore {
 public:
  MemoryInvitationStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Create(const InvitationRecord& record) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(tx_.CheckTexts({record.note, record.created_by}));
    MOORING_ASSIGN_OR_RETURN(const bool secret_free,
                             t_.invitation_secret.Insert(tx_, record.secret_hash, record.id));
    if (!secret_free) return tx_.Fail(Duplicate("invitation"));
    MOORING_ASSIGN_OR_RETURN(const bool id_free, t_.invitation.Insert(tx_, record.id, record));
    return id_free ? absl::OkStatus() : tx_.Fail(Duplicate("invitation"));
  }

  absl::StatusOr<InvitationRecord> Use(ByteView secret_hash, absl::Time now) override {
    MOORING_STATEMENT(tx_);
    const InvitationId* const found = t_.invitation_secret.Get(tx_, Owned(secret_hash));
    if (found == nullptr) return absl::NotFoundError("invitation unknown");
    const InvitationId id = *found;
    MOORING_ASSIGN_OR_RETURN(const InvitationRecord* const record,
                             t_.invitation.Lock(tx_, id, storage::RowLock::kExclusive));
    if (record == nullptr) return absl::NotFoundError("invitation unknown");
    MOORING_RETURN_IF_ERROR(WhyNot(*record, now));
    t_.invitation.Update(tx_, id, [](InvitationRecord& row) { ++row.uses; });
    return *t_.invitation.Get(tx_, id);
  }

  absl::StatusOr<std::vector<InvitationRecord>> List() override {
    MOORING_STATEMENT(tx_);
    std::vector<InvitationRecord> records =
        Rows(tx_, t_.invitation, [](const InvitationRecord&) { return true; });
    std::stable_sort(records.begin(), records.end(),
                     [](const InvitationRecord& a, const InvitationRecord& b) {
                       return a.created_at > b.created_at;
                     });
    return records;
  }

  absl::Status Revoke(const InvitationId& id, absl::Time at) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const bool done,
                             t_.invitation.LockAndUpdate(tx_, id, [at](InvitationRecord& row) {
                               if (!row.revoked_at) row.revoked_at = at;
                             }));
    return done ? absl::OkStatus() : absl::NotFoundError("no such invitation");
  }

 private:
  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::InvitationStore> MakeMemoryInvitationStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryInvitationStore>(tx, t);
}

}  // namespace mooring::testing
