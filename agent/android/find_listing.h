// FindListing: reads what `find DIR -printf '%M\t%s\t%T@\t%i\t%P\0'` prints, as
// it comes. One pass of it lists a whole phone: a hundred thousand files in a
// second, where asking for each directory takes a round trip each.
//
// Format: toybox and GNU find; the mode as in `ls -l` (type and permissions),
// the size, the time of modification in seconds with a fraction, the inode and
// the path below DIR, which may hold any byte but NUL.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "storage/base/bytes.h"

namespace mooring::agent {

// What find must print; give it to -printf in quotes.
inline constexpr std::string_view kFindFormat = R"(%M\t%s\t%T@\t%i\t%P\0)";

enum class PhoneFileType { kFile, kDirectory, kSymlink, kOther };

struct FoundFile {
  PhoneFileType type = PhoneFileType::kOther;
  std::uint32_t mode = 0;  // Permission bits alone.
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix_ns = 0;
  std::uint64_t inode = 0;
  std::string_view path;  // Below the listed directory; empty for itself.
};

// Bounded by one record. Thread-compatible.
class FindListing {
 public:
  using Sink = absl::FunctionRef<absl::Status(const FoundFile&)>;

  // Takes the next bytes and hands every whole record to `sink`, whose error
  // ends it. kInvalidArgument: a record that find does not print.
  absl::Status Feed(ByteView bytes, Sink sink);
  // OK if the output ended with a whole record.
  absl::Status Finish() const;

 private:
  std::string rest_;
};

// One record without its NUL. kInvalidArgument says what is wrong, not the name.
absl::Status ParseFound(std::string_view record, FoundFile& found);

}  // namespace mooring::agent
