// ChunkReader: chunks out of their packs. Neighbors are read in one go, every
// byte is checked against its id before anyone sees it, and a chunk whose bytes
// are really wrong or gone is marked lost, so that the next backup heals it.

#pragma once

#include <span>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "storage/base/op_context.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/chunk_index.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

// One read covers at most this much, unless a single chunk is longer; and a gap
// of at most this much is read over rather than skipped.
inline constexpr std::uint64_t kReadRunBytesMax = std::uint64_t{4} << 20;
inline constexpr std::uint64_t kReadGapBytesMax = std::uint64_t{64} << 10;

// Thread-safe. Memory per call: one run.
class ChunkReader {
 public:
  using Sink = absl::FunctionRef<absl::Status(const ChunkLocation&, ByteView sealed)>;
  using OnDamage = absl::FunctionRef<absl::Status(const ChunkLocation&, const absl::Status&)>;

  ChunkReader(Catalog& catalog, ObjectStore& objects, Clock& clock)
      : catalog_(catalog), objects_(objects), clock_(clock) {}

  // Gives each chunk to `sink`, in order. A chunk that is missing or wrong, also
  // after its place was looked up anew, is marked lost and given to `on_damage`
  // (kDataLoss), which may return OK to go on. Other errors end the reading.
  absl::Status Read(const OpContext& ctx, std::span<const ChunkLocation> chunks, Sink sink,
                    OnDamage on_damage);

  // As above; ends with kDataLoss at the first chunk that is damaged.
  absl::Status Read(const OpContext& ctx, std::span<const ChunkLocation> chunks, Sink sink);

 private:
  absl::Status ReadRun(const OpContext& ctx, std::span<const ChunkLocation> run, Bytes& buffer,
                       Sink sink, OnDamage on_damage);
  absl::Status ReadAgain(const OpContext& ctx, const ChunkLocation& chunk, const absl::Status& why,
                         Bytes& buffer, Sink sink, OnDamage on_damage);
  absl::Status ReadOne(const OpContext& ctx, const ChunkLocation& chunk, Bytes& buffer);
  absl::Status MarkLost(const OpContext& ctx, const ChunkLocation& chunk, const absl::Status& why);

  Catalog& catalog_;
  ObjectStore& objects_;
  Clock& clock_;
};

}  // namespace mooring::storage
