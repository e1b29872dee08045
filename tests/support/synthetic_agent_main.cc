// mooring-agent with synthetic phones, and with folders for phones: the same program, another main.
// The file "phones" in the working directory names the serials that are attached; it is read
// several times a second.

#include <fstream>
#include <set>
#include <string>
#include <thread>

#include "agent/cli/agent_main.h"
#include "tests/support/folder_phone.h"
#include "tests/support/synthetic_engine.h"

namespace {

using mooring::agent::DeviceMonitor;

class FileMonitor final : public DeviceMonitor {
 public:
  explicit FileMonitor(Listener& listener)
      : thread_([&listener](std::stop_token stop) {
          mooring::SystemClock clock;
          std::set<std::string> attached;
          do {
            std::set<std::string> now;
            std::ifstream file("phones");
            for (std::string serial; std::getline(file, serial);) now.insert(serial);
            for (const std::string& serial : now) {
              if (attached.count(serial) == 0) {
                listener.OnAttached({mooring::v1::PLATFORM_IOS, serial});
              }
            }
            for (const std::string& serial : attached) {
              if (now.count(serial) == 0) listener.OnDetached(serial);
            }
            attached = now;
          } while (clock.Sleep(absl::Milliseconds(200), stop));
        }) {}

 private:
  std::jthread thread_;
};

class Engines final : public mooring::agent::EngineFactory {
 public:
  absl::StatusOr<std::unique_ptr<mooring::agent::Engine>> Make(mooring::v1::Platform platform,
                                                               const std::string& serial) override {
    if (serial.starts_with("FOLDER-")) return folders_.Make(platform, serial);
    return synthetic_.Make(platform, serial);
  }

 private:
  mooring::testing::SyntheticHooks hooks_;
  mooring::testing::SyntheticEngines synthetic_{hooks_};
  mooring::testing::FolderPhones folders_;
};

}  // namespace

int main(int argc, char** argv) {
  mooring::SystemClock clock;
  mooring::SystemRandom random;
  Engines engines;
  const auto start = [](DeviceMonitor::Listener& listener)
      -> absl::StatusOr<std::vector<std::unique_ptr<DeviceMonitor>>> {
    std::vector<std::unique_ptr<DeviceMonitor>> monitors;
    monitors.push_back(std::make_unique<FileMonitor>(listener));
    return monitors;
  };
  return mooring::agent::AgentMain(argc, argv, {engines, start}, clock, random);
}
