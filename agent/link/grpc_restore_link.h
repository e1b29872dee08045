// GrpcRestoreLink: one restore with the server, over gRPC.

#pragma once

#include <string>

#include "agent/link/backoff.h"
#include "agent/link/channel.h"
#include "agent/link/grpc_backup_link.h"
#include "agent/restore/restore_link.h"

namespace mooring::agent {

class GrpcRestoreLink final : public RestoreLink {
 public:
  GrpcRestoreLink(ServerChannel& channel, Clock& clock, Random& random, const LinkOptions& options);

  absl::StatusOr<v1::OpenSnapshotResponse> OpenSnapshot(
      const OpContext& ctx, const v1::OpenSnapshotRequest& request) override;
  absl::Status ReadChunks(const OpContext& ctx, const std::vector<ChunkId>& ids,
                          absl::FunctionRef<absl::Status(Bytes sealed)> sink) override;
  absl::Status ReadStrings(const OpContext& ctx, const std::vector<std::string>& ids,
                           absl::FunctionRef<absl::Status(std::string sealed)> sink);

  // Tells the server how the restore went; nothing if none was opened. Best effort.
  void Finish(v1::FinishRestoreRequest request);
  // Empty before OpenSnapshot.
  const std::string& restore_id() const { return restore_id_; }

 private:
  ServerChannel& channel_;
  Clock& clock_;
  Random& random_;
  const LinkOptions options_;
  std::string grant_id_;
  std::string restore_id_;
};

}  // namespace mooring::agent
