// Requests for dangerous acts, and what an approved one gives: an access grant
// to read a snapshot, and the restore that uses it.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/access.pb.h"
#include "mooring/v1/common.pb.h"
#include "mooring/v1/policy.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/catalog/hold_store.h"
#include "storage/catalog/row_lock.h"

namespace mooring::storage {

using RestoreId = Id<struct RestoreIdTag, 16>;

struct RequestRecord {
  RequestId id;
  v1::RequestKind kind = v1::REQUEST_KIND_UNSPECIFIED;
  v1::RequestState state = v1::REQUEST_STATE_PENDING;
  std::string requested_by;
  absl::Time requested_at;
  absl::Time expires_at;
  std::string reason;
  std::string decided_by;  // Empty while pending.
  std::optional<absl::Time> decided_at;
  std::string decision_reason;
  SnapshotId snapshot;  // Zeros where it is about none; so the device.
  DeviceId device;
  std::string target_serial;  // For a restore.
  std::string summary;
  std::optional<HoldId> hold;              // For its release.
  std::optional<v1::StoredPolicy> policy;  // To be applied, with the version that it replaces.
};

struct GrantRecord {
  GrantId id;
  RequestId request;
  SnapshotId snapshot;
  Bytes code_hash;               // SHA-256 of the code; empty until one is made.
  std::string account;           // Who asked.
  std::optional<AgentId> agent;  // Bound to the first agent that opens it.
  Bytes hpke_public_key;         // And to the key that it was opened for; empty before.
  absl::Time created_at;
  absl::Time expires_at;
  std::optional<absl::Time> opened_at;
  std::optional<absl::Time> closed_at;
};

struct RestoreRecord {
  RestoreId id;
  RequestId request;
  SnapshotId snapshot;
  std::string target_serial;
  v1::RestoreState state = v1::RESTORE_STATE_WAITING_FOR_APPROVAL;
  v1::Cause cause = v1::CAUSE_UNSPECIFIED;
  std::string message;
  std::optional<v1::Progress> progress;
  absl::Time created_at;
  std::optional<absl::Time> finished_at;
  std::uint64_t file_count = 0;
  std::uint64_t bytes = 0;
};

struct RestoreFilter {
  std::optional<v1::RestoreState> state;
  std::string target_serial;  // Empty for all.
};

class RequestStore {
 public:
  virtual ~RequestStore() = default;

  virtual absl::Status Create(const RequestRecord& record) = 0;
  virtual absl::StatusOr<std::optional<RequestRecord>> Get(const RequestId& id,
                                                           RowLock lock = RowLock::kNone) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<RequestRecord>> List(
      const std::optional<v1::RequestState>& state) = 0;
  // Approves or denies, exactly once. kNotFound: no such request.
  // kFailedPrecondition: decided before, or expired by `at`.
  virtual absl::StatusOr<RequestRecord> Decide(const RequestId& id, v1::RequestState decision,
                                               const std::string& decided_by,
                                               const std::string& reason, absl::Time at) = 0;
  // Marks pending requests whose time is over, with their restores. Returns them.
  virtual absl::StatusOr<std::vector<RequestRecord>> Expire(absl::Time now) = 0;

  // kAlreadyExists: the request has a grant.
  virtual absl::Status CreateGrant(const GrantRecord& record) = 0;
  virtual absl::StatusOr<std::optional<GrantRecord>> GetGrant(const GrantId& id) = 0;
  virtual absl::StatusOr<std::optional<GrantRecord>> FindGrantByRequest(
      const RequestId& request) = 0;
  virtual absl::StatusOr<std::optional<GrantRecord>> FindGrantByCode(
      ByteView code_hash, RowLock lock = RowLock::kNone) = 0;
  // Sets the code, or replaces one that has not been used. kFailedPrecondition:
  // opened or closed.
  virtual absl::Status SetGrantCode(const GrantId& id, ByteView code_hash) = 0;
  // Binds the grant to its first opener. Again by the same opener is OK.
  // kPermissionDenied: bound to another. kFailedPrecondition: closed or expired.
  virtual absl::StatusOr<GrantRecord> OpenGrant(const GrantId& id,
                                                const std::optional<AgentId>& agent,
                                                ByteView hpke_public_key, absl::Time at) = 0;
  // OK if it is closed; the first time stands. kNotFound: no such grant.
  virtual absl::Status CloseGrant(const GrantId& id, absl::Time at) = 0;

  virtual absl::Status CreateRestore(const RestoreRecord& record) = 0;
  virtual absl::StatusOr<std::optional<RestoreRecord>> GetRestore(
      const RestoreId& id, RowLock lock = RowLock::kNone) = 0;
  virtual absl::StatusOr<std::optional<RestoreRecord>> FindRestoreByRequest(
      const RequestId& request) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<RestoreRecord>> ListRestores(const RestoreFilter& filter) = 0;
  // kFailedPrecondition: it is finished. So the two below.
  virtual absl::Status SetRestoreState(const RestoreId& id, v1::RestoreState state) = 0;
  virtual absl::Status SetRestoreProgress(const RestoreId& id, const v1::Progress& progress) = 0;
  struct RestoreResult {
    v1::RestoreState state = v1::RESTORE_STATE_SUCCEEDED;  // Or FAILED, DENIED.
    v1::Cause cause = v1::CAUSE_UNSPECIFIED;
    std::string message;
    std::uint64_t file_count = 0;
    std::uint64_t bytes = 0;
  };
  virtual absl::Status FinishRestore(const RestoreId& id, const RestoreResult& result,
                                     absl::Time at) = 0;
};

}  // namespace mooring::storage
