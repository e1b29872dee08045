#include "agent/link/grpc_restore_link.h"

#include <utility>

#include "agent/link/chunk_stream.h"
#include "mooring/v1/restore.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

using Stub = v1::RestoreService::Stub;

}  // namespace

GrpcRestoreLink::GrpcRestoreLink(ServerChannel& channel, Clock& clock, Random& random,
                                 const LinkOptions& options)
    : channel_(channel), clock_(clock), random_(random), options_(options) {}

absl::StatusOr<v1::OpenSnapshotResponse> GrpcRestoreLink::OpenSnapshot(
    const OpContext& ctx, const v1::OpenSnapshotRequest& request) {
  Backoff backoff(clock_, random_, options_.patience);
  for (;;) {
    const std::unique_ptr<Stub> stub =
        v1::RestoreService::NewStub(AwaitConnection(channel_, ctx, options_.patience.longest));
    absl::StatusOr<v1::OpenSnapshotResponse> opened = CallOnce<v1::OpenSnapshotResponse>(
        ctx, options_.call_timeout,
        [&](grpc::ClientContext& context, v1::OpenSnapshotResponse& out) {
          return stub->OpenSnapshot(&context, request, &out);
        });
    if (opened.ok()) {
      grant_id_ = opened->grant_id();
      restore_id_ = opened->restore_id();
      return opened;
    }
    if (!IsWorthRetrying(opened.status()) || !backoff.Wait(ctx)) {
      return WithServerCause(ctx, opened.status());
    }
  }
}

absl::Status GrpcRestoreLink::ReadStrings(const OpContext& ctx, const std::vector<std::string>& ids,
                                          absl::FunctionRef<absl::Status(std::string)> sink) {
  Backoff backoff(clock_, random_, options_.patience);
  v1::ReadChunksRequest request;
  request.set_grant_id(grant_id_);
  std::unique_ptr<Stub> stub;
  return ReadChunkStream<v1::ReadChunksResponse>(
      ctx, backoff, ids, std::move(request),
      [&](grpc::ClientContext& context, const v1::ReadChunksRequest& asked) {
        stub =
            v1::RestoreService::NewStub(AwaitConnection(channel_, ctx, options_.patience.longest));
        return stub->ReadChunks(&context, asked);
      },
      sink);
}

absl::Status GrpcRestoreLink::ReadChunks(const OpContext& ctx, const std::vector<ChunkId>& ids,
                                         absl::FunctionRef<absl::Status(Bytes sealed)> sink) {
  std::vector<std::string> texts;
  for (const ChunkId& id : ids) texts.push_back(id.bytes());
  return ReadStrings(ctx, texts, [&](std::string sealed) { return sink(ToBytes(sealed)); });
}

void GrpcRestoreLink::Finish(v1::FinishRestoreRequest request) {
  if (grant_id_.empty()) return;
  request.set_grant_id(grant_id_);
  const std::unique_ptr<Stub> stub = v1::RestoreService::NewStub(channel_.Get());
  CallOnce<v1::FinishRestoreResponse>(
      OpContext(), absl::Seconds(30),
      [&](grpc::ClientContext& context, v1::FinishRestoreResponse& out) {
        return stub->FinishRestore(&context, request, &out);
      })
      .IgnoreError();
}

}  // namespace mooring::agent
