#include "agent/process/session_relay.h"

#include <algorithm>
#include <utility>

#include "agent/device/cause.h"
#include "agent/process/status_message.h"
#include "storage/base/status.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::agent {
namespace {

using session::v1::FromSession;
using session::v1::ToSession;

// Chunks of one answer to a read; a larger chunk goes alone.
constexpr std::size_t kBatchBytesMax = std::size_t{1} << 20;
constexpr int kReadIdsMax = 1024;

absl::Status Misbehaves(std::string_view what) {
  return Failure(absl::StatusCode::kInvalidArgument, v1::CAUSE_PROTOCOL_ERROR,
                 "the session process misbehaves: " + std::string(what),
                 "unplug the phone; if it comes again, tell your administrator");
}

}  // namespace

SessionRelay::SessionRelay(MessagePipe& pipe, ServerChannel& channel, Clock& clock, Random& random,
                           Log& log, const LinkOptions& options,
                           SessionProcess::OnProgress on_progress)
    : pipe_(pipe),
      clock_(clock),
      log_(log),
      backup_(channel, clock, random, options,
              [this](v1::Phase phase, v1::WaitingFor waiting_for, const std::string& message) {
                v1::Progress progress;
                {
                  MutexLock lock(progress_mutex_);
                  progress = last_;
                }
                progress.set_phase(phase);
                progress.set_waiting_for(waiting_for);
                progress.set_message(message);
                PassOn(std::move(progress));
              }),
      restore_(channel, clock, random, options),
      on_progress_(on_progress) {
  last_.set_percent(-1);
}

void SessionRelay::PassOn(v1::Progress progress) {
  MutexLock lock(progress_mutex_);
  last_ = progress;
  progress.set_session_id(backup_.session_id());
  const absl::Time now = clock_.Now();
  progress.mutable_updated_at()->set_seconds(absl::ToUnixSeconds(now));
  on_progress_(progress);
}

absl::Status SessionRelay::Run(const OpContext& ctx, SessionEnd& end) {
  for (;;) {
    FromSession message;
    MOORING_RETURN_IF_ERROR(pipe_.Receive(message));
    if (message.message_case() == FromSession::kFinished) {
      end.finished = std::move(*message.mutable_finished());
      return absl::OkStatus();
    }
    if (message.message_case() == FromSession::kProbed) {
      end.has_probed = true;
      end.probed = std::move(*message.mutable_probed());
      end.finished.set_succeeded(true);
      return absl::OkStatus();
    }
    MOORING_RETURN_IF_ERROR(Handle(ctx, message, end));
  }
}

absl::Status SessionRelay::Handle(const OpContext& ctx, FromSession& message, SessionEnd& end) {
  switch (message.message_case()) {
    case FromSession::kProgress: {
      v1::Progress progress = std::move(*message.mutable_progress());
      progress.set_bytes_new(backup_.new_bytes());
      PassOn(std::move(progress));
      return absl::OkStatus();
    }
    case FromSession::kLog:
      log_.Write(message.log().level() >= 3 ? LogLevel::kWarning : LogLevel::kInfo, "session",
                 {{"message", message.log().message().substr(0, 500)}});
      return absl::OkStatus();
    case FromSession::kBegin: {
      const absl::Status begun = OnBegin(ctx, message);
      end.session_id = backup_.session_id();
      return begun;
    }
    case FromSession::kFind:
      return OnFind(ctx, message);
    case FromSession::kUpload:
      return OnUpload(ctx, message);
    case FromSession::kFlush:
      return OnFlush(ctx, message);
    case FromSession::kReadBase:
    case FromSession::kReadChunks:
      return OnRead(ctx, message);
    case FromSession::kCommit:
      return OnCommit(ctx, message);
    case FromSession::kOpen: {
      const absl::Status opened = OnOpen(ctx, message);
      end.restore_id = restore_.restore_id();
      return opened;
    }
    default:
      return Misbehaves("it says something that is not for the agent");
  }
}

absl::Status SessionRelay::Reply(std::uint64_t call, ToSession reply) {
  reply.set_call(call);
  return pipe_.Send(reply);
}

absl::Status SessionRelay::ReplyFailure(std::uint64_t call, const absl::Status& status) {
  ToSession reply;
  *reply.mutable_failure() = ToFailure(status);
  return Reply(call, std::move(reply));
}

