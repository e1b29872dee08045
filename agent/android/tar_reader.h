// TarReader: a tar stream as toybox and GNU tar write it, taken apart as it
// comes: ustar headers, GNU long names ('L', 'K'), sizes in base 256, pax
// headers (path and size). Nothing is joined to a path of this computer: names
// are only handed on, and it is for the taker to know which ones it asked for.
//
// Source of the format: POSIX.1-2017 pax, "ustar interchange format"; GNU tar
// manual, "Basic Tar Format".

#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>

#include "storage/base/bytes.h"

namespace mooring::agent {

// One member of a stream.
struct TarMember {
  std::string name;
  char type = '0';  // '0' for a regular file, '5' for a directory.
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix_s = 0;
  std::uint32_t mode = 0;

  bool is_file() const { return type == '0'; }
};

// Takes what a stream holds, in order. An error ends the reading.
class TarSink {
 public:
  virtual ~TarSink() = default;
  virtual absl::Status BeginMember(const TarMember& member) = 0;
  virtual absl::Status Content(ByteView bytes) = 0;
  virtual absl::Status EndMember() = 0;
};

// Bounded by one header and one name. Thread-compatible.
class TarReader {
 public:
  explicit TarReader(TarSink& sink) : sink_(sink) {}

  // kInvalidArgument: not a tar stream, or one that lies about itself.
  absl::Status Feed(ByteView bytes);
  // OK if the stream ended where one may: after a member or the end blocks.
  absl::Status Finish() const;

 private:
  static constexpr std::size_t kBlockBytes = 512;

  enum class State { kHeader, kContent, kPadding, kName, kEnd };

  // Each takes from the front of `bytes` and says how much.
  std::size_t FillHeader(ByteView bytes);
  absl::Status TakeHeader();
  absl::Status TakeExtension(char type, std::uint64_t size);
  absl::Status TakePax();
  absl::Status EndContent();
  std::string NameOf() const;

  TarSink& sink_;
  State state_ = State::kHeader;
  std::array<std::byte, kBlockBytes> header_{};
  std::size_t header_bytes_ = 0;
  std::uint64_t left_ = 0;     // Of content or extension.
  std::uint64_t padding_ = 0;  // After it.
  char extension_ = 0;
  std::string extension_text_;
  std::string long_name_;
  std::uint64_t pax_size_ = 0;
  bool has_pax_size_ = false;
};

}  // namespace mooring::agent
