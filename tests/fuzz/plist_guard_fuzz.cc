// Property lists from a phone: what the guard lets pass, libplist must survive.

#include "agent/ios/plist.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const mooring::ByteView bytes{reinterpret_cast<const std::byte*>(data), size};
  // Small limits: the fuzzer's time and memory are small as well.
  const mooring::agent::PlistLimits limits{.bytes_max = 1 << 20,
                                           .depth_max = 64,
                                           .objects_max = 10'000,
                                           .expanded_objects_max = 50'000,
                                           .expanded_bytes_max = 4 << 20};
  const auto plist = mooring::agent::Plist::Parse(bytes, limits);
  if (plist.ok()) (void)plist->ToBinary();
  return 0;
}
