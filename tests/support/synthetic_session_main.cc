// A session process with synthetic phones, for tests of processes. The phone's
// serial says what it holds; a serial that begins with "CRASH" dies half-way.

#include <csignal>

#include "agent/process/session_main.h"
#include "tests/support/synthetic_engine.h"

namespace {

using mooring::agent::Engine;

// "CRASH-<file>-<rest of a synthetic serial>": SIGKILLs itself after that file.
class CrashingEngines final : public mooring::agent::EngineFactory {
 public:
  explicit CrashingEngines(mooring::testing::SyntheticHooks& hooks)
      : hooks_(hooks), engines_(hooks) {}

  absl::StatusOr<std::unique_ptr<Engine>> Make(
      mooring::v1::Platform platform, const std::string& serial,
      const mooring::agent::EngineOptions& options) override {
    if (serial.rfind("CRASH-", 0) != 0) return engines_.Make(platform, serial, options);
    const std::size_t dash = serial.find('-', 6);
    const auto crash_at = static_cast<std::uint32_t>(std::stoul(serial.substr(6, dash - 6)));
    hooks_.after_file = [crash_at](const std::string&, std::uint32_t file) {
      if (file == crash_at) raise(SIGKILL);
      return absl::OkStatus();
    };
    return engines_.Make(platform, serial.substr(dash + 1), options);
  }

 private:
  mooring::testing::SyntheticHooks& hooks_;
  mooring::testing::SyntheticEngines engines_;
};

}  // namespace

int main() {
  mooring::agent::TuneHeap();
  mooring::agent::HardenSessionProcess();
  mooring::SystemClock clock;
  mooring::SystemRandom random;
  mooring::testing::SyntheticHooks hooks;
  CrashingEngines engines(hooks);
  mooring::agent::MessagePipe pipe{mooring::agent::OwnedFd(mooring::agent::kSessionPipeFd)};
  return mooring::agent::RunSessionProcess(pipe, engines, clock, random);
}
