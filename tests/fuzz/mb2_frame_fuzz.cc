// The file stream of an upload: lengths, paths, block codes.

#include "agent/ios/mb2_transfer.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/fake_snapshot.h"
#include "tests/support/scripted_phone.h"

namespace agent = mooring::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  mooring::testing::ScriptedPhone phone({reinterpret_cast<const char*>(data), size});
  mooring::testing::FakeSnapshot snapshot;
  mooring::ManualClock clock(absl::UnixEpoch());
  agent::BackupFiles files(snapshot, clock, 1 << 20);
  agent::TransferCounts counts;
  agent::ReceiveFiles({}, phone, "U", files, counts, [](std::uint64_t, std::uint64_t) {
  }).IgnoreError();
  for (const auto& [path, bytes] : snapshot.files) {
    MOORING_CHECK(path.rfind("full/", 0) == 0 && path.find("..") == std::string::npos);
  }
  MOORING_CHECK(counts.bytes <= size);
  return 0;
}
