#include "agent/link/grpc_backup_link.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "agent/link/chunk_stream.h"
#include "mooring/v1/backup.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

using Stub = v1::BackupService::Stub;

constexpr std::size_t kFindIdsMax = 4096;
constexpr absl::Duration kAskAgainLeast = absl::Milliseconds(100);
constexpr absl::Duration kAskAgainMost = absl::Seconds(15);

absl::Duration AskAgainAfter(const v1::Queued& queued, Random& random) {
  const absl::Duration wait =
      std::clamp(absl::Milliseconds(queued.retry_after_ms()), kAskAgainLeast, kAskAgainMost);
  const auto jitter = static_cast<std::uint64_t>(absl::ToInt64Milliseconds(wait) / 4 + 1);
  return wait + absl::Milliseconds(static_cast<std::int64_t>(random.Below(jitter)));
}

std::string QueueMessage(std::uint32_t ahead) {
  if (ahead == 0) return "Waiting for a slot at the server; this phone is next";
  return fmt::format("Waiting for a slot at the server; {} before this phone", ahead);
}

}  // namespace

GrpcBackupLink::GrpcBackupLink(ServerChannel& channel, Clock& clock, Random& random,
                               const LinkOptions& options, WaitListener waiting)
    : channel_(channel),
      clock_(clock),
      random_(random),
      options_(options),
      waiting_(std::move(waiting)) {}

template <typename Response, typename Invoke>
absl::StatusOr<Response> GrpcBackupLink::Ask(const OpContext& ctx, absl::Duration timeout,
                                             Invoke invoke) {
  Backoff backoff(clock_, random_, options_.patience);
  for (;;) {
    const std::unique_ptr<Stub> stub =
        v1::BackupService::NewStub(AwaitConnection(channel_, ctx, options_.patience.longest));
    absl::StatusOr<Response> response = CallOnce<Response>(
        ctx, timeout,
        [&](grpc::ClientContext& context, Response& out) { return invoke(*stub, context, out); });
    if (response.ok() || !IsWorthRetrying(response.status()) || !backoff.Wait(ctx)) {
      return response.ok() ? std::move(response) : WithServerCause(ctx, response.status());
    }
  }
}

absl::StatusOr<v1::SessionGrant> GrpcBackupLink::Begin(const OpContext& ctx,
                                                       const v1::BeginBackupRequest& request) {
  const absl::Duration begun = clock_.Monotonic();
  for (;;) {
    MOORING_ASSIGN_OR_RETURN(
        v1::BeginBackupResponse answer,
        Ask<v1::BeginBackupResponse>(
            ctx, options_.call_timeout,
            [&](Stub& stub, grpc::ClientContext& context, v1::BeginBackupResponse& out) {
              return stub.BeginBackup(&context, request, &out);
            }));
    if (answer.has_granted()) {
      session_id_ = answer.granted().session_id();
      UploadStream::Options options;
      options.unacked_bytes_max = kUnackedBytesMax;
      options.patience = options_.patience;
      uploads_ = std::make_unique<UploadStream>(
          channel_, clock_, random_, session_id_, options, [this](const absl::Status&) {
            MutexLock lock(waiting_mutex_);
            waiting_(v1::PHASE_CAPTURING, v1::WAITING_FOR_SERVER,
                     "The server is not reached; trying again");
          });
      return std::move(*answer.mutable_granted());
    }
    if (clock_.Monotonic() - begun > options_.queue_max) break;
    {
      MutexLock lock(waiting_mutex_);
      waiting_(v1::PHASE_QUEUED, v1::WAITING_FOR_SLOT, QueueMessage(answer.queued().position()));
    }
    if (!clock_.Sleep(AskAgainAfter(answer.queued(), random_), ctx.stop)) {
      return absl::CancelledError("called off while waiting for a slot");
    }
  }
  return Failure(absl::StatusCode::kResourceExhausted, v1::CAUSE_SERVER_BUSY,
                 "no slot at the server became free in time", "try again later");
}

absl::StatusOr<v1::FindChunksResponse> GrpcBackupLink::FindRaw(const OpContext& ctx,
                                                               v1::FindChunksRequest request) {
  request.set_session_id(session_id_);
  return Ask<v1::FindChunksResponse>(
      ctx, options_.call_timeout,
      [&](Stub& stub, grpc::ClientContext& context, v1::FindChunksResponse& out) {
        return stub.FindChunks(&context, request, &out);
      });
}

