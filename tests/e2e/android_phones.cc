#include "tests/e2e/android_phones.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <utility>

#include <gtest/gtest.h>

namespace mooring::testing {
namespace {

std::string FreePort() {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(listener);
  return std::to_string(ntohs(address.sin_port));
}

}  // namespace

AndroidPhones::AndroidPhones(Deployment& deployment, const std::string& farm,
                             const std::vector<std::string>& words)
    : control_(deployment.path() + "/" + farm + ".androids"),
      home_(deployment.path() + "/" + farm + ".home"),
      socket_("tcp:" + FreePort()) {
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
