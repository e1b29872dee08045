#include "server/services/device_facts.h"

#include <algorithm>
#include <string>
#include <utility>

#include <absl/strings/ascii.h>

#include "server/services/session_desk.h"

namespace mooring::server {
namespace {

constexpr std::size_t kFactBytesMax = 256;
constexpr std::size_t kAdviceBytesMax = 512;
constexpr int kCapabilitiesMax = 64;
constexpr std::size_t kCapabilityNameBytesMax = 64;
constexpr std::size_t kPlatformIdBytesMax = 64;

bool IsCapabilityName(const std::string& name) {
  return !name.empty() && name.size() <= kCapabilityNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || c == '-';
         });
}

const v1::Capability* FindCapability(const v1::DeviceFacts& facts, const std::string& name) {
  for (const v1::Capability& capability : facts.capabilities()) {
    if (capability.name() == name) return &capability;
  }
  return nullptr;
}

}  // namespace

absl::StatusOr<v1::DeviceFacts> CleanFacts(const v1::DeviceFacts& facts) {
  if (facts.serial().empty() || facts.serial().size() > 128 ||
      CleanMessage(facts.serial()) != facts.serial()) {
    return absl::InvalidArgumentError("a phone without a usable serial number");
  }
  v1::DeviceFacts clean = facts;
  clean.set_name(CleanMessage(facts.name()).substr(0, kFactBytesMax));
  clean.set_model(CleanMessage(facts.model()).substr(0, kFactBytesMax));
  clean.set_os_version(CleanMessage(facts.os_version()).substr(0, kFactBytesMax));
  clean.set_platform_id(CleanMessage(facts.platform_id()).substr(0, kPlatformIdBytesMax));
  clean.clear_capabilities();
  for (const v1::Capability& capability : facts.capabilities()) {
    if (clean.capabilities_size() == kCapabilitiesMax) break;
    if (!IsCapabilityName(capability.name())) continue;
    v1::Capability& kept = *clean.add_capabilities();
    kept.set_name(capability.name());
    kept.set_state(capability.state());
    kept.set_reason(CleanMessage(capability.reason()).substr(0, kAdviceBytesMax));
    kept.set_next_step(CleanMessage(capability.next_step()).substr(0, kAdviceBytesMax));
  }
  return clean;
}

v1::DeviceFacts MergeFacts(const v1::DeviceFacts& before, v1::DeviceFacts now) {
  // What tells it from another phone is never forgotten.
  if (now.model().empty()) now.set_model(before.model());
  if (now.platform_id().empty()) now.set_platform_id(before.platform_id());
  if (now.trusted()) return now;
  if (now.name().empty()) now.set_name(before.name());
  if (now.os_version().empty()) {
    now.set_os_version(before.os_version());
    now.set_sdk(before.sdk());
    now.set_phone_encrypts(before.phone_encrypts());
  }
  if (now.capacity_bytes() == 0) {
    now.set_capacity_bytes(before.capacity_bytes());
    now.set_used_bytes(before.used_bytes());
  }
  for (const v1::Capability& capability : before.capabilities()) {
    if (now.capabilities_size() < kCapabilitiesMax &&
        FindCapability(now, capability.name()) == nullptr) {
      *now.add_capabilities() = capability;
    }
  }
  return now;
}

bool IsDebuggingForbidden(const v1::DeviceFacts& facts, const v1::Policy& policy) {
  if (facts.platform() != v1::PLATFORM_ANDROID) return false;
  if (policy.android().debugging_forbidden()) return true;
  const v1::Capability* const managed = FindCapability(facts, "device-management");
  return managed != nullptr && managed->state() == v1::CAPABILITY_STATE_AVAILABLE;
}

}  // namespace mooring::server
