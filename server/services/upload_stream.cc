#include "server/services/upload_stream.h"

#include <thread>
#include <utility>

#include <fmt/format.h>

#include "proto/rpc_status.h"
#include "storage/base/status.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/session_store.h"

namespace mooring::server {
namespace {

constexpr std::size_t kMessageChunkBytesMax = std::size_t{8} << 20;
// A pack is open for so many times the idle time at most. A line that is slow takes minutes to
// fill one; if it breaks before, all that was not acknowledged is sent again.
constexpr int kOpenIdles = 3;

absl::Status Full() {
  return WithCause(absl::ResourceExhaustedError("the server's store has reached its reserve"),
                   v1::CAUSE_SERVER_FULL,
                   "an administrator must make room; nothing of the phone is lost");
}

}  // namespace

UploadStream::UploadStream(ServerParts& parts, const Caller& caller, UploadChannel& channel,
                           std::stop_token drain)
    : parts_(parts), caller_(caller), channel_(channel), drain_(std::move(drain)) {}

UploadStream::~UploadStream() = default;

absl::Status UploadStream::Run(const OpContext& ctx) {
  v1::UploadChunksRequest request;
  if (!channel_.Read(request)) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(Open(ctx, request));
  const std::stop_callback on_drain(drain_, [this] { channel_.Cancel(); });
  // Ends before the stream does: its last act may be an acknowledgment.
  std::jthread idle_closer([this](std::stop_token stop) { CloseWhenIdle(std::move(stop)); });
  do {
    MOORING_RETURN_IF_ERROR(Take(ctx, request));
  } while (channel_.Read(request));
  idle_closer.request_stop();
  idle_closer.join();
  MutexLock lock(mutex_);
  MOORING_RETURN_IF_ERROR(idle_failure_);
  MOORING_RETURN_IF_ERROR(Close(ctx));
  if (!drain_.stop_requested()) return absl::OkStatus();
  return WithCause(absl::UnavailableError("the server is shutting down"),
                   v1::CAUSE_SERVER_UNREACHABLE, "the session goes on when it is back");
}

absl::Status UploadStream::Open(const OpContext& ctx, const v1::UploadChunksRequest& first) {
  MOORING_ASSIGN_OR_RETURN(session_, IdFrom<SessionId>(first.session_id(), "session_id"));
  MOORING_RETURN_IF_ERROR(CheckRoom(ctx));
  MOORING_ASSIGN_OR_RETURN(auto upload, parts_.repository.Upload(ctx, session_, caller_.agent.id));
  MutexLock lock(mutex_);
  upload_ = std::move(upload);
  last_put_ = parts_.clock.Monotonic();
  return absl::OkStatus();
}

absl::Status UploadStream::Take(const OpContext& ctx, const v1::UploadChunksRequest& request) {
  MutexLock lock(mutex_);
  MOORING_RETURN_IF_ERROR(idle_failure_);
  MOORING_RETURN_IF_ERROR(PutAll(ctx, request));
  if (!request.flush()) return absl::OkStatus();
  ++flushes_;
  return Close(ctx);
}

absl::Status UploadStream::PutAll(const OpContext& ctx, const v1::UploadChunksRequest& request) {
  if (!request.domain_id().empty()) {
    MOORING_ASSIGN_OR_RETURN(domain_, IdFrom<DomainId>(request.domain_id(), "domain_id"));
  }
  std::size_t bytes = 0;
  for (const std::string& chunk : request.chunks()) bytes += chunk.size();
  if (bytes > kMessageChunkBytesMax) {
    return absl::InvalidArgumentError(fmt::format(
        "{} bytes of chunks in one message; at most {} are taken", bytes, kMessageChunkBytesMax));
  }
  for (const std::string& chunk : request.chunks()) {
    MOORING_RETURN_IF_ERROR(upload_->Put(ctx, domain_, AsBytes(chunk)));
    if (upload_->open_bytes() >= storage::kPackCloseBytes) MOORING_RETURN_IF_ERROR(Close(ctx));
  }
  parts_.metrics.AddIngest(IngestKind::kNew, bytes);
  if (bytes > 0) last_put_ = parts_.clock.Monotonic();
  return absl::OkStatus();
}

absl::Status UploadStream::Close(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(CheckNotRevoked(ctx));
  MOORING_RETURN_IF_ERROR(upload_->Close(ctx));
  const std::uint64_t stored = upload_->new_bytes() - told_new_bytes_;
  told_new_bytes_ = upload_->new_bytes();
  parts_.metrics.AddIngest(IngestKind::kStored, stored);
  parts_.board.AddNewBytes(session_, stored);
  v1::UploadChunksResponse response;
  response.set_durable_count(upload_->durable_count());
  response.set_new_bytes(upload_->new_bytes());
  response.set_flush_count(flushes_);
  // An agent that is gone needs no acknowledgment; the next Read says so.
  channel_.Write(response);
  MOORING_RETURN_IF_ERROR(
      parts_.repository.Touch(ctx, session_, caller_.agent.id, parts_.settings.lease, nullptr));
  return CheckRoom(ctx);
}

absl::Status UploadStream::CheckNotRevoked(const OpContext& ctx) {
  return parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto agent, tx.agents().Get(caller_.agent.id));
    if (agent && !agent->revoked_at) return absl::OkStatus();
    return absl::PermissionDeniedError("this agent has been revoked");
  });
}

absl::Status UploadStream::CheckRoom(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const StoreRoom room, RoomOf(ctx, parts_));
  if (room.exhausted()) return Full();
  if (parts_.settings.session_quota_bytes == 0) return absl::OkStatus();
  std::uint64_t added = 0;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto session, tx.sessions().Get(session_));
    if (session) added = session->new_bytes;
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  if (added <= parts_.settings.session_quota_bytes) return absl::OkStatus();
  return WithCause(absl::ResourceExhaustedError("the session has added all that it may"),
                   v1::CAUSE_SERVER_FULL, "an administrator must raise session_quota_bytes");
}

void UploadStream::CloseWhenIdle(std::stop_token stop) {
  const absl::Duration idle = parts_.settings.upload_idle;
  absl::Duration checked = parts_.clock.Monotonic();
  while (parts_.clock.Sleep(idle / 4, stop)) {
    const absl::Duration now = parts_.clock.Monotonic();
    // Not called off by the stream's end, which waits for it: half a Close fails the stream.
    const OpContext ctx{.deadline = parts_.clock.Now() + absl::Minutes(2), .stop = {}};
    MutexLock lock(mutex_);
    if (now - checked >= idle) {
      checked = now;
      const absl::Status allowed = CheckNotRevoked(ctx);
      // A catalog that is away says nothing of the agent.
      if (absl::IsPermissionDenied(allowed)) {
        idle_failure_ = allowed;
        channel_.Cancel();
        return;
      }
    }
    if (upload_->open_bytes() == 0) continue;
    if (now - last_put_ < idle && upload_->open_for() < kOpenIdles * idle) continue;
    idle_failure_ = Close(ctx);
    if (!idle_failure_.ok()) return;
  }
}

}  // namespace mooring::server
