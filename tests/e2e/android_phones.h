// AndroidPhones: simulated Android phones on a farm of a Deployment, and the
// genuine adb server between them and its agents, on a port of its own.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/deployment.h"

namespace mooring::testing {

class AndroidPhones {
 public:
  // Starts both. `words` are options of simulated-android.
  AndroidPhones(Deployment& deployment, const std::string& farm,
                const std::vector<std::string>& words);
  ~AndroidPhones();
  AndroidPhones(const AndroidPhones&) = delete;
  AndroidPhones& operator=(const AndroidPhones&) = delete;

  // One command of its control socket, for example {"authorize", "0"}.
  RunResult Control(std::vector<std::string> words);
  // The same, parsed; null and a failed EXPECT if the simulator refuses it.
  Json ControlJson(const std::vector<std::string>& words);
  // Serial numbers in the order in which the phones were made.
  std::vector<std::string> Serials();
  // What the simulator says of the phone: bytes on the wire, whether it is attached.
  Json State(const std::string& serial);
  // "sha256 size path" of every file that a backup takes, sorted.
  std::string Content(const std::string& serial);
  // What the phones held against their host, one a line.
  std::string Violations();

 private:
  RunResult Adb(const std::string& command);

  const std::string control_;
  const std::string home_;
  const std::string socket_;
  std::unique_ptr<Background> simulator_;
};

}  // namespace mooring::testing
