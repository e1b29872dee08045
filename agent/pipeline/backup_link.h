// BackupLink: what one backup session needs of the server. In a session process
// it is the pipe to the agent; in the agent it is gRPC; in tests it may be a
// repository in the same process.

#pragma once

#include <cstdint>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "mooring/v1/backup.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Sealed bytes that may be sent and not yet acknowledged, per session. More
// than the server's pack size (32 MiB), or nothing would ever be acknowledged.
inline constexpr std::uint64_t kUnackedBytesMax = std::uint64_t{40} << 20;

// Thread-compatible: one session's calls come from one thread at a time, except
// Upload, which may be called from a worker beside the others.
class BackupLink {
 public:
  virtual ~BackupLink() = default;

  // Waits in the server's queue until a slot is granted; the wait is visible to
  // the phone's owner. kResourceExhausted: server busy or full.
  virtual absl::StatusOr<v1::SessionGrant> Begin(const OpContext& ctx,
                                                 const v1::BeginBackupRequest& request) = 0;

  // For each id whether it need not be uploaded. Any number of ids.
  virtual absl::StatusOr<std::vector<bool>> Find(const OpContext& ctx, const DomainId& domain,
                                                 const std::vector<ChunkId>& ids) = 0;

  // Hands over one sealed chunk; blocks while kUnackedBytesMax are outstanding.
  virtual absl::Status Upload(const OpContext& ctx, const DomainId& domain, Bytes sealed) = 0;

  // Returns when everything uploaded so far is durable.
  virtual absl::Status Flush(const OpContext& ctx) = 0;
  // Sealed bytes that the repository did not have, as far as acknowledged.
  virtual std::uint64_t new_bytes() const = 0;

  // Chunks of the base, or uploaded and flushed by this session, in the order asked.
  virtual absl::Status ReadBase(const OpContext& ctx, const std::vector<ChunkId>& ids,
                                absl::FunctionRef<absl::Status(Bytes sealed)> sink) = 0;

  virtual absl::StatusOr<v1::CommitSnapshotResponse> Commit(
      const OpContext& ctx, const v1::CommitSnapshotRequest& request) = 0;
};

}  // namespace mooring::agent
