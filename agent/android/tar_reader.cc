#include "agent/android/tar_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

struct Field {
  std::size_t offset;
  std::size_t bytes;
};
constexpr Field kName{0, 100};
constexpr Field kMode{100, 8};
constexpr Field kSize{124, 12};
constexpr Field kTime{136, 12};
constexpr Field kChecksum{148, 8};
constexpr Field kPrefix{345, 155};
constexpr std::size_t kTypeAt = 156;
constexpr std::size_t kMagicAt = 257;
// Path names and pax headers; a phone's paths are shorter by far.
constexpr std::uint64_t kExtensionBytesMax = 64U << 10;
constexpr std::uint64_t kSizeMax = std::uint64_t{1} << 50;

absl::Status Wrong(const char* what) {
  return absl::InvalidArgumentError(std::string("the phone's tar stream: ") + what);
}

std::string_view Text(ByteView header, const Field& field) {
  const std::string_view all = AsText(header.subspan(field.offset, field.bytes));
  return all.substr(0, all.find('\0'));
}

// Octal text, or base 256 where the first bit is set.
std::optional<std::int64_t> Number(ByteView header, const Field& field) {
  const ByteView bytes = header.subspan(field.offset, field.bytes);
  const auto first = static_cast<unsigned char>(bytes[0]);
  if ((first & 0x80U) != 0) {
    const bool negative = (first & 0x40U) != 0;
    std::uint64_t value = negative ? ~std::uint64_t{0} : 0;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      auto byte = static_cast<unsigned char>(bytes[i]);
      if (i == 0) byte = negative ? static_cast<unsigned char>(byte | 0x80U) : byte & 0x7FU;
      // What is shifted out must be sign alone.
      if ((value >> 55U) != (negative ? 0x1FFU : 0U)) return std::nullopt;
      value = (value << 8U) | byte;
    }
    return static_cast<std::int64_t>(value);
  }
  std::uint64_t value = 0;
  bool any = false;
  for (const std::byte byte : bytes) {
    const char c = static_cast<char>(byte);
    if (c == ' ' && !any) continue;
    if (c == ' ' || c == '\0') break;
    if (c < '0' || c > '7' || value >> 58U != 0) return std::nullopt;
    value = value * 8 + static_cast<std::uint64_t>(c - '0');
    any = true;
  }
  return static_cast<std::int64_t>(value);
}

bool ChecksumHolds(ByteView header) {
  const auto expected = Number(header, kChecksum);
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < header.size(); ++i) {
    const bool blank = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.bytes;
    sum += blank ? ' ' : static_cast<unsigned char>(header[i]);
  }
  return expected == sum;
}

std::uint64_t PaddingOf(std::uint64_t size) {
  return (512 - size % 512) % 512;
}

}  // namespace

std::size_t TarReader::FillHeader(ByteView bytes) {
  const std::size_t taken = std::min(bytes.size(), kBlockBytes - header_bytes_);
  std::copy_n(bytes.begin(), taken, header_.begin() + static_cast<std::ptrdiff_t>(header_bytes_));
  header_bytes_ += taken;
  return taken;
}

std::string TarReader::NameOf() const {
  if (!long_name_.empty()) return long_name_;
  const ByteView header(header_);
  std::string name(Text(header, kName));
  // GNU's own magic has no prefix field: other things stand in its place.
  const bool is_posix = std::memcmp(header_.data() + kMagicAt, "ustar\0", 6) == 0;
  const std::string_view prefix = is_posix ? Text(header, kPrefix) : std::string_view();
  return prefix.empty() ? name : std::string(prefix) + "/" + name;
}

