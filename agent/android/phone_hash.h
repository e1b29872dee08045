// PhoneHash: SHA-256 of files as the phone computes it, which costs it a read
// and the cable nothing.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>

#include "agent/android/adb_device.h"
#include "storage/base/op_context.h"
#include "storage/seal/digest.h"

namespace mooring::agent {

struct HashedFile {
  std::string_view path;
  storage::Sha256Digest sha256{};
};

// One line of sha256sum ("HEX  NAME"); nullopt for anything else.
std::optional<HashedFile> ParseHashLine(std::string_view line);

// Hashes files below `directory` on the phone, given by their paths below it.
// `visit` is called for those that it could read, by their index. kUnimplemented:
// the phone has no sha256sum.
absl::Status HashOnPhone(const OpContext& ctx, AdbDevice& device, std::string_view directory,
                         const std::vector<std::string>& paths,
                         absl::FunctionRef<void(std::size_t, const storage::Sha256Digest&)> visit);

}  // namespace mooring::agent
