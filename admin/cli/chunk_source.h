// ChunkSource: the sealed chunks of an opened snapshot.

#pragma once

#include <string>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "admin/cli/connection.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"

namespace mooring::admin {

// Ids of one Read, at most.
inline constexpr std::size_t kChunksPerRead = 1024;

class ChunkSource {
 public:
  virtual ~ChunkSource() = default;

  // Hands each chunk out in the order of `ids`, unverified, until `take` fails
  // (its status is returned) or the source does. kDataLoss and kNotFound mean
  // that the first chunk not handed out is damaged or gone.
  virtual absl::Status Read(const std::vector<ChunkId>& ids,
                            absl::FunctionRef<absl::Status(ByteView sealed)> take) = 0;
};

// From the server, under a grant. Flow control keeps what is in flight small.
class GrantedChunkSource final : public ChunkSource {
 public:
  GrantedChunkSource(Connection& connection, std::string grant_id)
      : connection_(connection), grant_id_(std::move(grant_id)) {}

  absl::Status Read(const std::vector<ChunkId>& ids,
                    absl::FunctionRef<absl::Status(ByteView sealed)> take) override;

 private:
  Connection& connection_;
  std::string grant_id_;
};

}  // namespace mooring::admin
