#include "agent/android/phone_identity.h"

#include <algorithm>
#include <array>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include "agent/android/phone_text.h"
#include "agent/device/cause.h"
#include "storage/base/status.h"
#include "storage/seal/digest.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kAnswerBytesMax = 4096;
constexpr std::size_t kSerialBytesMin = 6;
constexpr std::size_t kSerialBytesMax = 64;
constexpr std::size_t kPlatformIdDigits = 16;
constexpr std::size_t kSuffixDigits = 8;

// In lower case.
constexpr std::array<std::string_view, 8> kShared = {
    "0123456789abcdef", "123456789abcdef", "1234567890abcdef", "0123456789",
    "1234567890",       "unknown",         "00000000",         "abcdef0123456789"};

bool IsPlain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return absl::ascii_isalnum(byte) || c == '-' || c == '_' || c == '.';
  });
}

absl::StatusOr<std::string> Ask(const OpContext& ctx, AdbDevice& device, std::string_view command) {
  MOORING_ASSIGN_OR_RETURN(const ShellResult result,
                           RunShell(ctx, device, command, kAnswerBytesMax));
  if (result.exit.status != 0) return std::string();
  return CleanPhoneText(result.output, kSerialBytesMax);
}

}  // namespace

bool IsDistinctiveSerial(std::string_view serial) {
  if (serial.size() < kSerialBytesMin || serial.size() > kSerialBytesMax || !IsPlain(serial)) {
    return false;
  }
  const std::string lower = absl::AsciiStrToLower(ToAbsl(serial));
  // What adb makes up for phones that it reaches over a network.
  if (absl::StartsWith(lower, "emulator-") || absl::StrContains(lower, "._adb")) return false;
  if (std::find(kShared.begin(), kShared.end(), lower) != kShared.end()) return false;
  return std::any_of(lower.begin(), lower.end(), [&](char c) { return c != lower.front(); });
}

std::string PlatformIdOf(std::string_view android_id) {
  if (android_id.size() < 8 || !IsPlain(android_id) || android_id == "unknown") return "";
  return ToHex(storage::Sha256(AsBytes(fmt::format("mooring platform id:{}", android_id))))
      .substr(0, kPlatformIdDigits);
}

std::string IdentityOf(std::string_view serial, std::string_view platform_id) {
  if (IsDistinctiveSerial(serial)) return std::string(serial);
  if (platform_id.size() < kSuffixDigits) return "";
  std::string name(serial.substr(0, kSerialBytesMax - kSuffixDigits - 1));
  if (name.empty() || !IsPlain(name)) name = "android";
  return fmt::format("{}-{}", name, platform_id.substr(0, kSuffixDigits));
}

absl::StatusOr<std::string> AskPlatformId(const OpContext& ctx, AdbDevice& device) {
  MOORING_ASSIGN_OR_RETURN(const std::string id,
                           Ask(ctx, device, "settings get secure android_id"));
  return PlatformIdOf(id);
}

absl::StatusOr<std::string> IdentifyPhone(const OpContext& ctx, AdbDevice& device) {
  MOORING_ASSIGN_OR_RETURN(const std::string serial, Ask(ctx, device, "getprop ro.serialno"));
  if (IsDistinctiveSerial(serial)) return serial;
  MOORING_ASSIGN_OR_RETURN(const std::string platform_id, AskPlatformId(ctx, device));
  std::string identity = IdentityOf(serial, platform_id);
  if (!identity.empty()) return identity;
  return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR,
                 "the phone has neither a serial number of its own nor an id of its platform",
                 "This phone cannot be told from others, so it cannot be backed up");
}

}  // namespace mooring::agent
