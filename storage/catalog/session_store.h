// Sessions: backup runs, from their reservation to their receipt or their cause.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/backup.pb.h"
#include "mooring/v1/common.pb.h"
#include "mooring/v1/fleet.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/catalog/row_lock.h"

namespace mooring::storage {

struct SessionRecord {
  SessionId id;
  Bytes idempotency_key;  // 16 bytes, unique.
  DeviceId device;
  PersonId person;
  std::uint32_t lineage = 1;
  AgentId agent;
  SnapshotId snapshot;  // Id that its snapshot will have.
  std::uint64_t sequence = 0;
  std::optional<SnapshotId> base;  // What it may read as its base.
  v1::SessionState state = v1::SESSION_STATE_OPEN;
  std::vector<int> captures;   // mooring.v1.CaptureKind.
  Bytes wrapped_snapshot_key;  // Empty once the session is over.
  absl::Time started_at;
  absl::Time lease_until;
  std::optional<absl::Time> ended_at;
  v1::Cause cause = v1::CAUSE_UNSPECIFIED;
  std::string message;
  std::optional<v1::Progress> progress;  // Last heard.
  std::uint64_t read_bytes = 0;
  std::uint64_t new_bytes = 0;
  Bytes commit_key;                    // Idempotency key of the commit; empty before.
  std::optional<v1::Receipt> receipt;  // Set once committed.
};

struct SessionView {
  SessionRecord session;
  std::string serial;
  std::string agent_hostname;
};

struct SessionFilter {
  std::optional<DeviceId> device;
  std::optional<v1::SessionState> state;
  std::uint32_t limit = 100;
};

class SessionStore {
 public:
  virtual ~SessionStore() = default;

  // kAlreadyExists: the idempotency key has a session. kFailedPrecondition: the
  // device has an open session. The transaction goes on after either.
  virtual absl::Status Create(const SessionRecord& record) = 0;
  virtual absl::StatusOr<std::optional<SessionRecord>> Get(const SessionId& id,
                                                           RowLock lock = RowLock::kNone) = 0;
  virtual absl::StatusOr<std::optional<SessionRecord>> FindByIdempotencyKey(ByteView key) = 0;
  virtual absl::StatusOr<std::optional<SessionRecord>> FindOpenOfDevice(
      const DeviceId& device, RowLock lock = RowLock::kNone) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<SessionView>> List(const SessionFilter& filter) = 0;
  virtual absl::StatusOr<std::uint64_t> CountOpen() = 0;

  // kFailedPrecondition: it is not open. So each call below. `progress` may be null.
  virtual absl::Status Touch(const SessionId& id, absl::Time lease_until,
                             const v1::Progress* progress) = 0;
  // Adds to new_bytes.
  virtual absl::Status AddNewBytes(const SessionId& id, std::uint64_t bytes) = 0;
  virtual absl::Status Commit(const SessionId& id, ByteView commit_key, const v1::Receipt& receipt,
                              std::uint64_t read_bytes, absl::Time at) = 0;
  // `state` is ABORTED or EXPIRED.
  virtual absl::Status End(const SessionId& id, v1::SessionState state, v1::Cause cause,
                           const std::string& message, absl::Time at) = 0;

  // Ends as EXPIRED every open session whose lease is over, and returns them.
  // Skips rows that another transaction holds; at most 1000 a call.
  virtual absl::StatusOr<std::vector<SessionRecord>> ExpireLeases(absl::Time now, v1::Cause cause,
                                                                  const std::string& message) = 0;
};

}  // namespace mooring::storage
