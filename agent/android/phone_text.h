// What phones print, read: properties, battery, users, free space. Text of a
// phone is hostile: every reader is bounded and takes what is not understood for
// not said.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mooring::agent {

using Properties = std::map<std::string, std::string, std::less<>>;

// Of `getprop`: "[name]: [value]" lines; a value may hold line feeds. At most
// 10,000 properties.
Properties ParseProperties(std::string_view text);
// Empty if there is none.
std::string PropertyOf(const Properties& properties, std::string_view name);

// Of `dumpsys battery`: percent; nullopt if it does not say.
std::optional<int> ParseBatteryPercent(std::string_view text);

struct PhoneUser {
  int id = 0;
  bool is_work_profile = false;
  bool is_running = false;

  bool operator==(const PhoneUser&) const = default;
};
// Of `pm list users`: "UserInfo{10:Name:1030} running". At most 100; names are dropped.
std::vector<PhoneUser> ParseUsers(std::string_view text);

struct PhoneSpace {
  std::uint64_t total_bytes = 0;
  std::uint64_t used_bytes = 0;
};
// Of `df -k PATH`: the last line with its numbers.
std::optional<PhoneSpace> ParseSpace(std::string_view text);

// Of `dumpsys device_policy`: the phone has a device owner, so the company
// manages all of it.
bool HasDeviceOwner(std::string_view text);

// Of `dumpsys trust`: the screen of the first user is locked; nullopt if it does
// not say.
std::optional<bool> ParseScreenLocked(std::string_view text);

// The first line of `text`, at most `bytes_max` of it, as CleanText
// (proto/plain_text.h) leaves it.
std::string CleanPhoneText(std::string_view text, std::size_t bytes_max);

}  // namespace mooring::agent
