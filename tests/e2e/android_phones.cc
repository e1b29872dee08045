#include "tests/e2e/android_phones.h"

#include <sys/stat.h>

#include <utility>

#include <gtest/gtest.h>

#include "tests/phones/common/free_port.h"

namespace mooring::testing {

AndroidPhones::AndroidPhones(Deployment& deployment, const std::string& farm,
                             const std::vector<std::string>& words)
    : control_(deployment.path() + "/" + farm + ".androids"),
      home_(deployment.path() + "/" + farm + ".home"),
      socket_("tcp:" + std::to_string(FreePort())) {
  mkdir(home_.c_str(), 0700);
  const RunResult started = Adb("start-server");
  EXPECT_EQ(started.exit_code, 0) << started.err;
  deployment.SetAdbServer(farm, socket_);
  std::vector<std::string> argv = {Deployment::Binary("simulated-android"),
                                   "--control",
                                   control_,
                                   "--temp-dir",
                                   home_,
                                   "--adb-server-port",
                                   socket_.substr(4)};
  argv.insert(argv.end(), words.begin(), words.end());
  simulator_ =
      std::make_unique<Background>(argv, Environment{}, control_ + ".out", control_ + ".log");
  EXPECT_TRUE(Eventually([&] { return Control({"list"}).exit_code == 0; }, absl::Seconds(20)))
      << ReadText(control_ + ".log");
}

AndroidPhones::~AndroidPhones() {
  simulator_.reset();
  Adb("kill-server");
}

RunResult AndroidPhones::Adb(const std::string& command) {
  return RunProgram({"adb", "-L", socket_, command}, {{"HOME", home_}, {"TMPDIR", home_}});
}

RunResult AndroidPhones::Control(std::vector<std::string> words) {
  std::vector<std::string> argv = {Deployment::Binary("simulated-android"), "--ctl", control_};
  argv.insert(argv.end(), words.begin(), words.end());
  return RunProgram(argv);
}

std::vector<std::string> AndroidPhones::Serials() {
  const Json listed = Json::parse(Control({"list"}).out, nullptr, false);
  std::vector<std::string> serials;
  if (!listed.is_object()) return serials;
  for (const Json& phone : listed.value("phones", Json::array())) {
    serials.push_back(phone.value("serial", ""));
  }
  return serials;
}

}  // namespace mooring::testing
