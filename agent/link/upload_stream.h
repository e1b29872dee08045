// UploadStream: sealed chunks to the server, each kept until it is acknowledged
// as durable. A broken stream is opened again and what was not acknowledged is
// sent again, so that a restart of the server costs nothing but time.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>

#include <absl/functional/any_invocable.h>
#include <grpcpp/support/sync_stream.h>

#include "agent/link/backoff.h"
#include "agent/link/channel.h"
#include "mooring/v1/backup.grpc.pb.h"
#include "storage/base/ids.h"
#include "storage/base/mutex.h"

namespace mooring::agent {

// Thread-safe. The stream is opened with the first chunk.
class UploadStream {
 public:
  struct Options {
    std::uint64_t unacked_bytes_max = 0;
    Patience patience;
    // A full window that does not move for this long asks for an early flush.
    absl::Duration window_stuck_after = absl::Seconds(2);
  };
  // `reconnecting` hears that the server is not reached, once per attempt.
  UploadStream(ServerChannel& channel, Clock& clock, Random& random, std::string session_id,
               const Options& options, absl::AnyInvocable<void(const absl::Status&)> reconnecting);
  ~UploadStream();
  UploadStream(const UploadStream&) = delete;
  UploadStream& operator=(const UploadStream&) = delete;

  // Blocks while the window is full.
  absl::Status Add(const OpContext& ctx, const DomainId& domain, std::string sealed);
  // Until everything added is durable.
  absl::Status Flush(const OpContext& ctx);
  std::uint64_t new_bytes() const;
  std::uint64_t durable_count() const;

 private:
  using Stub = v1::BackupService::Stub;
  using Stream = grpc::ClientReaderWriter<v1::UploadChunksRequest, v1::UploadChunksResponse>;
  struct Item {
    std::string domain;
    std::string sealed;
  };

  void Run(std::stop_token stop);
  // One stream from its opening to its end. OK: stop was requested.
  absl::Status RunOnce(const OpContext& ctx, Backoff& backoff);
  absl::Status SendItems(const OpContext& ctx, Stream& stream);
  void ReadAcknowledgments(Stream& stream, Backoff& backoff);
  // The next message to send; false when there is none and the stream must end.
  bool NextMessage(const OpContext& ctx, v1::UploadChunksRequest& message);
  void Acknowledge(const v1::UploadChunksResponse& response);
  absl::Status AwaitRoom(const OpContext& ctx, std::uint64_t bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  ServerChannel& channel_;
  Clock& clock_;
  Random& random_;
  const std::string session_id_;
  const Options options_;
  absl::AnyInvocable<void(const absl::Status&)> reconnecting_;

  mutable Mutex mutex_;
  CondVar changed_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::deque<Item> window_ ABSL_GUARDED_BY(mutex_);  // Not acknowledged, oldest first.
  std::uint64_t window_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t sent_ ABSL_GUARDED_BY(mutex_) = 0;  // Of window_, on this stream.
  bool flush_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  int flush_waiters_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stream_broken_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t stream_acked_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t durable_ ABSL_GUARDED_BY(mutex_) = 0;
  // New bytes of earlier streams, and of this one.
  std::uint64_t earlier_new_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t stream_new_bytes_ ABSL_GUARDED_BY(mutex_) = 0;

  std::jthread thread_;  // Last: joined before the rest goes.
};

}  // namespace mooring::agent
