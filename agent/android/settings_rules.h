// Which of a phone's settings are captured and may be set on another phone: an
// allow-list. Most settings belong to the one phone that they are of.

#pragma once

#include <map>
#include <string>
#include <string_view>

namespace mooring::agent {

inline constexpr std::string_view kSettingsNamespaces[] = {"system", "secure", "global"};

// Whether `value` of `key` in `space` is one that we capture and set: a key of
// the list and a value of its kind.
bool IsAllowedSetting(std::string_view space, std::string_view key, std::string_view value);

// The allowed settings in what `settings list SPACE` printed, lines of KEY=VALUE.
// A key that stands there twice is left out: one of them is forged.
std::map<std::string, std::string> ParseSettings(std::string_view space, std::string_view output);

}  // namespace mooring::agent
