// RestoreLink: what one restore needs of the server. In a session process it is
// the pipe to the agent; in the agent it is gRPC; in tests it is memory.

#pragma once

#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "mooring/v1/restore.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Thread-safe.
class RestoreLink {
 public:
  virtual ~RestoreLink() = default;

  // Redeems a grant code. kPermissionDenied: unknown, used up, expired or for another phone.
  virtual absl::StatusOr<v1::OpenSnapshotResponse> OpenSnapshot(
      const OpContext& ctx, const v1::OpenSnapshotRequest& request) = 0;

  // Sealed chunks of the opened snapshot in the order asked; any number. The
  // sink runs on the calling thread.
  virtual absl::Status ReadChunks(const OpContext& ctx, const std::vector<ChunkId>& ids,
                                  absl::FunctionRef<absl::Status(Bytes sealed)> sink) = 0;
};

}  // namespace mooring::agent
