#include "admin/cli/chunk_source.h"

#include "mooring/v1/restore.grpc.pb.h"
#include "storage/base/status.h"

namespace mooring::admin {

absl::Status GrantedChunkSource::Read(const std::vector<ChunkId>& ids,
                                      absl::FunctionRef<absl::Status(ByteView sealed)> take) {
  v1::ReadChunksRequest request;
  request.set_grant_id(grant_id_);
  for (const ChunkId& id : ids) request.add_ids(id.bytes());
  auto stream = connection_.Stream(&v1::RestoreService::Stub::ReadChunks, request);
  v1::ReadChunksResponse response;
  std::size_t taken = 0;
  while (stream.Read(response)) {
    if (taken == ids.size()) return absl::InternalError("the server sent more than was asked for");
    MOORING_RETURN_IF_ERROR(take(AsBytes(response.chunk())));
    ++taken;
  }
  MOORING_RETURN_IF_ERROR(connection_.Explain(stream.Finish()));
  if (taken < ids.size()) return absl::DataLossError("the server left a chunk out");
  return absl::OkStatus();
}

}  // namespace mooring::admin
