// GrpcBackupLink: one backup session with the server, over gRPC.

#pragma once

#include <memory>
#include <string>

#include <absl/functional/any_invocable.h>

#include "agent/link/backoff.h"
#include "agent/link/channel.h"
#include "agent/link/upload_stream.h"
#include "agent/pipeline/backup_link.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace mooring::agent {

// Hears what the link waits for: the queue, or a server that is not reached.
using WaitListener = absl::AnyInvocable<void(v1::Phase phase, v1::WaitingFor waiting_for,
                                             const std::string& message)>;

struct LinkOptions {
  Patience patience;
  absl::Duration call_timeout = absl::Seconds(60);
  // A commit of a large snapshot takes its time.
  absl::Duration commit_timeout = absl::Minutes(5);
  // Longest stay in the server's queue.
  absl::Duration queue_max = absl::Hours(2);
};

class GrpcBackupLink final : public BackupLink {
 public:
  GrpcBackupLink(ServerChannel& channel, Clock& clock, Random& random, const LinkOptions& options,
                 WaitListener waiting);

  absl::StatusOr<v1::SessionGrant> Begin(const OpContext& ctx,
                                         const v1::BeginBackupRequest& request) override;
  absl::StatusOr<std::vector<bool>> Find(const OpContext& ctx, const DomainId& domain,
                                         const std::vector<ChunkId>& ids) override;
  absl::Status Upload(const OpContext& ctx, const DomainId& domain, Bytes sealed) override;
  absl::Status Flush(const OpContext& ctx) override;
  std::uint64_t new_bytes() const override;
  absl::Status ReadBase(const OpContext& ctx, const std::vector<ChunkId>& ids,
                        absl::FunctionRef<absl::Status(Bytes sealed)> sink) override;
  absl::StatusOr<v1::CommitSnapshotResponse> Commit(
      const OpContext& ctx, const v1::CommitSnapshotRequest& request) override;

  // The same as Upload and ReadBase with the bytes as protobuf holds them.
  absl::Status UploadString(const OpContext& ctx, const DomainId& domain, std::string sealed);
  absl::Status ReadBaseStrings(const OpContext& ctx, const std::vector<std::string>& ids,
                               absl::FunctionRef<absl::Status(std::string sealed)> sink);
  absl::StatusOr<v1::FindChunksResponse> FindRaw(const OpContext& ctx,
                                                 v1::FindChunksRequest request);

  // Gives the slot back, for a session that will not commit. Best effort.
  void Abort(v1::Cause cause, const std::string& message);

  // Empty before Begin has granted one.
  const std::string& session_id() const { return session_id_; }

 private:
  // Asks until there is an answer, it is one that time does not mend, or
  // patience ends.
  template <typename Response, typename Invoke>
  absl::StatusOr<Response> Ask(const OpContext& ctx, absl::Duration timeout, Invoke invoke);

  ServerChannel& channel_;
  Clock& clock_;
  Random& random_;
  const LinkOptions options_;
  Mutex waiting_mutex_;
  WaitListener waiting_ ABSL_GUARDED_BY(waiting_mutex_);
  std::string session_id_;
  std::unique_ptr<UploadStream> uploads_;
};

}  // namespace mooring::agent
