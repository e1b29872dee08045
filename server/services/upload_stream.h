// UploadStream: one UploadChunks call. Chunks go into the session's pack as they
// come; the pack is closed, and its chunks acknowledged, at kPackCloseBytes, on
// flush, when nothing came for a while, when it has been open for three such
// whiles (a slow line), and at the end of the stream. A stream whose
// agent is revoked is acknowledged nothing more and ends within such a while.
//
// Back-pressure: the next message is read when the one before it has been
// written, so a session holds one message and one write buffer, and gRPC's flow
// control holds the agent back.

#pragma once

#include <memory>
#include <stop_token>

#include "mooring/v1/backup.pb.h"
#include "server/auth/caller.h"
#include "server/services/server_parts.h"

namespace mooring::server {

// The two ends of the stream, so that a test needs no network.
class UploadChannel {
 public:
  virtual ~UploadChannel() = default;
  // False at the end of the stream.
  virtual bool Read(v1::UploadChunksRequest& request) = 0;
  virtual bool Write(const v1::UploadChunksResponse& response) = 0;
  // Makes Read return false. From any thread.
  virtual void Cancel() = 0;
};

class UploadStream {
 public:
  // `drain` is requested when the server shuts down: what has come is made
  // durable and the stream ends.
  UploadStream(ServerParts& parts, const Caller& caller, UploadChannel& channel,
               std::stop_token drain);
  ~UploadStream();

  absl::Status Run(const OpContext& ctx);

 private:
  absl::Status Open(const OpContext& ctx, const v1::UploadChunksRequest& first);
  absl::Status Take(const OpContext& ctx, const v1::UploadChunksRequest& request);
  absl::Status PutAll(const OpContext& ctx, const v1::UploadChunksRequest& request)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Closes the pack and acknowledges.
  absl::Status Close(const OpContext& ctx) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status CheckRoom(const OpContext& ctx);
  // The call was authenticated when it began, and it may last for hours.
  absl::Status CheckNotRevoked(const OpContext& ctx);
  void CloseWhenIdle(std::stop_token stop);

  ServerParts& parts_;
  const Caller& caller_;
  UploadChannel& channel_;
  const std::stop_token drain_;
  SessionId session_;
  Mutex mutex_;  // Between the reader and the idle closer.
  std::unique_ptr<storage::PackUpload> upload_ ABSL_GUARDED_BY(mutex_);
  DomainId domain_ ABSL_GUARDED_BY(mutex_);
  absl::Duration last_put_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  std::uint64_t flushes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t told_new_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // What the idle closer ran into; the reader gives up with it.
  absl::Status idle_failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::server
