// The adb server's list of phones (`host:devices-l`), read.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace mooring::agent {

// Longest list that is read.
inline constexpr std::size_t kAdbListBytesMax = 0xffff;

enum class AdbState {
  kDevice,        // Usable.
  kOffline,       // The server sees it, the phone does not answer.
  kUnauthorized,  // Its owner has not allowed this computer.
  kAuthorizing,   // The answer is being checked.
  kConnecting,
  kNoPermissions,  // This computer's user may not open the USB device (udev).
  kRecovery,
  kSideload,
  kBootloader,
  kRescue,
  kOther,
};

struct AdbListed {
  // What adb calls it: the USB serial number, or host:port. May be shared by
  // cheap phones, and is empty for one that tells none.
  std::string serial;
  AdbState state = AdbState::kOther;
  // Where it is plugged in, for example 1-2; empty over TCP.
  std::string usb_path;
  std::string model;
  // Addresses the phone for as long as it stays attached; 0 if not told.
  std::uint64_t transport_id = 0;

  bool operator==(const AdbListed&) const = default;
};

// Lines that make no sense are left out; kInvalidArgument only for a list that
// is too long.
absl::StatusOr<std::vector<AdbListed>> ParseAdbList(std::string_view text);

}  // namespace mooring::agent
