#include "agent/ios/plist_guard.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::string_view kMagic = "bplist00";
constexpr std::uint64_t kTrailerBytes = 32;
// Seconds from 2001 that fit any calendar that libplist may use: +-10,000 years.
constexpr double kDateSecondsMax = 3.2e11;

absl::Status Bad(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("property list: {}", what));
}

// What one object is and where its parts lie.
struct Object {
  std::uint8_t kind = 0;            // High nibble of the marker.
  std::uint64_t payload_bytes = 0;  // Of strings and data.
  std::uint64_t refs_offset = 0;    // Arrays and dictionaries: their references.
  std::uint64_t ref_count = 0;
};

constexpr std::uint8_t kAscii = 0x5;
constexpr std::uint8_t kUtf16 = 0x6;
constexpr std::uint8_t kArray = 0xA;
constexpr std::uint8_t kDict = 0xD;

enum class Mark : std::uint8_t { kNew, kOpen, kDone };

// Totals below one object, itself included; saturated at the limits.
struct Totals {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint32_t height = 0;
  Mark mark = Mark::kNew;
};

class BinaryChecker {
 public:
  BinaryChecker(ByteView bytes, const PlistLimits& limits) : bytes_(bytes), limits_(limits) {}

  absl::Status Check() {
    MOORING_RETURN_IF_ERROR(ReadTrailer());
    totals_.resize(object_count_);
    return Walk(root_, 1);
  }

 private:
  std::uint64_t LoadBe(std::uint64_t offset, std::uint32_t size) const {
    std::uint64_t value = 0;
    for (std::uint32_t i = 0; i < size; ++i) {
      value = value << 8 | std::to_integer<std::uint64_t>(bytes_[offset + i]);
    }
    return value;
  }

  absl::Status ReadTrailer() {
    if (bytes_.size() < kMagic.size() + kTrailerBytes + 2) return Bad("too short");
    const std::uint64_t trailer = bytes_.size() - kTrailerBytes;
    offset_size_ = std::to_integer<std::uint32_t>(bytes_[trailer + 6]);
    ref_size_ = std::to_integer<std::uint32_t>(bytes_[trailer + 7]);
    object_count_ = LoadBe(trailer + 8, 8);
    root_ = LoadBe(trailer + 16, 8);
    table_ = LoadBe(trailer + 24, 8);
    if (offset_size_ < 1 || offset_size_ > 8 || ref_size_ < 1 || ref_size_ > 8) {
      return Bad("integer size in the trailer");
    }
    if (object_count_ == 0 || object_count_ > limits_.objects_max) {
      return Bad("number of objects");
    }
    if (root_ >= object_count_) return Bad("root object out of range");
    if (table_ < kMagic.size() + 1 || table_ > trailer ||
        object_count_ > (trailer - table_) / offset_size_) {
      return Bad("offset table out of range");
    }
    return absl::OkStatus();
  }

  // Bytes from `offset` to the end of the object area.
  std::uint64_t Room(std::uint64_t offset) const { return offset < table_ ? table_ - offset : 0; }

  // Reads a count of 15 or more, which follows as an integer object.
  absl::Status ReadLongCount(std::uint64_t& at, std::uint64_t& count) const {
    if (Room(at) < 2) return Bad("count out of range");
    const auto marker = std::to_integer<std::uint8_t>(bytes_[at]);
    const std::uint32_t size = std::uint32_t{1} << (marker & 0x0F);
    if (marker >> 4 != 0x1 || size > 8 || Room(at + 1) < size) return Bad("count is no integer");
    count = LoadBe(at + 1, size);
    at += 1 + size;
    return absl::OkStatus();
  }

  absl::Status CheckDate(std::uint64_t at) const {
    const std::uint64_t bits = LoadBe(at, 8);
    double seconds = 0;
    std::memcpy(&seconds, &bits, sizeof(seconds));
    if (!std::isfinite(seconds) || std::abs(seconds) > kDateSecondsMax) return Bad("date");
    return absl::OkStatus();
  }

  absl::Status ReadScalar(std::uint8_t kind, std::uint8_t low, std::uint64_t at) const {
    std::uint64_t size = 0;
    if (kind == 0x0) {
      if (low != 0x0 && low != 0x8 && low != 0x9) return Bad("unknown constant");
    } else if (kind == 0x1) {
      if (low > 4) return Bad("integer size");
      size = std::uint64_t{1} << low;
    } else if (kind == 0x2) {
      if (low != 2 && low != 3) return Bad("real size");
      size = std::uint64_t{1} << low;
    } else if (kind == 0x3) {
      if (low != 3) return Bad("date size");
      size = 8;
    } else {
      if (low > 7) return Bad("UID size");
      size = std::uint64_t{low} + 1;
    }
    if (Room(at) < size) return Bad("scalar out of range");
    return kind == 0x3 ? CheckDate(at) : absl::OkStatus();
  }

