#include "tests/phones/common/words.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "tests/phones/common/json.h"

namespace mooring::testing {

std::vector<std::string> SplitWords(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : line) {
    if (c != ' ' && c != '\n' && c != '\r') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

std::string JoinWords(const std::vector<std::string>& words, std::size_t from) {
  std::string text;
  for (std::size_t i = from; i < words.size(); ++i) text += (i == from ? "" : " ") + words[i];
  return text;
}

absl::StatusOr<std::map<std::string, std::uint64_t>> ParseNumbers(
    const std::vector<std::string>& words, std::size_t from) {
  std::map<std::string, std::uint64_t> numbers;
  for (std::size_t i = from; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    std::uint64_t value = 0;
    const char* begin = words[i].data() + std::min(equals, words[i].size() - 1) + 1;
    const char* end = words[i].data() + words[i].size();
    if (equals == std::string::npos || std::from_chars(begin, end, value).ptr != end) {
      return absl::InvalidArgumentError(fmt::format("{} is not KEY=NUMBER", words[i]));
    }
    numbers[words[i].substr(0, equals)] = value;
  }
  return numbers;
}

std::string CommandAnswer(const absl::StatusOr<std::string>& result) {
  if (result.ok()) return fmt::format("{{\"ok\":true{}}}", *result);
  return fmt::format("{{\"ok\":false,\"error\":{}}}", JsonText({result.status().message().data(),
                                                                result.status().message().size()}));
}

}  // namespace mooring::testing
