// MBFile: the record that a backup's Manifest.db holds for each file, an
// NSKeyedArchiver archive in a binary property list.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace mooring::testing {

struct MbFile {
  std::string path;
  std::string target;          // Of a symbolic link; else empty.
  std::string encryption_key;  // Class and wrapped key; empty when the backup is not encrypted.
  std::uint64_t size_bytes = 0;
  std::uint32_t mode = 0;
  std::uint32_t inode = 0;
  std::int64_t modified_unix = 0;
  std::uint8_t protection_class = 0;
};

// Repeatable: equal records encode to equal bytes. (The phone's diff rests on it.)
std::string EncodeMbFile(const MbFile& file);

// For records that a host gave back.
absl::StatusOr<MbFile> DecodeMbFile(std::string_view archive);

}  // namespace mooring::testing
