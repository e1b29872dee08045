#include "storage/repository/chunk_set.h"

#include <map>
#include <utility>

#include <fmt/format.h>
#include <roaring/roaring.hh>
#include <roaring/roaring64map.hh>

#include "storage/base/status.h"
#include "storage/repository/roaring_check.h"

namespace mooring::storage {
namespace {

absl::Status BadSet(std::string_view why) {
  return absl::DataLossError(fmt::format("set of chunk numbers: {}", why));
}

struct BitmapDeleter {
  void operator()(roaring_bitmap_t* bitmap) const { roaring_bitmap_free(bitmap); }
};

}  // namespace

struct ChunkSet::Bitmap {
  Roaring64Map map;
};

ChunkSet::ChunkSet() : bitmap_(std::make_unique<Bitmap>()) {}
ChunkSet::~ChunkSet() = default;
ChunkSet::ChunkSet(ChunkSet&&) noexcept = default;
ChunkSet& ChunkSet::operator=(ChunkSet&&) noexcept = default;

// Format: count (u64), then for each its high 32 bits (u32) and a 32-bit bitmap.
// Parsed here rather than by Roaring64Map::readSafe, which reads the count
// before it looks at the length, and throws. A 32-bit bitmap of 0.2.66 is not
// checked for what lies inside its containers, so the set is rebuilt from its
// numbers and must serialize to the same bytes: a set that lies is refused.
absl::StatusOr<ChunkSet> ChunkSet::Parse(ByteView bytes) {
  if (bytes.size() > kChunkSetBytesMax) return BadSet("it is too long");
  if (bytes.size() < 8) return BadSet("it is truncated");
  const std::uint64_t count = LoadLe64(bytes, 0);
  std::size_t at = 8;
  ChunkSet set;
  std::uint64_t previous_high = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (bytes.size() - at < 4) return BadSet("it is truncated");
    const std::uint64_t high = LoadLe32(bytes, at);
    if (i > 0 && high <= previous_high) return BadSet("its parts are out of order");
    previous_high = high;
    at += 4;
    const char* const part = AsText(bytes.subspan(at)).data();
    const std::unique_ptr<roaring_bitmap_t, BitmapDeleter> bitmap(
        roaring_bitmap_portable_deserialize_safe(part, bytes.size() - at));
    if (bitmap == nullptr) return BadSet("it is damaged");
    const std::size_t used = roaring_bitmap_portable_size_in_bytes(bitmap.get());
    if (used > bytes.size() - at) return BadSet("it is damaged");
    // A few bytes of runs can stand for 2^32 numbers.
    const std::uint64_t numbers = roaring_bitmap_get_cardinality(bitmap.get());
    if (numbers > kChunkSetNumbersMax - set.size()) return BadSet("it has too many numbers");
    const auto add = [](std::uint32_t low, void* context) {
      auto& [target, top] = *static_cast<std::pair<Roaring64Map*, std::uint64_t>*>(context);
      target->add(top << 32 | low);
      return true;
    };
    std::pair<Roaring64Map*, std::uint64_t> context(&set.bitmap_->map, high);
    roaring_iterate(bitmap.get(), add, &context);
    at += used;
  }
  if (at != bytes.size()) return BadSet("bytes follow it");
  const Bytes again = set.Serialize();
  if (!std::equal(again.begin(), again.end(), bytes.begin(), bytes.end())) {
    return BadSet("it is not in its one form");
  }
  return set;
}

Bytes ChunkSet::Serialize() const {
  // Runs where they are shorter: this makes the form a function of the numbers alone.
  Roaring64Map map = bitmap_->map;
  map.removeRunCompression();
  map.runOptimize();
  Bytes bytes(map.getSizeInBytes());
  map.write(reinterpret_cast<char*>(bytes.data()));
  return bytes;
}

void ChunkSet::Add(std::uint64_t number) {
  bitmap_->map.add(number);
}

bool ChunkSet::Contains(std::uint64_t number) const {
  return bitmap_->map.contains(number);
}

std::uint64_t ChunkSet::size() const {
  return bitmap_->map.cardinality();
}

void ChunkSet::UnionWith(const ChunkSet& other) {
  bitmap_->map |= other.bitmap_->map;
}

std::uint64_t ChunkSet::CommonCount(const ChunkSet& other) const {
  return (bitmap_->map & other.bitmap_->map).cardinality();
}

absl::StatusOr<std::uint64_t> ChunkSet::UnionWithSerialized(ByteView bytes) {
  if (bytes.size() > kChunkSetBytesMax) return BadSet("it is too long");
  if (bytes.size() < 8) return BadSet("it is truncated");
  // Numbers of 32 bits make one part; only a set with larger ones takes the long way.
  if (LoadLe64(bytes, 0) == 1 && bytes.size() >= 12 && LoadLe32(bytes, 8) == 0) {
    const ByteView part = bytes.subspan(12);
    const std::optional<RoaringShape> shape = CheckRoaring(part);
    if (!shape || shape->bytes != part.size()) return BadSet("it is damaged");
    if (shape->numbers > kChunkSetNumbersMax) return BadSet("it has too many numbers");
    roaring_bitmap_t* const bitmap =
        roaring_bitmap_portable_deserialize_safe(AsText(part).data(), part.size());
    if (bitmap == nullptr) return BadSet("it is damaged");
    bitmap_->map |= Roaring64Map(Roaring(bitmap));  // Which owns it.
    return shape->numbers;
  }
  MOORING_ASSIGN_OR_RETURN(const ChunkSet set, Parse(bytes));
  UnionWith(set);
  return set.size();
}

void ChunkSet::Remove(const ChunkSet& other) {
  bitmap_->map -= other.bitmap_->map;
}

bool ChunkSet::Intersects(const ChunkSet& other) const {
  return !(bitmap_->map & other.bitmap_->map).isEmpty();
}

std::uint64_t ChunkSet::Least() const {
  return bitmap_->map.isEmpty() ? 0 : bitmap_->map.minimum();
}

absl::Status ChunkSet::ForEachBatch(
    std::size_t batch_max,
    absl::FunctionRef<absl::Status(const std::vector<std::uint64_t>&)> visit) const {
  struct Walk {
    std::size_t batch_max;
    absl::FunctionRef<absl::Status(const std::vector<std::uint64_t>&)> visit;
    std::vector<std::uint64_t> batch;
    absl::Status status;
  };
  Walk walk{.batch_max = batch_max, .visit = visit, .batch = {}, .status = absl::OkStatus()};
  walk.batch.reserve(batch_max);
  // The library's iterators do not compare in the way that C++20 wants.
  bitmap_->map.iterate(
      [](std::uint64_t number, void* context) {
        Walk& at = *static_cast<Walk*>(context);
        at.batch.push_back(number);
        if (at.batch.size() < at.batch_max) return true;
        at.status = at.visit(at.batch);
        at.batch.clear();
        return at.status.ok();
      },
      &walk);
  MOORING_RETURN_IF_ERROR(walk.status);
  return walk.batch.empty() ? absl::OkStatus() : visit(walk.batch);
}

}  // namespace mooring::storage
