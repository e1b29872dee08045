// What phones print: properties, battery, users, space.

#include "agent/android/phone_text.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace agent = mooring::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  MOORING_CHECK(agent::ParseProperties(text).size() <= 10'000);
  const auto percent = agent::ParseBatteryPercent(text);
  MOORING_CHECK(!percent || (*percent >= 0 && *percent <= 100));
  MOORING_CHECK(agent::ParseUsers(text).size() <= 100);
  const auto space = agent::ParseSpace(text);
  MOORING_CHECK(!space || space->used_bytes <= space->total_bytes);
  (void)agent::HasDeviceOwner(text);
  (void)agent::ParseScreenLocked(text);
  const std::string clean = agent::CleanPhoneText(text, 64);
  MOORING_CHECK(clean.size() <= 64 && clean.find('\n') == std::string::npos);
  return 0;
}
