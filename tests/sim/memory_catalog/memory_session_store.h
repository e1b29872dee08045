// Sessions in memory. Not final: planted bugs override what they break.

#pragma once

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {

class MemorySessionStore : public storage::SessionStore {
 public:
  MemorySessionStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Create(const storage::SessionRecord& record) override;
  absl::StatusOr<std::optional<storage::SessionRecord>> Get(const SessionId& id,
                                                            storage::RowLock lock) override;
  absl::StatusOr<std::optional<storage::SessionRecord>> FindByIdempotencyKey(ByteView key) override;
  absl::StatusOr<std::optional<storage::SessionRecord>> FindOpenOfDevice(
      const DeviceId& device, storage::RowLock lock) override;
  absl::StatusOr<std::vector<storage::SessionView>> List(
      const storage::SessionFilter& filter) override;
  absl::StatusOr<std::uint64_t> CountOpen() override;
  absl::Status Touch(const SessionId& id, absl::Time lease_until,
                     const v1::Progress* progress) override;
  absl::Status AddNewBytes(const SessionId& id, std::uint64_t bytes) override;
  absl::Status Commit(const SessionId& id, ByteView commit_key, const v1::Receipt& receipt,
                      std::uint64_t read_bytes, absl::Time at) override;
  absl::Status End(const SessionId& id, v1::SessionState state, v1::Cause cause,
                   const std::string& message, absl::Time at) override;
  absl::StatusOr<std::vector<storage::SessionRecord>> ExpireLeases(
      absl::Time now, v1::Cause cause, const std::string& message) override;

 private:
  absl::StatusOr<std::vector<storage::SessionRecord>> EndOverdue(absl::Time now, v1::Cause cause,
                                                                 const std::string& message);

  // What it was told is there matters while it is open.
  absl::Status ForgetTouches(const SessionId& id) {
    MOORING_STATEMENT(tx_);
    for (const std::uint64_t no :
         KeysOf(tx_, t_.session_touch,
                [&](const storage::SessionTouch& touch) { return touch.session == id; })) {
      MOORING_RETURN_IF_ERROR(t_.session_touch.Erase(tx_, no).status());
    }
    return absl::OkStatus();
  }

  template <typename Change>
  absl::Status EndOpen(const SessionId& id, Change change) {
    MOORING_STATEMENT(tx_);
    return UpdateOpen(id, change);
  }

  // Changes the session if it is open. Within a statement.
  template <typename Change>
  absl::Status UpdateOpen(const SessionId& id, Change change) {
    MOORING_ASSIGN_OR_RETURN(const storage::SessionRecord* const row,
                             t_.session.Lock(tx_, id, storage::RowLock::kExclusive));
    if (row == nullptr || row->state != v1::SESSION_STATE_OPEN) {
      return absl::FailedPreconditionError("the session is not open");
    }
    const DeviceId device = row->device;
    t_.session.Update(tx_, id, change);
    if (t_.session.Get(tx_, id)->state == v1::SESSION_STATE_OPEN) return absl::OkStatus();
    return t_.session_open.Erase(tx_, device).status();
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace mooring::testing
