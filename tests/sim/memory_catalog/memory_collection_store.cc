#include <algorithm>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::CollectionState;
using storage::JobLease;
using storage::SessionTouch;

class MemoryCollectionStore final : public storage::CollectionStore {
 public:
  MemoryCollectionStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::StatusOr<CollectionState> Get(storage::RowLock lock) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const CollectionState* const row,
                             t_.collection_state.Lock(tx_, Tables::kOne, lock));
    if (row == nullptr) return absl::DataLossError("the catalog has no collection state");
    return *row;
  }

  absl::Status Put(const CollectionState& state) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(tx_.CheckTexts({state.stop_reason, state.recovery_reason}));
    if (state.stop_reason.empty() == state.stopped_at.has_value()) {
      return tx_.Fail(Violates("a stop has a reason and a time"));
    }
    return t_.collection_state
        .LockAndUpdate(tx_, Tables::kOne, [&](CollectionState& row) { row = state; })
        .status();
  }

  absl::StatusOr<std::uint64_t> AddTouch(const SessionId& session, ByteView refs) override {
    MOORING_RETURN_IF_ERROR(InsertTouch(session, refs));
    MOORING_STATEMENT(tx_);
    return CountOf(tx_, t_.session_touch,
                   [&](const SessionTouch& touch) { return touch.session == session; });
  }

  absl::StatusOr<std::vector<SessionTouch>> ListTouches(const SessionId& session) override {
    MOORING_STATEMENT(tx_);
    return Rows(tx_, t_.session_touch,
                [&](const SessionTouch& touch) { return touch.session == session; });
  }

  absl::Status MergeTouches(const SessionId& session, const std::vector<std::uint64_t>& numbers,
                            ByteView refs) override {
    MOORING_RETURN_IF_ERROR(EraseTouches(session, numbers));
    return AddTouch(session, refs).status();
  }

  absl::StatusOr<std::vector<SessionTouch>> ListOpenTouches(std::uint64_t after,
                                                            int limit) override {
    MOORING_STATEMENT(tx_);
    std::vector<SessionTouch> touches;
    t_.session_touch.ForEachFrom(tx_, after + 1, [&](std::uint64_t, const SessionTouch& touch) {
      if (static_cast<int>(touches.size()) >= limit) return false;
      const storage::SessionRecord* const session = t_.session.Get(tx_, touch.session);
      if (session != nullptr && session->state == v1::SESSION_STATE_OPEN) {
        touches.push_back(touch);
      }
      return true;
    });
    return touches;
  }

  absl::StatusOr<absl::Time> DatabaseNow() override {
    MOORING_STATEMENT(tx_);
    return tx_.clock().Now();
  }

  absl::StatusOr<bool> AcquireLease(const std::string& job, const std::string& holder,
                                    absl::Duration length) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(tx_.CheckTexts({job, holder}));
    const absl::Time now = tx_.clock().Now();
    const JobLease lease{holder, now + length};
    MOORING_ASSIGN_OR_RETURN(const bool is_new, t_.job_lease.Insert(tx_, job, lease));
    if (is_new) return true;
    MOORING_ASSIGN_OR_RETURN(const JobLease* const held,
                             t_.job_lease.Lock(tx_, job, storage::RowLock::kExclusive));
    if (held == nullptr) return t_.job_lease.Insert(tx_, job, lease);
    if (held->holder != holder && held->until > now) return false;
    t_.job_lease.Update(tx_, job, [&](JobLease& row) { row = lease; });
    return true;
  }

  absl::Status ReleaseLease(const std::string& job, const std::string& holder) override {
    MOORING_STATEMENT(tx_);
    const JobLease* const held = t_.job_lease.Get(tx_, job);
    if (held == nullptr || held->holder != holder) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const JobLease* const locked,
                             t_.job_lease.Lock(tx_, job, storage::RowLock::kExclusive));
    if (locked == nullptr || locked->holder != holder) return absl::OkStatus();
    return t_.job_lease.Erase(tx_, job).status();
  }

  absl::StatusOr<std::optional<JobLease>> GetLease(const std::string& job) override {
    MOORING_STATEMENT(tx_);
    const JobLease* const held = t_.job_lease.Get(tx_, job);
    if (held != nullptr && held->until <= tx_.clock().Now()) return std::optional<JobLease>();
    return Copy(held);
  }

 private:
  absl::Status InsertTouch(const SessionId& session, ByteView refs) {
    MOORING_STATEMENT(tx_);
    if (t_.session.Get(tx_, session) == nullptr) {
      return tx_.Fail(Violates("session_touch.session_id"));
    }
    const auto no = static_cast<std::uint64_t>(t_.touch_no.Next());
    return t_.session_touch.Insert(tx_, no, {no, session, Owned(refs)}).status();
  }

  absl::Status EraseTouches(const SessionId& session, const std::vector<std::uint64_t>& numbers) {
    MOORING_STATEMENT(tx_);
    for (const std::uint64_t no : numbers) {
      const SessionTouch* const touch = t_.session_touch.Get(tx_, no);
      if (touch == nullptr || touch->session != session) continue;
      MOORING_RETURN_IF_ERROR(t_.session_touch.Erase(tx_, no).status());
    }
    return absl::OkStatus();
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::CollectionStore> MakeMemoryCollectionStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryCollectionStore>(tx, t);
}

}  // namespace mooring::testing
