// Frames of the sync service: stats, listings, contents, refusals. The first
// byte chooses the version and the request.

#include "agent/android/adb_sync.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/scripted_adb_stream.h"

namespace agent = mooring::agent;

namespace {

void Ask(agent::SyncConnection& sync, int request, std::size_t size) {
  std::size_t taken = 0;
  switch (request) {
    case 0:
      sync.Stat({}, "/a").status().IgnoreError();
      return;
    case 1:
      sync.List({}, "/a",
                [&](std::string_view name, const agent::AdbStat&) {
                  MOORING_CHECK(!name.empty() && name != "." && name != "..");
                  MOORING_CHECK(name.find('/') == std::string_view::npos);
                  MOORING_CHECK(name.size() <= agent::kAdbNameBytesMax);
                  return absl::OkStatus();
                })
          .IgnoreError();
      return;
    case 2:
      sync.Receive({}, "/a",
                   [&](mooring::ByteView piece) {
                     taken += piece.size();
                     return absl::OkStatus();
                   })
          .IgnoreError();
      MOORING_CHECK(taken <= size);
      return;
    default:
      sync.Send({}, "/a", {},
                [&](std::span<std::byte>) -> absl::StatusOr<std::size_t> {
                  return std::exchange(taken, 1) == 0 ? 8U : 0U;
                })
          .IgnoreError();
      return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string script(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool opened = false;
  agent::AdbFeatures features;
  if ((data[0] & 4U) != 0) features = {"stat_v2", "ls_v2"};
  agent::SyncConnection sync(
      [&](const mooring::OpContext&) -> absl::StatusOr<std::unique_ptr<agent::AdbStream>> {
        if (std::exchange(opened, true)) return agent::AdbClosed();
        return std::make_unique<mooring::testing::ScriptedAdbStream>(script);
      },
      features);
  Ask(sync, data[0] & 3, script.size());
  return 0;
}
