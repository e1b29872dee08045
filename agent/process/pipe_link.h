// PipeLink: the server as a session process sees it: questions go through the
// pipe to the agent, which asks the server and relays the answers.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <vector>

#include "agent/pipeline/backup_link.h"
#include "agent/process/message_pipe.h"
#include "agent/restore/restore_link.h"
#include "mooring/session/v1/session.pb.h"
#include "storage/base/mutex.h"

namespace mooring::agent {

// Thread-safe. One thread hands it what comes out of the pipe.
class PipeLink final : public BackupLink, public RestoreLink {
 public:
  explicit PipeLink(MessagePipe& pipe) : pipe_(pipe) {}

  // A reply; ignored if nobody waits for it any more.
  void Deliver(session::v1::ToSession message);
  // Nothing more will come; every call fails with `status`.
  void Break(const absl::Status& status);

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
  absl::StatusOr<v1::OpenSnapshotResponse> OpenSnapshot(
      const OpContext& ctx, const v1::OpenSnapshotRequest& request) override;
  absl::Status ReadChunks(const OpContext& ctx, const std::vector<ChunkId>& ids,
                          absl::FunctionRef<absl::Status(Bytes sealed)> sink) override;

 private:
  using Replies = std::deque<session::v1::ToSession>;

  // Sends `question` under a number of its own, which is returned.
  absl::StatusOr<std::uint64_t> Ask(session::v1::FromSession question);
  // The next reply to `call`, failures as statuses.
  absl::StatusOr<session::v1::ToSession> Await(const OpContext& ctx, std::uint64_t call);
  void Forget(std::uint64_t call);
  // One question with one reply.
  absl::StatusOr<session::v1::ToSession> Call(const OpContext& ctx,
                                              session::v1::FromSession question,
                                              session::v1::ToSession::MessageCase expected);
  absl::Status ReadStream(const OpContext& ctx, session::v1::FromSession question,
                          absl::FunctionRef<absl::Status(Bytes sealed)> sink);

  MessagePipe& pipe_;
  mutable Mutex mutex_;
  CondVar changed_;
  std::uint64_t next_call_ ABSL_GUARDED_BY(mutex_) = 1;
  std::map<std::uint64_t, Replies> waiting_ ABSL_GUARDED_BY(mutex_);
  absl::Status broken_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t new_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace mooring::agent
