// Two phones at once, a phone that moves between desks, a phone that changes owner.

#include <gtest/gtest.h>

#include "tests/e2e/deployment.h"

namespace mooring::testing {
namespace {

std::uint64_t ReadBytes(const Json& snapshot) {
  return std::stoull(snapshot.value("read_bytes", "0"));
}

TEST(DesksTest, TwoPhonesAtOnceOnOneAgent) {
  Deployment d;
  d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "2", "--seed", "31"});
  d.StartAgent("desk", "usb");
  const std::vector<std::string> phones = d.Phones("usb");
  ASSERT_EQ(phones.size(), 2u);
  std::vector<std::unique_ptr<Background>> backups;
  for (const std::string& phone : phones) {
    d.AwaitDevice(phone);
    d.Assign(phone, "owner-of-" + phone.substr(20));
    backups.push_back(std::make_unique<Background>(
        std::vector<std::string>{Deployment::Binary("mooring-agent"), "backup", "--device", phone,
                                 "--state-dir", d.agent_dir("desk")},
        d.FarmEnvironment("usb"), d.path() + "/" + phone + ".out",
        d.path() + "/" + phone + ".err"));
  }
  for (std::size_t i = 0; i < phones.size(); ++i) {
    EXPECT_EQ(backups[i]->Wait(absl::Seconds(120)), 0)
        << ReadText(d.path() + "/" + phones[i] + ".out")
        << ReadText(d.path() + "/" + phones[i] + ".err");
    EXPECT_FALSE(d.LatestSnapshot(phones[i]).is_null());
  }
  EXPECT_EQ(d.Violations("usb"), "");
}

TEST(DesksTest, ABackupIsIncrementalAtAnAdmittedDeskAndFullAtAnother) {
  Deployment d;
  d.Enroll("home");
  const std::string admitted = d.Enroll("admitted");
  d.Enroll("stranger");
  d.StartFarm("usb", {"--phones", "1", "--seed", "32"});
  const std::string phone = d.Phones("usb").at(0);
  d.StartAgent("home", "usb");
  d.AwaitDevice(phone);
  d.Assign(phone, "alice");
  ASSERT_EQ(d.Backup("home", phone).exit_code, 0);
  const Json first = d.LatestSnapshot(phone);
  d.StopAgent("home");

  ASSERT_EQ(d.Mooring({"device", "admit", phone, "--agent", admitted}).exit_code, 0);
  d.StartAgent("admitted", "usb");
  const RunResult second_run = d.Backup("admitted", phone);
  ASSERT_EQ(second_run.exit_code, 0) << second_run.out << second_run.err;
  const Json second = d.LatestSnapshot(phone);
  EXPECT_EQ(second.value("parent_id", ""), first.value("id", "-"));
  EXPECT_LT(ReadBytes(second) * 2, ReadBytes(first));
  d.StopAgent("admitted");

  d.StartAgent("stranger", "usb");
  const RunResult third_run = d.Backup("stranger", phone);
  ASSERT_EQ(third_run.exit_code, 0) << third_run.out << third_run.err;
  const Json third = d.LatestSnapshot(phone);
  EXPECT_EQ(third.value("parent_id", ""), "");
  EXPECT_GE(ReadBytes(third) * 10, ReadBytes(first) * 9);
  // The server still stores nothing twice.
  EXPECT_LT(std::stoull(third.value("new_bytes", "0")) * 10,
            std::stoull(first.value("new_bytes", "0")));
}

TEST(DesksTest, ANewOwnerSeesNothingOfTheOld) {
  Deployment d;
  d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "1", "--seed", "33"});
  const std::string phone = d.Phones("usb").at(0);
  d.StartAgent("desk", "usb");
  d.AwaitDevice(phone);
  d.Assign(phone, "alice");
  ASSERT_EQ(d.Backup("desk", phone).exit_code, 0);
  const Json old = d.LatestSnapshot(phone);

  d.Assign(phone, "bob");
  EXPECT_TRUE(d.MooringJson({"snapshot", "list", "--device", phone})["snapshots"].empty());
  const RunResult run = d.Backup("desk", phone);
  ASSERT_EQ(run.exit_code, 0) << run.out << run.err;
  const Json fresh = d.LatestSnapshot(phone);
  EXPECT_EQ(fresh.value("parent_id", ""), "") << "the new owner's session read the old base";
  // Another person's domain: nothing is shared, so everything is stored anew.
  EXPECT_GE(std::stoull(fresh.value("new_bytes", "0")) * 10,
            std::stoull(old.value("new_bytes", "0")) * 9);
}

}  // namespace
}  // namespace mooring::testing
