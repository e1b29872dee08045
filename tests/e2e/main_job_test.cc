// The main job with the shipped binaries: two backups, a restore, deletions,
// and the report and the metrics that say the same.

#include <gtest/gtest.h>

#include "tests/e2e/deployment.h"

namespace mooring::testing {
namespace {

class MainJobTest : public ::testing::Test {
 protected:
  void SetUp() override {
    d_.Enroll("desk");
    d_.StartFarm("usb", {"--phones", "1", "--seed", "11"});
    d_.StartAgent("desk", "usb");
    phone_ = d_.Phones("usb").at(0);
    d_.AwaitDevice(phone_);
  }

  void ExpectBackup() {
    const RunResult result = d_.Backup("desk", phone_);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_NE(result.out.find("afe to unplug"), std::string::npos) << result.out;
  }

  Deployment d_;
  std::string phone_;
};

TEST_F(MainJobTest, NothingIsReadFromAPhoneThatIsBoundToNobody) {
  const RunResult refused = d_.Backup("desk", phone_);
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_NE((refused.out + refused.err).find("assign"), std::string::npos)
      << refused.out << refused.err;
  EXPECT_TRUE(d_.MooringJson({"snapshot", "list"})["snapshots"].empty());
  // Not even a MobileBackup2 conversation was begun.
  EXPECT_TRUE(d_.FarmJson("usb", {"dump", phone_, "files=0"})["phone"]["last_operation"].is_null());
}

TEST_F(MainJobTest, AnIncrementalReadsOnlyWhatChangedAndOldSnapshotsStayBitExact) {
  d_.Assign(phone_, "alice");
  ExpectBackup();
  const Json first = d_.LatestSnapshot(phone_);
  const std::string content = d_.Content("usb", phone_);

  d_.Farm("usb", {"mutate", phone_});
  ExpectBackup();
  const Json second = d_.LatestSnapshot(phone_);
  EXPECT_EQ(second.value("parent_id", ""), first.value("id", "-"));
  EXPECT_LT(std::stoull(second.value("read_bytes", "0")) * 2,
            std::stoull(first.value("read_bytes", "0")));
  d_.Farm("usb", {"mutate", phone_});
  ExpectBackup();

  // Generations 2 and 3 go; generation 1 restores bit-exact.
  const Json third = d_.LatestSnapshot(phone_);
  const std::vector<std::string> newer = {second.value("id", ""), third.value("id", "")};
  for (const std::string& id : newer) {
    d_.Mooring({"snapshot", "delete", id, "--reason", "test"});
    const Json requests = d_.MooringJson({"request", "list"});
    for (const Json& request : requests["requests"]) {
      if (request.value("state", "") != "REQUEST_STATE_PENDING") continue;
      EXPECT_EQ(d_.Mooring({"request", "approve", request.value("id", "")}).exit_code, 0);
    }
  }
  EXPECT_EQ(d_.MooringJson({"snapshot", "list"})["snapshots"].size(), 1u);

  const std::string spare = d_.AddPhone("usb", {"empty"});
  const RunResult restored = d_.Restore(phone_, spare, first.value("id", ""));
  EXPECT_EQ(restored.exit_code, 0) << restored.out << restored.err;
  EXPECT_EQ(d_.Content("usb", spare), content);
  EXPECT_EQ(d_.Violations("usb"), "");
}

TEST_F(MainJobTest, ReportAndMetricsSayTheSame) {
  d_.Assign(phone_, "alice");
  d_.Mooring({"person", "create", "--handle", "bob"});
  const Json before = d_.MooringJson({"compliance", "report"});
  EXPECT_EQ(before.value("never_backed_up", ""), "1");
  EXPECT_EQ(before.value("people_without_device", ""), "1");
  EXPECT_EQ(d_.Mooring({"compliance", "check"}).exit_code, 8);

  ExpectBackup();
  const Json after = d_.MooringJson({"compliance", "report"});
  EXPECT_EQ(after.value("compliant", ""), "1");
  EXPECT_EQ(after.value("never_backed_up", "0"), "0");

  const std::string metrics =
      Json::parse(ReadText(d_.server_dir() + "/endpoints.json")).value("metrics", "");
  EXPECT_TRUE(Eventually([&] {
    const RunResult scrape = RunProgram({"curl", "-s", "http://" + metrics + "/metrics"});
    return scrape.out.find("state=\"compliant\"} 1") != std::string::npos ||
           scrape.out.find("state=\"compliant\",") != std::string::npos;
  }));
}

}  // namespace
}  // namespace mooring::testing
