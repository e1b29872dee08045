// Bad input and broken ground, as an operator or employee meets them: each with
// a clear message, and nothing lost.

#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/e2e/deployment.h"

namespace mooring::testing {
namespace {

std::string Output(const RunResult& result) {
  return result.out + result.err;
}

// Paths of all packs, largest first.
std::vector<std::string> Packs(const std::string& repository) {
  const RunResult found = RunProgram(
      {"bash", "-c", "find \"$0/packs\" -type f -printf '%s %p\\n' | sort -rn | cut -d' ' -f2-",
       repository});
  std::vector<std::string> paths;
  std::istringstream lines(found.out);
  for (std::string line; std::getline(lines, line);) paths.push_back(line);
  return paths;
}

class BackedUpPhone : public ::testing::Test {
 protected:
  void SetUp() override {
    d_.Enroll("desk");
    d_.StartFarm("usb", {"--phones", "1", "--seed", "51"});
    d_.StartAgent("desk", "usb");
    phone_ = d_.Phones("usb").at(0);
    d_.AwaitDevice(phone_);
    d_.Assign(phone_, "alice");
    const RunResult backup = d_.Backup("desk", phone_);
    ASSERT_EQ(backup.exit_code, 0) << Output(backup);
    snapshot_ = d_.LatestSnapshot(phone_).value("id", "");
    packs_ = Packs(d_.server_dir() + "/repository");
    ASSERT_FALSE(packs_.empty());
  }

  // Verification finds it, a restore refuses it, the next backup heals it.
  void ExpectFoundAndHealed() {
    const RunResult verified = d_.Mooring({"snapshot", "verify", snapshot_});
    EXPECT_EQ(verified.exit_code, 9) << Output(verified);
    const std::string spare = d_.AddPhone("usb", {"empty"});
    const RunResult restored = d_.Restore(phone_, spare);
    EXPECT_NE(restored.exit_code, 0) << "a damaged snapshot was restored";

    // At a desk that is not admitted everything is sent again, and what was lost is stored anew.
    d_.StopAgent("desk");
    d_.Enroll("other");
    d_.StartAgent("other", "usb");
    const RunResult again = d_.Backup("other", phone_);
    EXPECT_EQ(again.exit_code, 0) << Output(again);
    const std::string newest = d_.LatestSnapshot(phone_).value("id", "");
    EXPECT_EQ(d_.Mooring({"snapshot", "verify", newest}).exit_code, 0);
  }

