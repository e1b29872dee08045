// ChunkFetcher: gets chunks of a snapshot ahead of their consumer, many per
// request, verified and decoded, within a bound of memory.

#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <absl/container/flat_hash_set.h>
#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include "agent/restore/restore_link.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"
#include "storage/manifest/manifest.h"

namespace mooring::agent {

// One chunk, verified and decoded.
struct FetchedChunk {
  std::shared_ptr<const Bytes> content;
  storage::FrameHash frame_hash;
};

// One thread of its own fetches what is planned. Get is thread-safe.
class ChunkFetcher {
 public:
  struct Options {
    // Decoded content that may wait for its consumer.
    std::size_t ready_bytes_max = std::size_t{16} << 20;
    // Content handed out that is kept for the next file of the same bundle.
    std::size_t kept_bytes_max = std::size_t{16} << 20;
    // Of one request.
    std::size_t request_bytes_max = std::size_t{8} << 20;
    std::size_t request_ids_max = 64;
    std::size_t plan_max = 16384;
  };

  // `link` outlives it.
  ChunkFetcher(RestoreLink& link, const Options& options);
  ~ChunkFetcher();
  ChunkFetcher(const ChunkFetcher&) = delete;
  ChunkFetcher& operator=(const ChunkFetcher&) = delete;

  // Chunks that will be wanted, in order, after those planned already; with
  // `first` before them. Those beyond plan_max are left out: they are fetched
  // when they are asked for.
  void Plan(const std::vector<storage::ChunkRef>& chunks, bool first);
  // Planned, on its way or here.
  bool IsExpected(const ChunkId& id) const;

  // Whether the consumer will want the chunk again: only then is it kept, so that
  // photos do not drive out the bundles that small files are still in.
  enum class Use { kAgain, kLast };

  // The content. kDataLoss: it does not verify.
  absl::StatusOr<FetchedChunk> Get(const OpContext& ctx, const storage::ChunkRef& chunk, Use use);

 private:
  struct Cached {
    ChunkId id;
    FetchedChunk chunk;
  };
  using Sink = absl::FunctionRef<void(const storage::ChunkRef& ref, FetchedChunk chunk)>;

  void FetchLoop(std::stop_token stop);
  std::vector<storage::ChunkRef> TakeRequest(std::stop_token stop);
  absl::Status Fetch(const OpContext& ctx, const std::vector<storage::ChunkRef>& chunks, Sink sink);
  bool IsHere(const ChunkId& id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A chunk that is ready or kept.
  std::optional<FetchedChunk> Take(const ChunkId& id, Use use)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Keep(Cached cached) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The consumer wants `id` now, which is planned.
  void SkipTo(const ChunkId& id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RestoreLink& link_;
  const Options options_;

  mutable Mutex mutex_;
  CondVar changed_;
  std::deque<storage::ChunkRef> plan_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<ChunkId> planned_ ABSL_GUARDED_BY(mutex_);  // The ids in plan_.
  absl::flat_hash_set<ChunkId> asked_ ABSL_GUARDED_BY(mutex_);    // Of the running request.
  std::list<Cached> ready_ ABSL_GUARDED_BY(mutex_);               // In the order of the plan.
  std::size_t ready_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::list<Cached> kept_ ABSL_GUARDED_BY(mutex_);  // Most recent first.
  std::size_t kept_bytes_ ABSL_GUARDED_BY(mutex_) = 0;

  std::jthread thread_;  // Last: joined before the rest goes.
};

}  // namespace mooring::agent