absl::Status TarReader::TakeHeader() {
  const ByteView header(header_);
  header_bytes_ = 0;
  if (std::all_of(header.begin(), header.end(), [](std::byte b) { return b == std::byte{0}; })) {
    state_ = State::kEnd;
    return absl::OkStatus();
  }
  if (!ChecksumHolds(header)) return Wrong("a header whose checksum is wrong");
  const auto size = Number(header, kSize);
  const auto time = Number(header, kTime);
  const auto mode = Number(header, kMode);
  if (!size || *size < 0 || static_cast<std::uint64_t>(*size) > kSizeMax || !time || !mode) {
    return Wrong("a header with numbers that are none");
  }
  const char type = static_cast<char>(header[kTypeAt]);
  if (type == 'L' || type == 'K' || type == 'x' || type == 'g') {
    return TakeExtension(type, static_cast<std::uint64_t>(*size));
  }
  TarMember member;
  member.name = NameOf();
  member.type = type == '\0' || type == '7' ? '0' : type;
  member.size_bytes = has_pax_size_ ? pax_size_ : static_cast<std::uint64_t>(*size);
  // Links and directories may carry a size and have no content.
  if (!member.is_file()) member.size_bytes = 0;
  member.modified_unix_s = *time;
  member.mode = static_cast<std::uint32_t>(*mode) & 0777U;
  long_name_.clear();
  has_pax_size_ = false;
  MOORING_RETURN_IF_ERROR(sink_.BeginMember(member));
  left_ = member.size_bytes;
  padding_ = PaddingOf(left_);
  state_ = State::kContent;
  return left_ == 0 ? EndContent() : absl::OkStatus();
}

absl::Status TarReader::TakeExtension(char type, std::uint64_t size) {
  if (size > kExtensionBytesMax) return Wrong("a name longer than any path");
  extension_ = type;
  extension_text_.clear();
  left_ = size;
  padding_ = PaddingOf(size);
  state_ = State::kName;
  return left_ == 0 ? EndContent() : absl::OkStatus();
}

// Lines of "LENGTH KEY=VALUE\n", the length counting the whole line.
absl::Status TarReader::TakePax() {
  std::string_view text = extension_text_;
  while (!text.empty() && text.front() != '\0') {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<std::size_t>(end - text.data());
    if (error != std::errc() || length > text.size() || length < digits + 2) {
      return Wrong("a pax header that is none");
    }
    const std::string_view line = text.substr(digits + 1, length - digits - 2);
    text.remove_prefix(length);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) return Wrong("a pax header that is none");
    const std::string_view value = line.substr(equals + 1);
    if (line.substr(0, equals) == "path") {
      long_name_ = value;
    } else if (line.substr(0, equals) == "size") {
      const auto read = std::from_chars(value.data(), value.data() + value.size(), pax_size_);
      if (read.ec != std::errc() || read.ptr != value.data() + value.size() ||
          pax_size_ > kSizeMax) {
        return Wrong("a pax size that is none");
      }
      has_pax_size_ = true;
    }
  }
  return absl::OkStatus();
}

absl::Status TarReader::EndContent() {
  const bool was_name = state_ == State::kName;
  state_ = padding_ > 0 ? State::kPadding : State::kHeader;
  if (!was_name) return sink_.EndMember();
  if (extension_ == 'x') return TakePax();
  if (extension_ == 'L') long_name_ = extension_text_.substr(0, extension_text_.find('\0'));
  return absl::OkStatus();  // Link targets and global headers say nothing that we use.
}

absl::Status TarReader::Feed(ByteView bytes) {
  while (!bytes.empty()) {
    std::size_t taken = bytes.size();
    switch (state_) {
      case State::kHeader:
        taken = FillHeader(bytes);
        if (header_bytes_ == kBlockBytes) MOORING_RETURN_IF_ERROR(TakeHeader());
        break;
      case State::kContent:
        taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
        left_ -= taken;
        MOORING_RETURN_IF_ERROR(sink_.Content(bytes.first(taken)));
        if (left_ == 0) MOORING_RETURN_IF_ERROR(EndContent());
        break;
      case State::kName:
        taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), left_));
        left_ -= taken;
        extension_text_.append(AsText(bytes.first(taken)));
        if (left_ == 0) MOORING_RETURN_IF_ERROR(EndContent());
        break;
      case State::kPadding:
        taken = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), padding_));
        padding_ -= taken;
        if (padding_ == 0) state_ = State::kHeader;
        break;
      case State::kEnd:
        break;  // Blocks up to the record's end.
    }
    bytes = bytes.subspan(taken);
  }
  return absl::OkStatus();
}

absl::Status TarReader::Finish() const {
  const bool whole = state_ == State::kEnd || (state_ == State::kHeader && header_bytes_ == 0 &&
                                               long_name_.empty() && !has_pax_size_);
  return whole ? absl::OkStatus() : Wrong("it ends in the middle of a member");
}

}  // namespace mooring::agent
