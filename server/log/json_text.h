// JsonText: one string as a JSON literal, for log lines and audit details.

#pragma once

#include <string>
#include <string_view>

namespace mooring::server {

// With its quotes. Everything outside printable ASCII is escaped; bytes that are
// not UTF-8 become U+FFFD. Cut after `bytes_max` bytes of input, with "..." behind.
std::string JsonText(std::string_view text, std::size_t bytes_max = 512);

}  // namespace mooring::server
