// Connection strings of libpq, taken apart and put together.

#pragma once

#include <string>

#include <absl/status/statusor.h>

namespace mooring::storage {

// The keyword form of `url` (a postgresql:// URL or a keyword string), with
// timeouts and keep-alives where it names none. kInvalidArgument: neither form.
absl::StatusOr<std::string> ConnectOptions(const std::string& url);

// `url` with another database name, in keyword form.
absl::StatusOr<std::string> WithDatabase(const std::string& url, const std::string& database);

// Host, port and database for messages; never the password.
std::string DescribeDatabase(const std::string& url);

// A postgresql:// URL of a Unix socket.
std::string SocketUrl(const std::string& socket_directory, const std::string& user,
                      const std::string& database);

}  // namespace mooring::storage
