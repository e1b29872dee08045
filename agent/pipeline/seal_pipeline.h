// SealPipeline: content in, sealed chunks out and on their way to the server.
//
//   Submit -> workers (frame, compress, seal) -> uploader (Find, Upload)
//                 \-> TakeSealed: where each piece ended up
//
// Bounded by the bytes of content that are in flight: Submit blocks, and the
// phone waits. A chunk seen before in the session is neither asked about nor
// sent again.

#pragma once

#include <cstdint>
#include <deque>
#include <thread>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "agent/pipeline/backup_link.h"
#include "storage/base/bytes.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/manifest/manifest.h"
#include "storage/seal/frame.h"
#include "storage/seal/key_ring.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::agent {

// Names one submitted piece of content.
using Ticket = std::uint64_t;

struct SealedPiece {
  Ticket ticket = 0;
  storage::ChunkRef chunk;
  storage::FrameHash frame_hash;
};

// Thread-safe, but Submit, the Awaits and TakeSealed are meant for one thread.
// After the first error every call returns it.
class SealPipeline {
 public:
  struct Options {
    int workers = 2;
    std::size_t bytes_in_flight_max = std::size_t{6} << 20;
    // Ids in one question, and bytes that wait for its answer.
    std::size_t find_ids_max = 256;
    std::size_t find_bytes_max = std::size_t{4} << 20;
    // Uploaded chunks that are remembered for the read-back.
    std::size_t samples_max = 4;
  };
  struct Piece {
    Ticket ticket = 0;
    bool organization_domain = false;
    storage::ChunkKind kind = storage::ChunkKind::kFileData;
    storage::Compression compression = storage::Compression::kProbe;
    // Sent even where the server has it, so that this session may read it again.
    bool readable_again = false;
    Bytes content;
  };

  // `link` and `random` outlive it; the keys are copied.
  SealPipeline(BackupLink& link, Random& random, const storage::DomainKeys& person,
               const storage::DomainKeys& organization, const Options& options);
  ~SealPipeline();
  SealPipeline(const SealPipeline&) = delete;
  SealPipeline& operator=(const SealPipeline&) = delete;

  // Blocks while the window is full. A piece larger than the window goes alone.
  absl::Status Submit(const OpContext& ctx, Piece piece);
  // Pieces sealed since the last call, in any order.
  std::vector<SealedPiece> TakeSealed();
  // Until everything submitted is sealed.
  absl::Status AwaitSealed(const OpContext& ctx);
  // Until everything submitted is with the link.
  absl::Status AwaitUploaded(const OpContext& ctx);
  // AwaitUploaded, and durable.
  absl::Status Flush(const OpContext& ctx);

  // Chunks by id in the order asked, flushing first if one of them is on its way.
  absl::Status Read(const OpContext& ctx, const std::vector<ChunkId>& ids,
                    absl::FunctionRef<absl::Status(Bytes sealed)> sink);
  absl::StatusOr<v1::CommitSnapshotResponse> Commit(const OpContext& ctx,
                                                    const v1::CommitSnapshotRequest& request);

  // A few of the chunks that were uploaded, evenly drawn.
  std::vector<storage::ChunkRef> Samples() const;
  std::uint64_t chunks_uploaded() const;

 private:
  struct Sealed {
    storage::ChunkRef ref;
    Bytes bytes;
    std::size_t charged = 0;
    bool readable_again = false;
  };

  void Work(std::stop_token stop);
  void UploadLoop(std::stop_token stop);
  std::vector<Sealed> TakeBatch(std::stop_token stop);
  absl::Status UploadBatch(const OpContext& ctx, std::vector<Sealed>& batch);
  absl::Status FindAbsent(const OpContext& ctx, const std::vector<Sealed>& batch,
                          std::vector<bool>& send);
  void Remember(const storage::ChunkRef& ref);
  bool AlreadySeen(const Sealed& sealed) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Whether one of `ids` cannot be read before a flush.
  bool NeedsFlush(const std::vector<ChunkId>& ids) const;
  void Fail(const absl::Status& status);
  absl::Status Await(const OpContext& ctx, bool uploaded);

  BackupLink& link_;
  Random& random_;
  const Options options_;
  const DomainId person_;
  const DomainId organization_;
  const storage::ChunkSealer person_sealer_;
  const storage::ChunkSealer organization_sealer_;

  // Serializes calls on the link other than Upload. Taken before mutex_.
  Mutex link_mutex_;

  mutable Mutex mutex_;
  CondVar changed_;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::deque<Piece> pieces_ ABSL_GUARDED_BY(mutex_);
  std::deque<Sealed> sealed_ ABSL_GUARDED_BY(mutex_);
  std::size_t sealed_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<SealedPiece> done_ ABSL_GUARDED_BY(mutex_);
  std::size_t in_flight_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t sealing_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t uploading_ ABSL_GUARDED_BY(mutex_) = 0;
  // Callers that wait for the pipe to empty: no lingering then.
  int in_a_hurry_ ABSL_GUARDED_BY(mutex_) = 0;
  // Chunks that the server has, for this session; true: this session sent it.
  absl::flat_hash_map<ChunkId, bool> seen_ ABSL_GUARDED_BY(mutex_);
  // Sealed and not yet through the uploader, with how often.
  absl::flat_hash_map<ChunkId, int> under_way_ ABSL_GUARDED_BY(mutex_);
  std::vector<storage::ChunkRef> samples_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t uploaded_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t flushed_ ABSL_GUARDED_BY(mutex_) = 0;

  std::vector<std::jthread> threads_;  // Last: joined before the rest goes.
};

}  // namespace mooring::agent
