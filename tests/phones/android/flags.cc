#include "tests/phones/android/flags.h"

#include <fmt/format.h>

namespace mooring::testing::android {

absl::StatusOr<Flags> Flags::Parse(const std::vector<std::string>& arguments,
                                   std::string_view spec) {
  Flags flags;
  const std::string_view letters = spec.substr(0, spec.find('('));
  const auto unknown = [&](std::string_view option) {
    return absl::InvalidArgumentError(
        fmt::format("Unknown option '{}' (see \"{} --help\")", option, arguments[0]));
  };
  bool only_operands = false;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (only_operands || word.size() < 2 || word[0] != '-') {
      flags.operands_.push_back(word);
      continue;
    }
    if (word == "--") {
      only_operands = true;
      continue;
    }
    if (word.starts_with("--")) {
      const std::size_t equals = word.find('=');
      const std::string name = word.substr(2, equals == std::string::npos ? equals : equals - 2);
      const bool takes = spec.find(fmt::format("({}=)", name)) != std::string_view::npos;
      if (!takes && spec.find(fmt::format("({})", name)) == std::string_view::npos) {
        return unknown(name);
      }
      std::vector<std::string>& values = flags.values_[name];
      if (!takes) {
        values.emplace_back();
      } else if (equals != std::string::npos) {
        values.push_back(word.substr(equals + 1));
      } else if (++i < arguments.size()) {
        values.push_back(arguments[i]);
      } else {
        return absl::InvalidArgumentError(fmt::format("Missing argument to --{}", name));
      }
      continue;
    }
    for (std::size_t at = 1; at < word.size(); ++at) {
      const std::size_t letter = letters.find(word[at]);
      if (letter == std::string_view::npos || word[at] == ':') return unknown(word.substr(at, 1));
      const bool takes = letter + 1 < letters.size() && letters[letter + 1] == ':';
      std::vector<std::string>& values = flags.values_[word.substr(at, 1)];
      if (!takes) {
        values.emplace_back();
        continue;
      }
      if (at + 1 < word.size()) {
        values.push_back(word.substr(at + 1));
      } else if (++i < arguments.size()) {
        values.push_back(arguments[i]);
      } else {
        return absl::InvalidArgumentError(fmt::format("Missing argument to -{}", word[at]));
      }
      break;
    }
  }
  return flags;
}

std::string Flags::Get(std::string_view name, std::string_view otherwise) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? std::string(otherwise) : found->second.back();
}

std::vector<std::string> Flags::All(std::string_view name) const {
  const auto found = values_.find(std::string(name));
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

}  // namespace mooring::testing::android
