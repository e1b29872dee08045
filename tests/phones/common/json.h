// Just enough JSON to answer on the control socket.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mooring::testing {

// `text`, which is UTF-8, quoted.
std::string JsonText(std::string_view text);
std::string JsonTexts(const std::vector<std::string>& texts);

}  // namespace mooring::testing