  Deployment d_;
  std::string phone_;
  std::string snapshot_;
  std::vector<std::string> packs_;
};

TEST_F(BackedUpPhone, AFlippedByteInAPackIsFoundAndHealed) {
  std::fstream pack(packs_[0], std::ios::in | std::ios::out | std::ios::binary);
  pack.seekg(1000);
  const int byte = pack.get();
  pack.seekp(1000);
  pack.put(static_cast<char>(byte ^ 1));
  pack.close();
  ExpectFoundAndHealed();
}

TEST_F(BackedUpPhone, ATruncatedPackIsFoundAndHealed) {
  ASSERT_EQ(RunProgram({"truncate", "-s", "4096", packs_[0]}).exit_code, 0);
  ExpectFoundAndHealed();
}

TEST_F(BackedUpPhone, AMissingPackIsFoundAndHealed) {
  ASSERT_EQ(RunProgram({"rm", packs_[0]}).exit_code, 0);
  ExpectFoundAndHealed();
}

TEST(BadInputTest, InvitationsThatDoNotHoldSaySo) {
  Deployment d;
  const auto enroll = [&d](const std::string& token) {
    return RunProgram({Deployment::Binary("mooring-agent"), "enroll", "--invite", token,
                       "--state-dir", d.path() + "/nobody"});
  };
  const RunResult garbage = enroll("mooring1.not-an-invitation");
  EXPECT_NE(garbage.exit_code, 0);
  EXPECT_NE(Output(garbage).find("invitation"), std::string::npos) << Output(garbage);

  const Json once = d.MooringJson({"agent", "invite", "create", "--uses", "1"});
  const std::string token = once.value("token", "");
  EXPECT_EQ(RunProgram({Deployment::Binary("mooring-agent"), "enroll", "--invite", token,
                        "--state-dir", d.agent_dir("first")})
                .exit_code,
            0);
  const RunResult used = enroll(token);
  EXPECT_NE(used.exit_code, 0);
  EXPECT_NE(Output(used).find("used"), std::string::npos) << Output(used);

  const Json brief = d.MooringJson({"agent", "invite", "create", "--lifetime", "1s"});
  absl::SleepFor(absl::Seconds(2));
  const RunResult expired = enroll(brief.value("token", ""));
  EXPECT_NE(expired.exit_code, 0);
  EXPECT_NE(Output(expired).find("expired"), std::string::npos) << Output(expired);

  // Another deployment's invitation at this address: the pin refuses before the secret is sent.
  Deployment other;
  const Json foreign = other.MooringJson({"agent", "invite", "create"});
  const std::string address =
      Json::parse(ReadText(d.server_dir() + "/endpoints.json")).value("enrollment", "");
  const RunResult pinned = RunProgram({Deployment::Binary("mooring-agent"), "enroll", "--invite",
                                       foreign.value("token", ""), "--server", address,
                                       "--state-dir", d.path() + "/nobody"});
  EXPECT_NE(pinned.exit_code, 0);
  EXPECT_NE(Output(pinned).find("CA"), std::string::npos) << Output(pinned);
}

TEST(BadInputTest, ARevokedAgentAndAForeignCaAreRefused) {
  Deployment d;
  const std::string id = d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "1", "--seed", "52"});
  const std::string phone = d.Phones("usb").at(0);
  d.StartAgent("desk", "usb");
  d.AwaitDevice(phone);
  d.Assign(phone, "alice");
  ASSERT_EQ(d.Mooring({"agent", "revoke", id}).exit_code, 0);
  const RunResult revoked = d.Backup("desk", phone);
  EXPECT_NE(revoked.exit_code, 0);
  EXPECT_NE(Output(revoked).find("revoked"), std::string::npos) << Output(revoked);

  d.Enroll("lost");
  Deployment other;
  ASSERT_EQ(
      RunProgram({"cp", other.server_dir() + "/ca.pem", d.agent_dir("lost") + "/ca.pem"}).exit_code,
      0);
  const RunResult foreign = d.Agent("lost", {"backup", "--device", phone});
  EXPECT_NE(foreign.exit_code, 0);
  EXPECT_TRUE(d.MooringJson({"snapshot", "list"})["snapshots"].empty());
}

TEST(BadInputTest, AnExpiredCertificateIsSaidToBeOne) {
  Deployment d;
  d.Enroll("desk");
  // The agent's own key, certified until yesterday.
  const RunResult made =
      RunProgram({"bash", "-c",
                  "openssl req -new -key \"$0/agent.key\" -subj /CN=desk |"
                  " openssl x509 -req -signkey \"$0/agent.key\" -days -1 -out \"$0/agent.pem\"",
                  d.agent_dir("desk")});
  ASSERT_EQ(made.exit_code, 0) << Output(made);
  const std::vector<std::vector<std::string>> commands = {
      {"run"}, {"backup", "--device", "any"}, {"doctor"}};
  for (const std::vector<std::string>& command : commands) {
    const RunResult result = d.Agent("desk", command);
    EXPECT_NE(result.exit_code, 0) << command[0];
    EXPECT_NE(Output(result).find("expired"), std::string::npos) << command[0] << Output(result);
    EXPECT_NE(Output(result).find("enroll"), std::string::npos) << command[0] << Output(result);
  }
}

TEST(BadInputTest, AnUnknownConfigurationKeyIsNamed) {
  Deployment d;
  ASSERT_TRUE(d.StopServer());
  std::ofstream(d.server_dir() + "/mooringd.yaml", std::ios::app) << "sesions_max: 5\n";
  const RunResult served =
      RunProgram({Deployment::Binary("mooringd"), "serve", "--state-dir", d.server_dir()}, {}, "",
                 absl::Seconds(20));
  EXPECT_GT(served.exit_code, 0);
  EXPECT_NE(Output(served).find("sesions_max"), std::string::npos) << Output(served);
}

