#include "tests/sim/memory_catalog/memory_session_store.h"

#include <algorithm>
#include <tuple>

#include "storage/base/status.h"

namespace mooring::testing {

using storage::RowLock;
using storage::SessionRecord;
using storage::SessionView;

namespace {

constexpr std::size_t kExpireMax = 1000;
constexpr std::uint32_t kListMax = 10000;

}  // namespace

absl::Status MemorySessionStore::Create(const SessionRecord& record) {
  MOORING_STATEMENT(tx_);
  if (t_.device.Get(tx_, record.device) == nullptr ||
      t_.person.Get(tx_, record.person) == nullptr || t_.agent.Get(tx_, record.agent) == nullptr) {
    return tx_.Fail(Violates("session refers to a device, a person and an agent"));
  }
  const absl::Status exists = absl::AlreadyExistsError("the session exists");
  const absl::Status device_busy = absl::FailedPreconditionError("the device has an open session");
  MOORING_ASSIGN_OR_RETURN(const bool key_taken,
                           t_.session_idempotency.IsTaken(tx_, record.idempotency_key));
  if (key_taken) return exists;
  MOORING_ASSIGN_OR_RETURN(const bool id_taken, t_.session.IsTaken(tx_, record.id));
  MOORING_ASSIGN_OR_RETURN(const bool snapshot_taken,
                           t_.session_snapshot.IsTaken(tx_, record.snapshot));
  if (id_taken || snapshot_taken) return device_busy;  // As PostgreSQL's store says.
  MOORING_ASSIGN_OR_RETURN(const bool device_free,
                           t_.session_open.Insert(tx_, record.device, record.id));
  if (!device_free) return device_busy;
  MOORING_RETURN_IF_ERROR(
      t_.session_idempotency.Insert(tx_, record.idempotency_key, record.id).status());
  MOORING_RETURN_IF_ERROR(t_.session_snapshot.Insert(tx_, record.snapshot, record.id).status());
  // Only what the INSERT names; the rest has the columns' defaults.
  SessionRecord row;
  row.id = record.id;
  row.idempotency_key = record.idempotency_key;
  row.device = record.device;
  row.person = record.person;
  row.lineage = record.lineage;
  row.agent = record.agent;
  row.snapshot = record.snapshot;
  row.sequence = record.sequence;
  row.base = record.base;
  row.captures = record.captures;
  row.wrapped_snapshot_key = record.wrapped_snapshot_key;
  row.started_at = record.started_at;
  row.lease_until = record.lease_until;
  return t_.session.Insert(tx_, record.id, row).status();
}

absl::StatusOr<std::optional<SessionRecord>> MemorySessionStore::Get(const SessionId& id,
                                                                     RowLock lock) {
  MOORING_STATEMENT(tx_);
  MOORING_ASSIGN_OR_RETURN(const SessionRecord* const row, t_.session.Lock(tx_, id, lock));
  return Copy(row);
}

absl::StatusOr<std::optional<SessionRecord>> MemorySessionStore::FindByIdempotencyKey(
    ByteView key) {
  MOORING_STATEMENT(tx_);
  const SessionId* const id = t_.session_idempotency.Get(tx_, Owned(key));
  return Copy(id == nullptr ? nullptr : t_.session.Get(tx_, *id));
}

absl::StatusOr<std::optional<SessionRecord>> MemorySessionStore::FindOpenOfDevice(
    const DeviceId& device, RowLock lock) {
  MOORING_STATEMENT(tx_);
  const SessionId* const found = t_.session_open.Get(tx_, device);
  if (found == nullptr) return std::optional<SessionRecord>();
  const SessionId id = *found;
  MOORING_ASSIGN_OR_RETURN(const SessionRecord* const row, t_.session.Lock(tx_, id, lock));
  // It may have ended while this waited.
  if (row == nullptr || row->state != v1::SESSION_STATE_OPEN) {
    return std::optional<SessionRecord>();
  }
  return Copy(row);
}

absl::StatusOr<std::vector<SessionView>> MemorySessionStore::List(
    const storage::SessionFilter& filter) {
  MOORING_STATEMENT(tx_);
  std::vector<SessionRecord> sessions = Rows(tx_, t_.session, [&](const SessionRecord& row) {
    return (!filter.device || row.device == filter.device) &&
           (!filter.state || row.state == filter.state);
  });
  std::sort(sessions.begin(), sessions.end(), [](const SessionRecord& a, const SessionRecord& b) {
    return std::tie(b.started_at, a.id) < std::tie(a.started_at, b.id);
  });
  sessions.resize(std::min<std::size_t>(sessions.size(), std::min(filter.limit, kListMax)));
  std::vector<SessionView> views;
  for (const SessionRecord& session : sessions) {
    views.push_back({session, t_.device.Get(tx_, session.device)->serial,
                     t_.agent.Get(tx_, session.agent)->hostname});
  }
  return views;
}

absl::StatusOr<std::uint64_t> MemorySessionStore::CountOpen() {
  MOORING_STATEMENT(tx_);
  return CountOf(tx_, t_.session_open, [](const SessionId&) { return true; });
}

absl::Status MemorySessionStore::Touch(const SessionId& id, absl::Time lease_until,
                                       const v1::Progress* progress) {
  MOORING_STATEMENT(tx_);
  return UpdateOpen(id, [&](SessionRecord& row) {
    row.lease_until = std::max(row.lease_until, lease_until);
    if (progress == nullptr) return;
    row.progress = *progress;
    row.read_bytes = std::max<std::uint64_t>(row.read_bytes, progress->bytes_read());
  });
}

absl::Status MemorySessionStore::AddNewBytes(const SessionId& id, std::uint64_t bytes) {
  MOORING_STATEMENT(tx_);
  return UpdateOpen(id, [bytes](SessionRecord& row) { row.new_bytes += bytes; });
}

absl::Status MemorySessionStore::Commit(const SessionId& id, ByteView commit_key,
                                        const v1::Receipt& receipt, std::uint64_t read_bytes,
                                        absl::Time at) {
  MOORING_RETURN_IF_ERROR(EndOpen(id, [&](SessionRecord& row) {
    row.state = v1::SESSION_STATE_COMMITTED;
    row.commit_key = Owned(commit_key);
    row.receipt = receipt;
    row.wrapped_snapshot_key.clear();
    row.read_bytes = read_bytes;
    row.ended_at = at;
    row.cause = v1::CAUSE_UNSPECIFIED;
    row.message.clear();
  }));
  return ForgetTouches(id);
}

absl::Status MemorySessionStore::End(const SessionId& id, v1::SessionState state, v1::Cause cause,
                                     const std::string& message, absl::Time at) {
  if (state != v1::SESSION_STATE_ABORTED && state != v1::SESSION_STATE_EXPIRED) {
    return absl::InvalidArgumentError("a session ends as aborted or expired");
  }
  MOORING_RETURN_IF_ERROR(EndOpen(id, [&](SessionRecord& row) {
    row.state = state;
    row.cause = cause;
    row.message = message;
    row.ended_at = at;
    row.wrapped_snapshot_key.clear();
  }));
  return ForgetTouches(id);
}

absl::StatusOr<std::vector<SessionRecord>> MemorySessionStore::ExpireLeases(
    absl::Time now, v1::Cause cause, const std::string& message) {
  MOORING_ASSIGN_OR_RETURN(std::vector<SessionRecord> expired, EndOverdue(now, cause, message));
  for (const SessionRecord& session : expired) {
    MOORING_RETURN_IF_ERROR(ForgetTouches(session.id));
  }
  return expired;
}

absl::StatusOr<std::vector<SessionRecord>> MemorySessionStore::EndOverdue(
    absl::Time now, v1::Cause cause, const std::string& message) {
  MOORING_STATEMENT(tx_);
  MOORING_RETURN_IF_ERROR(tx_.CheckTexts({message}));
  std::vector<std::pair<absl::Time, SessionId>> over;
  t_.session_open.ForEach(tx_, [&](const DeviceId&, const SessionId& id) {
    const SessionRecord* const row = t_.session.Get(tx_, id);
    if (row != nullptr && row->state == v1::SESSION_STATE_OPEN && row->lease_until <= now &&
        !t_.session.IsLocked(tx_, id)) {
      over.emplace_back(row->lease_until, id);
    }
    return true;
  });
  std::sort(over.begin(), over.end());
  over.resize(std::min(over.size(), kExpireMax));
  std::vector<SessionRecord> expired;
  for (const auto& [lease, id] : over) {
    MOORING_RETURN_IF_ERROR(UpdateOpen(id, [&](SessionRecord& row) {
      row.state = v1::SESSION_STATE_EXPIRED;
      row.cause = cause;
      row.message = message;
      row.ended_at = now;
      row.wrapped_snapshot_key.clear();
    }));
    expired.push_back(*t_.session.Get(tx_, id));
  }
  return expired;
}

std::unique_ptr<storage::SessionStore> MakeMemorySessionStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemorySessionStore>(tx, t);
}

}  // namespace mooring::testing
