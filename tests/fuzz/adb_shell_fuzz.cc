// Packets of a command. The first byte says whether the host writes first.

#include "agent/android/adb_shell.h"
#include "storage/base/check.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/scripted_adb_stream.h"

namespace agent = mooring::agent;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  agent::ShellStream shell(std::make_unique<mooring::testing::ScriptedAdbStream>(
      std::string(reinterpret_cast<const char*>(data) + 1, size - 1)));
  if ((data[0] & 1U) != 0) shell.Write({}, mooring::AsBytes("list")).IgnoreError();
  mooring::Bytes piece(100);
  std::size_t taken = 0;
  while (true) {
    const auto count = shell.Read({}, piece);
    if (!count.ok() || *count == 0) break;
    taken += *count;
  }
  MOORING_CHECK(taken <= size);
  const auto exit = shell.Finish({});
  if (exit.ok()) MOORING_CHECK(exit->errors.size() <= agent::kShellErrorBytesMax);
  return 0;
}
