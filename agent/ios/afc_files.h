// Files of a phone's media area over AFC.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/ios/imd.h"
#include "storage/base/bytes.h"

namespace mooring::agent {

// Entries that one directory may list.
inline constexpr std::size_t kAfcEntriesMax = 1'000'000;

struct AfcInfo {
  bool is_directory = false;
  bool is_regular = false;
  std::uint64_t size_bytes = 0;
  std::int64_t modified_unix_ns = 0;
};

// kNotFound: no such file.
absl::StatusOr<AfcInfo> StatAfc(afc_client_t afc, const std::string& path);
// Names without . and .., each one component, sorted.
absl::StatusOr<std::vector<std::string>> ListAfc(afc_client_t afc, const std::string& path);
// Streams a file in order.
absl::Status StreamAfc(afc_client_t afc, const std::string& path,
                       absl::FunctionRef<absl::Status(ByteView)> sink);
// The whole file. kOutOfRange: longer than `bytes_max`.
absl::StatusOr<Bytes> ReadAfcFile(afc_client_t afc, const std::string& path,
                                  std::uint64_t bytes_max);
// Replaces the file.
absl::Status WriteAfcFile(afc_client_t afc, const std::string& path, ByteView bytes);

}  // namespace mooring::agent
