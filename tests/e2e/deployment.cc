#include "tests/e2e/deployment.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <sstream>
#include <utility>

#include <gtest/gtest.h>

namespace mooring::testing {
namespace {

std::vector<std::string> Words(std::initializer_list<std::string> first,
                               const std::vector<std::string>& rest) {
  std::vector<std::string> words(first);
  words.insert(words.end(), rest.begin(), rest.end());
  return words;
}

Json Parse(const RunResult& result, const std::vector<std::string>& words) {
  std::string command;
  for (const std::string& word : words) command += " " + word;
  EXPECT_EQ(result.exit_code, 0) << command << "\n" << result.out << result.err;
  Json json = Json::parse(result.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << command << " did not print JSON:\n" << result.out;
  return json;
}

}  // namespace

std::string Deployment::Binary(const std::string& name) {
  return std::string(MOORING_BINARY_DIR) + "/" + name;
}

Deployment::Deployment(const std::string& limits) {
  mkdir((path() + "/agents").c_str(), 0700);
  const RunResult init =
      RunProgram({Binary("mooringd"), "init", "--state-dir", server_dir(), "--organization",
                  "Test Inc.", "--single-admin", "--listen-agents", "127.0.0.1:0",
                  "--listen-enrollment", "127.0.0.1:0", "--listen-metrics", "127.0.0.1:0"});
  EXPECT_EQ(init.exit_code, 0) << init.out << init.err;
  if (!limits.empty()) {
    std::ofstream(server_dir() + "/mooringd.yaml", std::ios::app) << limits;
  }
  StartServer();
}

Deployment::~Deployment() {
  agents_.clear();
  if (server_ != nullptr && server_->running()) StopServer();
  farms_.clear();
  if (::testing::Test::HasFailure()) {
    dir_.Keep();
    std::cerr << "state and logs are kept in " << path() << "\n";
  }
}

void Deployment::StartServer() {
  const std::string out = path() + "/mooringd.out";
  std::ofstream(out, std::ios::trunc).close();
  server_ = std::make_unique<Background>(
      std::vector<std::string>{Binary("mooringd"), "serve", "--state-dir", server_dir()},
      Environment{}, out, path() + "/mooringd.log");
  EXPECT_TRUE(Eventually([&] {
    return !server_->running() || ReadText(out).find("mooringd ready") != std::string::npos;
  })) << ReadText(path() + "/mooringd.log");
  ASSERT_TRUE(server_->running()) << ReadText(path() + "/mooringd.log");
}

bool Deployment::StopServer() {
  server_->Signal(SIGTERM);
  return server_->Wait(absl::Seconds(60)) == 0;
}

RunResult Deployment::Mooring(std::vector<std::string> words, absl::Duration timeout) {
  const Json endpoints = Json::parse(ReadText(server_dir() + "/endpoints.json"), nullptr, false);
  std::string token = ReadText(server_dir() + "/admin-token");
  while (!token.empty() && token.back() == '\n') token.pop_back();
  return RunProgram(Words({Binary("mooring")}, words),
                    {{"MOORING_SERVER", endpoints.value("enrollment", "")},
                     {"MOORING_TOKEN", token},
                     {"MOORING_CA", server_dir() + "/ca.pem"},
                     {"MOORING_CONFIG", path() + "/mooring.yaml"}},
                    "", timeout);
}

Json Deployment::MooringJson(std::vector<std::string> words) {
  words.insert(words.end(), {"-o", "json"});
  return Parse(Mooring(words), words);
}

std::string Deployment::Enroll(const std::string& agent) {
  const Json invite = MooringJson({"agent", "invite", "create", "--uses", "1"});
  const RunResult enrolled =
      RunProgram({Binary("mooring-agent"), "enroll", "--invite", invite.value("token", ""),
                  "--state-dir", agent_dir(agent)});
  EXPECT_EQ(enrolled.exit_code, 0) << enrolled.out << enrolled.err;
  const Json agents = MooringJson({"agent", "list"})["agents"];
  // The newest is this one.
  const auto newest =
      std::max_element(agents.begin(), agents.end(), [](const Json& a, const Json& b) {
        return a.value("enrolled_at", "") < b.value("enrolled_at", "");
      });
  return newest == agents.end() ? "" : newest->value("id", "");
}

void Deployment::StartAgent(const std::string& agent, const std::string& farm) {
  agent_farms_[agent] = farm;
  const std::string socket = agent_dir(agent) + "/agent.sock";
  unlink(socket.c_str());  // Of one that was killed.
  agents_[agent] = std::make_unique<Background>(
      std::vector<std::string>{Binary("mooring-agent"), "run", "--state-dir", agent_dir(agent)},
      FarmEnvironment(farm), path() + "/agent-" + agent + ".out",
      path() + "/agent-" + agent + ".log");
  struct stat st {};
  EXPECT_TRUE(Eventually([&] { return stat(socket.c_str(), &st) == 0; }, absl::Seconds(20)));
}

Background& Deployment::agent(const std::string& agent) {
  return *agents_.at(agent);
}

void Deployment::StopAgent(const std::string& agent) {
  agents_.at(agent)->Signal(SIGTERM);
  EXPECT_EQ(agents_.at(agent)->Wait(absl::Seconds(30)), 0) << "the agent did not stop in order";
  agents_.erase(agent);
}

RunResult Deployment::Agent(const std::string& agent, std::vector<std::string> words) {
  words.insert(words.end(), {"--state-dir", agent_dir(agent)});
  return RunProgram(Words({Binary("mooring-agent")}, words), FarmEnvironment(agent_farms_[agent]));
}

RunResult Deployment::Backup(const std::string& agent, const std::string& serial) {
  return Agent(agent, {"backup", "--device", serial});
}

Environment Deployment::FarmEnvironment(const std::string& farm) const {
  // No adb server but a test's own: Android phones of this machine are none of ours.
  const auto adb = adb_servers_.find(farm);
  return {{"USBMUXD_SOCKET_ADDRESS", "UNIX:" + path() + "/" + farm + ".mux"},
          {"ADB_SERVER_SOCKET", adb != adb_servers_.end()
                                    ? adb->second
                                    : "localfilesystem:" + path() + "/" + farm + ".adb"}};
}

void Deployment::SetAdbServer(const std::string& farm, const std::string& socket) {
  adb_servers_[farm] = socket;
}

void Deployment::StartFarm(const std::string& farm, const std::vector<std::string>& words) {
  farms_[farm] = std::make_unique<Background>(
      Words({Binary("simulated-iphone"), "--socket", path() + "/" + farm + ".mux", "--control",
             path() + "/" + farm + ".ctl"},
            words),
      Environment{}, path() + "/" + farm + ".out", path() + "/" + farm + ".log");
  EXPECT_TRUE(Eventually([&] { return Farm(farm, {"list"}).exit_code == 0; }, absl::Seconds(20)));
}

RunResult Deployment::Farm(const std::string& farm, std::vector<std::string> words) {
  return RunProgram(
      Words({Binary("simulated-iphone"), "--ctl", path() + "/" + farm + ".ctl"}, words));
}

Json Deployment::FarmJson(const std::string& farm, std::vector<std::string> words) {
  return Parse(Farm(farm, words), words);
}

std::vector<std::string> Deployment::Phones(const std::string& farm) {
  std::vector<std::string> serials;
  const Json list = FarmJson(farm, {"list"});
  for (const Json& phone : list["phones"]) {
    serials.push_back(phone.value("udid", ""));
  }
  return serials;
}

std::string Deployment::AddPhone(const std::string& farm, const std::vector<std::string>& words) {
  // A seed of 3 modulo 4 makes a phone of the newest iOS: it can take any backup.
  next_seed_ += 4;
  const std::string serial =
      FarmJson(farm, Words({"add", "seed=" + std::to_string(next_seed_)}, words)).value("udid", "");
  AwaitDevice(serial);
  return serial;
}

std::string Deployment::Violations(const std::string& farm) {
  const Json list = FarmJson(farm, {"list"});
  std::string text;
  for (const Json& violation : list["usbmuxd_violations"]) text += violation.dump() + "\n";
  for (const Json& phone : list["phones"]) {
    for (const Json& violation : phone["violations"]) text += violation.dump() + "\n";
  }
  return text;
}

void Deployment::AwaitDevice(const std::string& serial) {
  EXPECT_TRUE(Eventually([&] {
    return Mooring({"device", "get", serial}).exit_code == 0;
  })) << "the server never saw the phone";
}

void Deployment::Assign(const std::string& serial, const std::string& handle) {
  Mooring({"person", "create", "--handle", handle, "--name", handle});
  const RunResult assigned = Mooring({"device", "assign", serial, "--person", handle});
  EXPECT_EQ(assigned.exit_code, 0) << assigned.out << assigned.err;
}

RunResult Deployment::Restore(const std::string& from, const std::string& to,
                              const std::string& snapshot, absl::Duration timeout) {
  const RunResult asked = Mooring({"restore", "start", "--from", from, "--to", to, "--snapshot",
                                   snapshot, "--reason", "test", "-o", "json"});
  EXPECT_EQ(asked.exit_code, 6) << asked.out << asked.err;
  const Json restore = Json::parse(asked.out, nullptr, false);
  if (restore.is_discarded()) return asked;
  const RunResult approved = Mooring({"request", "approve", restore["request"].value("id", "")});
  EXPECT_EQ(approved.exit_code, 0) << approved.out << approved.err;
  return Mooring({"restore", "status", restore.value("restore_id", ""), "--wait"}, timeout);
}

Json Deployment::LatestSnapshot(const std::string& serial) {
  const Json snapshots = MooringJson({"snapshot", "list", "--device", serial})["snapshots"];
  Json latest;
  for (const Json& snapshot : snapshots) {
    if (latest.is_null() ||
        std::stoull(snapshot.value("sequence", "0")) > std::stoull(latest.value("sequence", "0"))) {
      latest = snapshot;
    }
  }
  return latest;
}

std::string Deployment::Content(const std::string& farm, const std::string& serial) {
  std::vector<std::string> lines;
  const Json dump = FarmJson(farm, {"dump", serial});
  for (const Json& file : dump["files"]) {
    lines.push_back(file.value("sha256", "-") + " " + file.value("domain", "") + "/" +
                    file.value("path", "") + " " + file.value("target", ""));
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace mooring::testing
