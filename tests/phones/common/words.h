// The words of a command on a control socket, and the frame of its answer.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace mooring::testing {

std::vector<std::string> SplitWords(std::string_view line);
// The words from `from` on with a space between.
std::string JoinWords(const std::vector<std::string>& words, std::size_t from);
// KEY=VALUE words from `from` on, numbers alone.
absl::StatusOr<std::map<std::string, std::uint64_t>> ParseNumbers(
    const std::vector<std::string>& words, std::size_t from);

// {"ok":true<result>} or {"ok":false,"error":"..."}, without a line end. A result is empty
// or JSON members that begin with a comma.
std::string CommandAnswer(const absl::StatusOr<std::string>& result);

}  // namespace mooring::testing