  absl::Status ReadObject(std::uint64_t index, Object& object) const {
    const std::uint64_t offset = LoadBe(table_ + index * offset_size_, offset_size_);
    if (offset < kMagic.size() || Room(offset) < 1) return Bad("object out of range");
    const auto marker = std::to_integer<std::uint8_t>(bytes_[offset]);
    const std::uint8_t low = marker & 0x0F;
    object.kind = static_cast<std::uint8_t>(marker >> 4);
    std::uint64_t at = offset + 1;
    switch (object.kind) {
      case 0x0:
      case 0x1:
      case 0x2:
      case 0x3:
      case 0x8:
        return ReadScalar(object.kind, low, at);
      case 0x4:
      case kAscii:
      case kUtf16:
      case kArray:
      case kDict:
        break;
      default:
        return Bad("unknown object type");
    }
    std::uint64_t count = low;
    if (low == 0x0F) MOORING_RETURN_IF_ERROR(ReadLongCount(at, count));
    if (count > bytes_.size()) return Bad("count out of range");
    const bool holds_refs = object.kind == kArray || object.kind == kDict;
    const std::uint64_t unit = holds_refs ? ref_size_ * (object.kind == kDict ? 2U : 1U)
                                          : (object.kind == kUtf16 ? 2U : 1U);
    if (Room(at) < count * unit) return Bad("object longer than the list");
    if (holds_refs) {
      object.refs_offset = at;
      object.ref_count = object.kind == kDict ? count * 2 : count;
    } else {
      object.payload_bytes = count * unit;
    }
    return absl::OkStatus();
  }

  absl::Status CheckKey(std::uint64_t index) const {
    Object key;
    MOORING_RETURN_IF_ERROR(ReadObject(index, key));
    if (key.kind != kAscii && key.kind != kUtf16) return Bad("dictionary key is no string");
    return absl::OkStatus();
  }

  // Depth-first; the recursion is as deep as the list, hence bounded by depth_max.
  absl::Status Walk(std::uint64_t index, std::uint32_t depth) {
    if (depth > limits_.depth_max) return Bad("nested too deeply");
    if (totals_[index].mark == Mark::kOpen) return Bad("contains itself");
    if (totals_[index].mark == Mark::kDone) {
      return depth + totals_[index].height - 1 > limits_.depth_max ? Bad("nested too deeply")
                                                                   : absl::OkStatus();
    }
    Object object;
    MOORING_RETURN_IF_ERROR(ReadObject(index, object));
    totals_[index].mark = Mark::kOpen;
    Totals sum{.objects = 1, .bytes = object.payload_bytes, .height = 1};
    for (std::uint64_t i = 0; i < object.ref_count; ++i) {
      const std::uint64_t child = LoadBe(object.refs_offset + i * ref_size_, ref_size_);
      if (child >= object_count_) return Bad("reference out of range");
      if (object.kind == kDict && i < object.ref_count / 2)
        MOORING_RETURN_IF_ERROR(CheckKey(child));
      MOORING_RETURN_IF_ERROR(Walk(child, depth + 1));
      sum.objects += totals_[child].objects;
      sum.bytes += totals_[child].bytes;
      sum.height = std::max(sum.height, totals_[child].height + 1);
      // Each addend is within the limits, so the sums cannot wrap.
      if (sum.objects > limits_.expanded_objects_max || sum.bytes > limits_.expanded_bytes_max) {
        return Bad("expands too far");
      }
    }
    if (sum.bytes > limits_.expanded_bytes_max) return Bad("expands too far");
    sum.mark = Mark::kDone;
    totals_[index] = sum;
    return absl::OkStatus();
  }

  const ByteView bytes_;
  const PlistLimits limits_;
  std::uint32_t offset_size_ = 0;
  std::uint32_t ref_size_ = 0;
  std::uint64_t object_count_ = 0;
  std::uint64_t root_ = 0;
  std::uint64_t table_ = 0;
  std::vector<Totals> totals_;
};

}  // namespace

bool IsBinaryPlist(ByteView bytes) {
  return AsText(bytes.first(std::min(bytes.size(), kMagic.size()))) == kMagic;
}

absl::Status CheckBinaryPlist(ByteView bytes, const PlistLimits& limits) {
  return BinaryChecker(bytes, limits).Check();
}

absl::Status CheckPlist(ByteView bytes, const PlistLimits& limits) {
  if (bytes.size() > limits.bytes_max) return Bad("larger than allowed");
  return IsBinaryPlist(bytes) ? CheckBinaryPlist(bytes, limits) : CheckXmlPlist(bytes, limits);
}

}  // namespace mooring::agent
