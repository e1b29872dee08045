// ChunkSet: the chunk numbers that a snapshot references, or a whole mark, as one
// 64-bit roaring bitmap in the portable format (RoaringFormatSpec, "Extension for 64-bit
// implementations"). The only place that knows libroaring.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/bytes.h"

namespace mooring::storage {

// Longest serialized set, in bytes.
inline constexpr std::size_t kChunkSetBytesMax = std::size_t{64} << 20;

// Most chunks of one snapshot: 8 TiB in chunks of 1 MiB.
inline constexpr std::uint64_t kChunkSetNumbersMax = std::uint64_t{8} << 20;

// Thread-compatible.
class ChunkSet {
 public:
  ChunkSet();
  ~ChunkSet();
  ChunkSet(ChunkSet&&) noexcept;
  ChunkSet& operator=(ChunkSet&&) noexcept;

  // kDataLoss: not a set, trailing bytes, or over these bounds. Safe on any bytes.
  static absl::StatusOr<ChunkSet> Parse(ByteView bytes);
  Bytes Serialize() const;

  void Add(std::uint64_t number);
  bool Contains(std::uint64_t number) const;
  std::uint64_t size() const;
  bool empty() const { return size() == 0; }
  void UnionWith(const ChunkSet& other);
  // Numbers that are in both.
  std::uint64_t CommonCount(const ChunkSet& other) const;
  // As UnionWith(Parse(bytes)) at a fraction of its time, and whatever the form:
  // for the many sets of a mark. Returns how many numbers the bytes hold.
  // kDataLoss as Parse; the set is then unchanged.
  absl::StatusOr<std::uint64_t> UnionWithSerialized(ByteView bytes);
  void Remove(const ChunkSet& other);
  bool Intersects(const ChunkSet& other) const;
  // 0 for an empty set.
  std::uint64_t Least() const;

  // Every number, ascending, in batches of at most `batch_max`, until `visit` fails.
  absl::Status ForEachBatch(
      std::size_t batch_max,
      absl::FunctionRef<absl::Status(const std::vector<std::uint64_t>&)> visit) const;

 private:
  struct Bitmap;
  std::unique_ptr<Bitmap> bitmap_;
};

}  // namespace mooring::storage
