// What find prints, in pieces, and what it complains of.

#include "agent/android/find_listing.h"
#include "agent/android/phone_hash.h"
#include "agent/android/phone_tree_list.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz.h"

namespace agent = mooring::agent;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const mooring::ByteView input = mooring::testing::FuzzInput(data, size);
  agent::FindListing listing;
  std::size_t named = 0;
  const std::size_t half = size / 2;
  for (const mooring::ByteView part : {input.first(half), input.subspan(half)}) {
    const absl::Status fed = listing.Feed(part, [&](const agent::FoundFile& found) {
      named += found.path.size();
      MOORING_CHECK(found.mode <= 0777U);
      return absl::OkStatus();
    });
    if (!fed.ok()) break;
  }
  MOORING_CHECK(named <= size);
  agent::TreeListing complaints;
  agent::TakeFindErrors(mooring::AsText(input), "/sdcard", complaints);
  agent::ParseHashLine(mooring::AsText(input));
  return 0;
}
