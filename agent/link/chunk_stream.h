// Chunks by id from one of the server's streaming calls: in order, and asked for
// again from where the stream broke.

#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <absl/functional/function_ref.h>
#include <grpcpp/client_context.h>

#include "agent/link/backoff.h"
#include "agent/link/channel.h"
#include "proto/rpc_status.h"

namespace mooring::agent {

// Ids in one request.
inline constexpr std::size_t kChunkStreamIdsMax = 1024;

// `open(context, request)` starts the call that answers with one `Response` per
// id; `request` names what is read from. Calls `sink` once per id. An error of
// the sink ends it and is returned as it is.
template <typename Response, typename Request, typename Open>
absl::Status ReadChunkStream(const OpContext& ctx, Backoff& backoff,
                             const std::vector<std::string>& ids, Request request, Open open,
                             absl::FunctionRef<absl::Status(std::string sealed)> sink) {
  std::size_t done = 0;
  while (done < ids.size()) {
    const std::size_t end = std::min(ids.size(), done + kChunkStreamIdsMax);
    request.clear_ids();
    for (std::size_t i = done; i < end; ++i) request.add_ids(ids[i]);
    grpc::ClientContext context;
    const CallScope scope(context, ctx, absl::InfiniteDuration());
    const auto stream = open(context, request);
    Response response;
    absl::Status taken;
    while (taken.ok() && done < end && stream->Read(&response)) {
      taken = sink(std::move(*response.mutable_chunk()));
      ++done;
      backoff.Reset();
    }
    if (!taken.ok()) context.TryCancel();
    const absl::Status status = FromGrpcStatus(stream->Finish());
    MOORING_RETURN_IF_ERROR(taken);
    if (done == end) continue;
    if (ctx.stop.stop_requested()) return absl::CancelledError("called off");
    if (status.ok()) return absl::DataLossError("the server sent fewer chunks than were asked for");
    if (!IsWorthRetrying(status) || !backoff.Wait(ctx)) return WithServerCause(ctx, status);
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
