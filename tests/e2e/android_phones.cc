#include "tests/e2e/android_phones.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "agent/android/storage_rules.h"
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

Json AndroidPhones::ControlJson(const std::vector<std::string>& words) {
  const RunResult result = Control(words);
  EXPECT_EQ(result.exit_code, 0) << words.front() << "\n" << result.out << result.err;
  Json json = Json::parse(result.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << words.front() << " did not print JSON:\n" << result.out;
  return json;
}

std::vector<std::string> AndroidPhones::Serials() {
  std::vector<std::string> serials;
  const Json list = ControlJson({"list"});
  for (const Json& phone : list["phones"]) serials.push_back(phone.value("serial", ""));
  return serials;
}

Json AndroidPhones::State(const std::string& serial) {
  return ControlJson({"state", serial}).value("phone", Json::object());
}

std::string AndroidPhones::Content(const std::string& serial) {
  std::vector<std::string> lines;
  const Json dump = ControlJson({"dump", serial});
  for (const Json& file : dump["files"]) {
    const std::string path = file.value("path", "");
    const std::string hash = file.value("sha256", "");
    // Below /sdcard, or below /storage/CARD.
    const std::size_t root = path.compare(0, 9, "/storage/") == 0 ? 9 : 1;
    if (hash.empty() || agent::IsSkippedPath(path.substr(path.find('/', root) + 1))) continue;
    lines.push_back(hash + " " + std::to_string(file.value("size", std::uint64_t{0})) + " " + path);
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

std::string AndroidPhones::Violations() {
  std::string text;
  const Json list = ControlJson({"list"});
  for (const Json& phone : list["phones"]) {
    for (const Json& violation : phone["violations"]) text += violation.dump() + "\n";
  }
  return text;
}

}  // namespace mooring::testing
