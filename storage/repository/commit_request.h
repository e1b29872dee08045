// What an agent asks to commit, checked: everything that can be judged without
// the catalog. An agent is not trusted, so every count and length is bounded
// and every claim about its own session is compared with the session's row.

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "mooring/v1/backup.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/catalog/session_store.h"

namespace mooring::storage {

// Most references of one snapshot; of base ids; and the longest root that a commit may carry.
inline constexpr std::uint64_t kCommitRefsMax = 2'000'000;
inline constexpr std::size_t kCommitBaseIdsMax = 262'144;
inline constexpr std::size_t kCommitRootBytesMax = std::size_t{32} << 20;

// The ids of one or two commit fields that are runs of 32 bytes. Views the request.
class ChunkIdRun {
 public:
  // `bytes` is a multiple of ChunkId::kBytes.
  explicit ChunkIdRun(ByteView bytes) : bytes_(bytes) {}

  std::size_t size() const { return bytes_.size() / ChunkId::kBytes; }
  ChunkId operator[](std::size_t index) const;
  // By binary search: the run is sorted.
  bool Contains(const ChunkId& id) const;
  // Ids [from, from + count) as far as there are any.
  std::vector<ChunkId> Slice(std::size_t from, std::size_t count) const;

 private:
  ByteView bytes_;
};

struct CommitRefs {
  DomainId domain;
  ChunkIdRun ids;
};

// Views the request that it was made from.
struct CheckedCommit {
  SessionId session;
  Bytes idempotency_key;
  Bytes root_hash;
  std::vector<CommitRefs> refs;
  std::uint64_t refs_count = 0;
  std::vector<ChunkId> base_ids;
  std::optional<SnapshotId> parent;
  // Captures that the base made; filled once the base is known (capture_times.h).
  std::vector<v1::Capture> carried;
};

// Form, order and bounds. kInvalidArgument says which field and why.
absl::StatusOr<CheckedCommit> CheckCommitRequest(const v1::CommitSnapshotRequest& request);

// What the request claims about its session: the domains are the session's, the
// root's header names its snapshot, device, sequence and parent.
absl::Status CheckCommitOfSession(const CheckedCommit& commit,
                                  const v1::CommitSnapshotRequest& request,
                                  const SessionRecord& session, const DomainId& person_domain,
                                  const DomainId& organization_domain);

}  // namespace mooring::storage
