// Resolve: from what a person types to an id. In full, an id is 32 hexadecimal
// characters; tables show the first 12; six that only one has are enough.

#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "admin/cli/connection.h"

namespace mooring::admin {

inline constexpr std::size_t kIdPrefixMin = 6;

// `list` gives every id (16 bytes each) and is asked only for a prefix.
// kInvalidArgument: not an id, too short, or several begin so. kNotFound: none does.
absl::StatusOr<std::string> ResolveId(
    std::string_view text, std::string_view noun,
    const std::function<absl::StatusOr<std::vector<std::string>>()>& list);

// Ids as bytes.
absl::StatusOr<std::string> ResolveInvitation(Connection& connection, std::string_view text);
// By id, or by a host name that one agent alone has.
absl::StatusOr<std::string> ResolveAgent(Connection& connection, std::string_view text);
absl::StatusOr<std::string> ResolveSnapshot(Connection& connection, std::string_view text);
absl::StatusOr<std::string> ResolveRequest(Connection& connection, std::string_view text);
absl::StatusOr<std::string> ResolveRestore(Connection& connection, std::string_view text);

// What the server takes for a device: UDID, serial number, or the id in full.
absl::StatusOr<std::string> ResolveDevice(Connection& connection, const std::string& text);

}  // namespace mooring::admin
