// plist_guard: checks a property list before libplist may see it.
//
// libplist copies a shared object at every reference and recurses without a
// limit: 300 bytes can ask it for gigabytes, and deep nesting for its stack.
// The guard reads the bytes itself, allocates in proportion to the number of
// objects alone, and lets pass only what libplist can hold.
//
// Formats: Apple's binary property list "bplist00" (CFBinaryPList.c) and the
// XML form of PropertyList-1.0.dtd. The old ASCII form is refused.

#pragma once

#include <cstdint>

#include <absl/status/status.h>

#include "storage/base/bytes.h"

namespace mooring::agent {

struct PlistLimits {
  std::uint64_t bytes_max = std::uint64_t{8} << 20;
  std::uint32_t depth_max = 64;
  std::uint64_t objects_max = 200'000;
  // Objects, and bytes of strings and data, once every reference is a copy.
  std::uint64_t expanded_objects_max = 1'000'000;
  std::uint64_t expanded_bytes_max = std::uint64_t{64} << 20;
};

// OK when libplist may parse `bytes`. kInvalidArgument says what is wrong.
absl::Status CheckPlist(ByteView bytes, const PlistLimits& limits);

bool IsBinaryPlist(ByteView bytes);

// The two forms; CheckPlist chooses between them.
absl::Status CheckBinaryPlist(ByteView bytes, const PlistLimits& limits);
absl::Status CheckXmlPlist(ByteView bytes, const PlistLimits& limits);

}  // namespace mooring::agent