absl::StatusOr<std::vector<bool>> GrpcBackupLink::Find(const OpContext& ctx, const DomainId& domain,
                                                       const std::vector<ChunkId>& ids) {
  std::vector<bool> found;
  for (std::size_t first = 0; first < ids.size(); first += kFindIdsMax) {
    const std::size_t end = std::min(ids.size(), first + kFindIdsMax);
    v1::FindChunksRequest request;
    request.set_domain_id(domain.bytes());
    for (std::size_t i = first; i < end; ++i) request.add_ids(ids[i].bytes());
    MOORING_ASSIGN_OR_RETURN(const v1::FindChunksResponse answer, FindRaw(ctx, std::move(request)));
    const std::string& bits = answer.present();
    if (bits.size() != (end - first + 7) / 8) {
      return absl::InternalError("the server answered for another number of chunks than asked");
    }
    for (std::size_t i = 0; i < end - first; ++i) {
      found.push_back(((static_cast<unsigned char>(bits[i / 8]) >> (i % 8)) & 1U) != 0);
    }
  }
  return found;
}

absl::Status GrpcBackupLink::UploadString(const OpContext& ctx, const DomainId& domain,
                                          std::string sealed) {
  if (uploads_ == nullptr) return absl::FailedPreconditionError("no session");
  return WithServerCause(ctx, uploads_->Add(ctx, domain, std::move(sealed)));
}

absl::Status GrpcBackupLink::Upload(const OpContext& ctx, const DomainId& domain, Bytes sealed) {
  return UploadString(ctx, domain, ToString(sealed));
}

absl::Status GrpcBackupLink::Flush(const OpContext& ctx) {
  if (uploads_ == nullptr) return absl::FailedPreconditionError("no session");
  return WithServerCause(ctx, uploads_->Flush(ctx));
}

std::uint64_t GrpcBackupLink::new_bytes() const {
  return uploads_ == nullptr ? 0 : uploads_->new_bytes();
}

absl::Status GrpcBackupLink::ReadBaseStrings(
    const OpContext& ctx, const std::vector<std::string>& ids,
    absl::FunctionRef<absl::Status(std::string sealed)> sink) {
  Backoff backoff(clock_, random_, options_.patience);
  v1::ReadBaseRequest request;
  request.set_session_id(session_id_);
  std::unique_ptr<Stub> stub;
  return ReadChunkStream<v1::ReadBaseResponse>(
      ctx, backoff, ids, std::move(request),
      [&](grpc::ClientContext& context, const v1::ReadBaseRequest& asked) {
        stub =
            v1::BackupService::NewStub(AwaitConnection(channel_, ctx, options_.patience.longest));
        return stub->ReadBase(&context, asked);
      },
      sink);
}

absl::Status GrpcBackupLink::ReadBase(const OpContext& ctx, const std::vector<ChunkId>& ids,
                                      absl::FunctionRef<absl::Status(Bytes sealed)> sink) {
  std::vector<std::string> texts;
  for (const ChunkId& id : ids) texts.push_back(id.bytes());
  return ReadBaseStrings(ctx, texts, [&](std::string sealed) { return sink(ToBytes(sealed)); });
}

absl::StatusOr<v1::CommitSnapshotResponse> GrpcBackupLink::Commit(
    const OpContext& ctx, const v1::CommitSnapshotRequest& request) {
  // The idempotency key makes asking again safe when the answer was lost.
  return Ask<v1::CommitSnapshotResponse>(
      ctx, options_.commit_timeout,
      [&](Stub& stub, grpc::ClientContext& context, v1::CommitSnapshotResponse& out) {
        return stub.CommitSnapshot(&context, request, &out);
      });
}

void GrpcBackupLink::Abort(v1::Cause cause, const std::string& message) {
  if (session_id_.empty()) return;
  uploads_.reset();
  v1::AbortBackupRequest request;
  request.set_session_id(session_id_);
  request.set_cause(cause);
  request.set_message(message);
  const std::unique_ptr<Stub> stub = v1::BackupService::NewStub(channel_.Get());
  // One try: if it does not arrive, the lease ends the session.
  CallOnce<v1::AbortBackupResponse>(
      OpContext(), absl::Seconds(10),
      [&](grpc::ClientContext& context, v1::AbortBackupResponse& out) {
        return stub->AbortBackup(&context, request, &out);
      })
      .IgnoreError();
}

}  // namespace mooring::agent
