#include "agent/link/upload_stream.h"

#include <algorithm>
#include <utility>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Sealed bytes of one message; a larger chunk goes alone. The server takes 8 MiB.
constexpr std::size_t kMessageBytesMax = std::size_t{1} << 20;
constexpr std::size_t kMessageChunksMax = 256;

}  // namespace

UploadStream::UploadStream(ServerChannel& channel, Clock& clock, Random& random,
                           std::string session_id, const Options& options,
                           absl::AnyInvocable<void(const absl::Status&)> reconnecting)
    : channel_(channel),
      clock_(clock),
      random_(random),
      session_id_(std::move(session_id)),
      options_(options),
      reconnecting_(std::move(reconnecting)),
      thread_([this](std::stop_token stop) { Run(std::move(stop)); }) {}

UploadStream::~UploadStream() = default;

absl::Status UploadStream::AwaitRoom(const OpContext& ctx, std::uint64_t bytes) {
  for (;;) {
    const std::uint64_t durable = durable_;
    const CondVar::WaitResult result = changed_.WaitFor(
        mutex_, ctx.stop, options_.window_stuck_after, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
          return !status_.ok() || window_.empty() ||
                 window_bytes_ + bytes <= options_.unacked_bytes_max;
        });
    if (!status_.ok()) return status_;
    if (result.ready) return absl::OkStatus();
    if (result.stopped) return absl::CancelledError("the upload was called off");
    // The server holds less than a pack and waits for more: it must not wait for us.
    if (durable == durable_ && sent_ == window_.size()) {
      flush_wanted_ = true;
      changed_.NotifyAll();
    }
  }
}

absl::Status UploadStream::Add(const OpContext& ctx, const DomainId& domain, std::string sealed) {
  MutexLock lock(mutex_);
  MOORING_RETURN_IF_ERROR(AwaitRoom(ctx, sealed.size()));
  window_bytes_ += sealed.size();
  window_.push_back({domain.bytes(), std::move(sealed)});
  changed_.NotifyAll();
  return absl::OkStatus();
}

absl::Status UploadStream::Flush(const OpContext& ctx) {
  MutexLock lock(mutex_);
  if (window_.empty()) return status_;
  flush_wanted_ = true;
  ++flush_waiters_;
  changed_.NotifyAll();
  const bool done = changed_.Wait(mutex_, ctx.stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return !status_.ok() || window_.empty();
  });
  --flush_waiters_;
  if (!status_.ok()) return status_;
  return done ? absl::OkStatus() : absl::CancelledError("the upload was called off");
}

std::uint64_t UploadStream::new_bytes() const {
  MutexLock lock(mutex_);
  return earlier_new_bytes_ + stream_new_bytes_;
}

std::uint64_t UploadStream::durable_count() const {
  MutexLock lock(mutex_);
  return durable_;
}

void UploadStream::Run(std::stop_token stop) {
  OpContext ctx;
  ctx.stop = stop;
  Backoff backoff(clock_, random_, options_.patience);
  for (;;) {
    {
      MutexLock lock(mutex_);
      if (!changed_.Wait(mutex_, stop,
                         [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return !window_.empty(); })) {
        return;
      }
    }
    const absl::Status ended = RunOnce(ctx, backoff);
    if (stop.stop_requested()) return;
    if (!ended.ok() && IsWorthRetrying(ended)) {
      reconnecting_(ended);
      if (backoff.Wait(ctx)) continue;
    }
    if (stop.stop_requested()) return;
    MutexLock lock(mutex_);
    status_ = ended.ok() ? absl::InternalError("the server ended the upload") : ended;
    changed_.NotifyAll();
    return;
  }
}

absl::Status UploadStream::RunOnce(const OpContext& ctx, Backoff& backoff) {
  grpc::ClientContext context;
  const CallScope scope(context, ctx, absl::InfiniteDuration());
  const std::unique_ptr<Stub> stub =
      v1::BackupService::NewStub(AwaitConnection(channel_, ctx, options_.patience.longest));
  {
    MutexLock lock(mutex_);
    sent_ = 0;
    stream_acked_ = 0;
    stream_broken_ = false;
    flush_wanted_ = flush_waiters_ > 0;  // What was asked of the stream before is lost.
    earlier_new_bytes_ += std::exchange(stream_new_bytes_, 0);
  }
  const std::unique_ptr<Stream> stream = stub->UploadChunks(&context);
  std::jthread reader([&] { ReadAcknowledgments(*stream, backoff); });
  const absl::Status sent = SendItems(ctx, *stream);
  if (sent.ok()) stream->WritesDone();
  reader.join();
  return FromGrpcStatus(stream->Finish());
}

bool UploadStream::NextMessage(const OpContext& ctx, v1::UploadChunksRequest& message) {
  MutexLock lock(mutex_);
  const bool something = changed_.Wait(mutex_, ctx.stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return stream_broken_ || sent_ < window_.size() || flush_wanted_;
  });
  if (!something || stream_broken_) return false;
  std::size_t bytes = 0;
  while (sent_ < window_.size() && message.chunks_size() < static_cast<int>(kMessageChunksMax)) {
    const Item& item = window_[sent_];
    if (message.chunks_size() > 0 &&
        (item.domain != message.domain_id() || bytes + item.sealed.size() > kMessageBytesMax)) {
      break;
    }
    message.set_domain_id(item.domain);
    message.add_chunks(item.sealed);
    bytes += item.sealed.size();
    ++sent_;
  }
  if (flush_wanted_ && sent_ == window_.size()) {
    message.set_flush(true);
    flush_wanted_ = false;
  }
  return true;
}

absl::Status UploadStream::SendItems(const OpContext& ctx, Stream& stream) {
  for (bool first = true;; first = false) {
    v1::UploadChunksRequest message;
    if (!NextMessage(ctx, message)) return absl::OkStatus();
    if (first) message.set_session_id(session_id_);
    if (!stream.Write(message)) return absl::UnavailableError("the upload broke off");
  }
}

void UploadStream::ReadAcknowledgments(Stream& stream, Backoff& backoff) {
  v1::UploadChunksResponse response;
  while (stream.Read(&response)) {
    Acknowledge(response);
    backoff.Reset();
  }
  MutexLock lock(mutex_);
  stream_broken_ = true;
  changed_.NotifyAll();
}

void UploadStream::Acknowledge(const v1::UploadChunksResponse& response) {
  MutexLock lock(mutex_);
  stream_new_bytes_ = response.new_bytes();
  while (stream_acked_ < response.durable_count() && sent_ > 0) {
    window_bytes_ -= window_.front().sealed.size();
    window_.pop_front();
    --sent_;
    ++stream_acked_;
    ++durable_;
  }
  changed_.NotifyAll();
}

}  // namespace mooring::agent
