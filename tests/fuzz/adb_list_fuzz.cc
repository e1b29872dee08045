// The adb server's list of phones.

#include "agent/android/adb_list.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace agent = mooring::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto list = agent::ParseAdbList({reinterpret_cast<const char*>(data), size});
  if (!list.ok()) return 0;
  for (const agent::AdbListed& listed : *list) {
    MOORING_CHECK(listed.serial.size() <= 256);
    MOORING_CHECK(listed.serial.find_first_of(" \t\n") == std::string::npos);
  }
  return 0;
}
