#include "storage/repository/roaring_check.h"

#include <bit>
#include <cstring>

namespace mooring::storage {
namespace {

constexpr std::uint32_t kCookieWithoutRuns = 12346;
constexpr std::uint32_t kCookieWithRuns = 12347;
constexpr std::size_t kContainersMax = 1 << 16;
constexpr std::size_t kArrayMax = 4096;
constexpr std::size_t kBitsetBytes = 8192;
// Where a bitmap with runs has fewer containers, it has no offsets.
constexpr std::size_t kOffsetsFrom = 4;

struct Header {
  std::size_t containers = 0;
  ByteView run_flags;  // Empty: no container is of runs.
  std::size_t keys_at = 0;
  std::size_t offsets_at = 0;  // 0: none.
  std::size_t end = 0;
};

std::optional<Header> ParseHeader(ByteView bytes) {
  if (bytes.size() < 8) return std::nullopt;
  Header header;
  const std::uint32_t cookie = LoadLe32(bytes, 0);
  std::size_t at = 4;
  if (cookie == kCookieWithoutRuns) {
    header.containers = LoadLe32(bytes, 4);
    at = 8;
  } else if ((cookie & 0xffff) == kCookieWithRuns) {
    header.containers = (cookie >> 16) + 1;
    const std::size_t flag_bytes = (header.containers + 7) / 8;
    if (bytes.size() - at < flag_bytes) return std::nullopt;
    header.run_flags = bytes.subspan(at, flag_bytes);
    at += flag_bytes;
  } else {
    return std::nullopt;
  }
  if (header.containers > kContainersMax) return std::nullopt;
  header.keys_at = at;
  at += header.containers * 4;
  if (header.run_flags.empty() || header.containers >= kOffsetsFrom) {
    header.offsets_at = at;
    at += header.containers * 4;
  }
  if (at > bytes.size()) return std::nullopt;
  header.end = at;
  return header;
}

// Inline, since this runs for every reference of a mark.
template <typename T>
T LoadNative(ByteView bytes, std::size_t at) {
  static_assert(std::endian::native == std::endian::little);
  T value = 0;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

bool IsAscending(ByteView array, std::size_t count) {
  std::size_t wrong = 0;  // Summed without a branch, so that the compiler can vectorize.
  for (std::size_t i = 1; i < count; ++i) {
    const auto before = LoadNative<std::uint16_t>(array, 2 * i - 2);
    wrong += before >= LoadNative<std::uint16_t>(array, 2 * i) ? 1U : 0U;
  }
  return wrong == 0;
}

std::size_t CountBits(ByteView bitset) {
  std::size_t count = 0;
  for (std::size_t at = 0; at < kBitsetBytes; at += 8) {
    count += static_cast<std::size_t>(std::popcount(LoadNative<std::uint64_t>(bitset, at)));
  }
  return count;
}

// The numbers in `runs` runs, if these ascend without touching; else 0.
std::size_t CountRuns(ByteView bytes, std::size_t runs) {
  std::size_t numbers = 0;
  std::size_t next = 0;  // First start that is good.
  for (std::size_t i = 0; i < runs; ++i) {
    const std::size_t start = LoadNative<std::uint16_t>(bytes, 4 * i);
    const std::size_t length = std::size_t{LoadNative<std::uint16_t>(bytes, 4 * i + 2)} + 1;
    if (start < next || start + length > kContainersMax) return 0;
    next = start + length + 1;
    numbers += length;
  }
  return numbers;
}

// The length of the container at the front of `bytes` that says it holds `numbers`.
std::optional<std::size_t> CheckContainer(ByteView bytes, std::size_t numbers, bool of_runs) {
  if (of_runs) {
    if (bytes.size() < 2) return std::nullopt;
    const std::size_t runs = LoadLe16(bytes, 0);
    const std::size_t length = 2 + 4 * runs;
    if (bytes.size() < length || CountRuns(bytes.subspan(2), runs) != numbers) return std::nullopt;
    return length;
  }
  if (numbers <= kArrayMax) {
    if (bytes.size() < 2 * numbers || !IsAscending(bytes, numbers)) return std::nullopt;
    return 2 * numbers;
  }
  if (bytes.size() < kBitsetBytes || CountBits(bytes) != numbers) return std::nullopt;
  return kBitsetBytes;
}

}  // namespace

std::optional<RoaringShape> CheckRoaring(ByteView bytes) {
  const std::optional<Header> header = ParseHeader(bytes);
  if (!header) return std::nullopt;
  RoaringShape shape{.bytes = header->end, .numbers = 0};
  std::uint32_t previous_key = 0;
  for (std::size_t i = 0; i < header->containers; ++i) {
    const std::uint32_t key = LoadLe16(bytes, header->keys_at + 4 * i);
    const std::size_t numbers = std::size_t{LoadLe16(bytes, header->keys_at + 4 * i + 2)} + 1;
    if (i > 0 && key <= previous_key) return std::nullopt;
    previous_key = key;
    if (header->offsets_at != 0 && LoadLe32(bytes, header->offsets_at + 4 * i) != shape.bytes) {
      return std::nullopt;
    }
    const bool of_runs = !header->run_flags.empty() &&
                         (std::to_integer<unsigned>(header->run_flags[i / 8]) >> (i % 8) & 1U) != 0;
    const std::optional<std::size_t> length =
        CheckContainer(bytes.subspan(shape.bytes), numbers, of_runs);
    if (!length) return std::nullopt;
    shape.bytes += *length;
    shape.numbers += numbers;
  }
  return shape;
}

}  // namespace mooring::storage