absl::Status SessionRelay::OnBegin(const OpContext& ctx, const FromSession& message) {
  if (!backup_.session_id().empty()) return Misbehaves("it asks for a second slot");
  absl::StatusOr<v1::SessionGrant> grant = backup_.Begin(ctx, message.begin());
  if (!grant.ok()) return ReplyFailure(message.call(), grant.status());
  ToSession reply;
  *reply.mutable_begun()->mutable_granted() = *std::move(grant);
  return Reply(message.call(), std::move(reply));
}

absl::Status SessionRelay::OnFind(const OpContext& ctx, FromSession& message) {
  absl::StatusOr<v1::FindChunksResponse> found =
      backup_.FindRaw(ctx, std::move(*message.mutable_find()));
  if (!found.ok()) return ReplyFailure(message.call(), found.status());
  ToSession reply;
  *reply.mutable_found() = *std::move(found);
  return Reply(message.call(), std::move(reply));
}

absl::Status SessionRelay::OnUpload(const OpContext& ctx, FromSession& message) {
  std::string sealed = std::move(*message.mutable_upload()->mutable_chunk());
  const auto domain = DomainId::FromBytes(message.upload().domain_id());
  if (!domain || sealed.size() > storage::kSealedChunkBytesMax) {
    return Misbehaves("it uploads what is no chunk");
  }
  // The session hears of a failure once; what it still has under way is dropped.
  if (upload_failed_) return absl::OkStatus();
  const absl::Status added = backup_.UploadString(ctx, *domain, std::move(sealed));
  if (added.ok()) return added;
  upload_failed_ = true;
  return ReplyFailure(0, added);
}

absl::Status SessionRelay::OnFlush(const OpContext& ctx, const FromSession& message) {
  const absl::Status flushed = backup_.Flush(ctx);
  if (!flushed.ok()) return ReplyFailure(message.call(), flushed);
  ToSession reply;
  reply.mutable_upload_state()->set_new_bytes(backup_.new_bytes());
  return Reply(message.call(), std::move(reply));
}

absl::Status SessionRelay::OnRead(const OpContext& ctx, const FromSession& message) {
  const bool base = message.message_case() == FromSession::kReadBase;
  const auto& asked = base ? message.read_base().ids() : message.read_chunks().ids();
  if (asked.size() > kReadIdsMax) return Misbehaves("it asks for too many chunks at once");
  const std::vector<std::string> ids(asked.begin(), asked.end());
  ToSession batch;
  std::size_t bytes = 0;
  absl::Status pipe_status;
  const auto sink = [&](std::string sealed) -> absl::Status {
    if (bytes > 0 && bytes + sealed.size() > kBatchBytesMax) {
      pipe_status = Reply(message.call(), std::exchange(batch, {}));
      MOORING_RETURN_IF_ERROR(pipe_status);
      bytes = 0;
    }
    bytes += sealed.size();
    batch.mutable_chunks()->add_chunks(std::move(sealed));
    return absl::OkStatus();
  };
  const absl::Status read =
      base ? backup_.ReadBaseStrings(ctx, ids, sink) : restore_.ReadStrings(ctx, ids, sink);
  MOORING_RETURN_IF_ERROR(pipe_status);
  if (!read.ok()) return ReplyFailure(message.call(), read);
  batch.mutable_chunks()->set_last(true);
  return Reply(message.call(), std::move(batch));
}

absl::Status SessionRelay::OnCommit(const OpContext& ctx, FromSession& message) {
  message.mutable_commit()->set_session_id(backup_.session_id());
  absl::StatusOr<v1::CommitSnapshotResponse> committed = backup_.Commit(ctx, message.commit());
  if (!committed.ok()) return ReplyFailure(message.call(), committed.status());
  committed_ = committed_ || committed->has_receipt();
  ToSession reply;
  *reply.mutable_committed() = *std::move(committed);
  return Reply(message.call(), std::move(reply));
}

absl::Status SessionRelay::OnOpen(const OpContext& ctx, const FromSession& message) {
  absl::StatusOr<v1::OpenSnapshotResponse> opened = restore_.OpenSnapshot(ctx, message.open());
  if (!opened.ok()) return ReplyFailure(message.call(), opened.status());
  ToSession reply;
  *reply.mutable_opened() = *std::move(opened);
  return Reply(message.call(), std::move(reply));
}

void SessionRelay::Settle(SessionEnd& end) {
  if (!committed_) backup_.Abort(end.finished.cause(), end.finished.message());
  v1::FinishRestoreRequest request;
  request.set_succeeded(end.finished.succeeded());
  request.set_cause(end.finished.cause());
  request.set_message(end.finished.message());
  request.set_file_count(end.finished.file_count());
  request.set_bytes(end.finished.bytes());
  restore_.Finish(std::move(request));
}

}  // namespace mooring::agent