TEST(BadInputTest, AFullDiskFailsTheBackupCleanlyAndRestoreStillWorks) {
  Deployment d;
  ASSERT_TRUE(d.StopServer());
  // A store of its own of 40 MiB, without a reserve: it fills in the middle.
  const std::string repository = d.server_dir() + "/repository";
  const std::string moved = d.path() + "/moved";
  ASSERT_EQ(RunProgram({"mv", repository, moved}).exit_code, 0);
  ASSERT_EQ(mkdir(repository.c_str(), 0700), 0);
  ASSERT_EQ(mount("tmpfs", repository.c_str(), "tmpfs", 0, "size=40m,mode=0700"), 0)
      << "needs root";
  ASSERT_EQ(RunProgram({"bash", "-c", "cp -a \"$0\"/. \"$1\"/", moved, repository}).exit_code, 0);
  std::ofstream(d.server_dir() + "/mooringd.yaml", std::ios::app)
      << "limits:\n  store_reserve_bytes: 1\n";
  d.StartServer();

  d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "2", "--seed", "53", "--bytes", "6M"});
  const std::string small = d.Phones("usb").at(0);
  d.StartAgent("desk", "usb");
  d.AwaitDevice(small);
  d.Assign(small, "alice");
  const RunResult fits = d.Backup("desk", small);
  EXPECT_EQ(fits.exit_code, 0) << Output(fits);

  const std::string big = d.AddPhone("usb", {"bytes=104857600"});
  d.Assign(big, "bob");
  const RunResult full = d.Backup("desk", big);
  EXPECT_NE(full.exit_code, 0);
  EXPECT_TRUE(d.LatestSnapshot(big).is_null());

  const std::string kept = d.LatestSnapshot(small).value("id", "");
  EXPECT_EQ(d.Mooring({"snapshot", "verify", kept}).exit_code, 0);
  const std::string spare = d.AddPhone("usb", {"empty"});
  const RunResult restored = d.Restore(small, spare, kept);
  EXPECT_EQ(restored.exit_code, 0) << Output(restored);
  EXPECT_EQ(d.Content("usb", spare), d.Content("usb", small));
  EXPECT_TRUE(d.StopServer());
  umount2(repository.c_str(), MNT_DETACH);
}

TEST(BadInputTest, HostilePhonesHarmNothing) {
  // A quota ends the file that never does.
  Deployment d("limits:\n  session_quota_bytes: 100000000\n");
  d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "1", "--seed", "54"});
  const std::string phone = d.Phones("usb").at(0);
  d.StartAgent("desk", "usb");
  d.AwaitDevice(phone);
  d.Assign(phone, "alice");
  ASSERT_EQ(d.Backup("desk", phone).exit_code, 0);
  const std::string good = d.LatestSnapshot(phone).value("id", "");
  const Json names = d.FarmJson("usb", {"hostile-names"})["names"];
  EXPECT_GT(names.size(), 10u);
  for (const Json& name : names) {
    SCOPED_TRACE(name.dump());
    // The attack comes with an upload; a phone that is refused once is asked for all it has.
    ASSERT_EQ(d.Farm("usb", {"mutate", phone}).exit_code, 0);
    ASSERT_EQ(
        d.Farm("usb", {"fault", phone, "hostile", "value=" + name.get<std::string>(), "times=2"})
            .exit_code,
        0);
    const RunResult backup = d.Backup("desk", phone);
    EXPECT_NE(backup.exit_code, 0);
    EXPECT_FALSE(Output(backup).empty());
    EXPECT_TRUE(d.agent("desk").running()) << "the agent went down with its session";
    EXPECT_EQ(d.LatestSnapshot(phone).value("id", ""), good);
    ASSERT_EQ(d.Farm("usb", {"clear-faults", phone}).exit_code, 0);
  }
  EXPECT_EQ(RunProgram({"test", "-e", "/tmp/mooring-hostile"}).exit_code, 1);
  const RunResult healed = d.Backup("desk", phone);
  EXPECT_EQ(healed.exit_code, 0) << Output(healed);
}

}  // namespace
}  // namespace mooring::testing
