#include "server/compliance/compliance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/compliance/policy_check.h"
#include "server/metrics/server_metrics.h"
#include "storage/base/random.h"

namespace mooring::server {
namespace {

using ::testing::HasSubstr;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class ComplianceTest : public ::testing::Test {
 protected:
  ComplianceTest() {
    AddPolicy("default", "7d");
    AddPolicy("sales", "24h");
  }

  void AddPolicy(const std::string& group, const std::string& rpo) {
    v1::StoredPolicy stored;
    *stored.mutable_policy() = BuiltInPolicy();
    stored.mutable_policy()->set_group(group);
    stored.mutable_policy()->set_rpo(rpo);
    stored.set_version(3);
    policies_[group] = stored;
  }

  storage::ComplianceFact Device(const std::string& group, std::optional<absl::Duration> age) {
    storage::ComplianceFact fact;
    fact.device = DeviceId::Make(random_);
    fact.platform = v1::PLATFORM_IOS;
    fact.serial = "serial";
    fact.person = PersonId::Make(random_);
    fact.person_handle = "alice";
    fact.group = group;
    if (age) fact.last_capture_at = kNow - *age;
    return fact;
  }

  v1::ComplianceState State(const storage::ComplianceFact& fact) {
    return Evaluate({fact}, policies_, kNow).rows(0).state();
  }

  SeededRandom random_{1};
  PolicyMap policies_;
};

TEST_F(ComplianceTest, AgeIsJudgedByTheGroupsRpoToTheSecond) {
  EXPECT_EQ(State(Device("sales", absl::Hours(24))), v1::COMPLIANCE_STATE_COMPLIANT);
  EXPECT_EQ(State(Device("sales", absl::Hours(24) + absl::Seconds(1))),
            v1::COMPLIANCE_STATE_OVERDUE);
  EXPECT_EQ(State(Device("default", absl::Hours(25))), v1::COMPLIANCE_STATE_COMPLIANT);
  EXPECT_EQ(State(Device("default", std::nullopt)), v1::COMPLIANCE_STATE_NEVER_BACKED_UP);
  // From a clock that went wrong: no older than now.
  EXPECT_EQ(State(Device("sales", -absl::Hours(1))), v1::COMPLIANCE_STATE_COMPLIANT);
}

TEST_F(ComplianceTest, PeopleAndPhonesAloneHaveTheirStates) {
  storage::ComplianceFact person;
  person.person = PersonId::Make(random_);
  person.group = "default";
  EXPECT_EQ(State(person), v1::COMPLIANCE_STATE_NO_DEVICE);
  storage::ComplianceFact unbound = Device("", std::nullopt);
  unbound.person.reset();
  EXPECT_EQ(State(unbound), v1::COMPLIANCE_STATE_UNASSIGNED);
}

TEST_F(ComplianceTest, TheCauseIsTheLastMissOrThatNobodyCame) {
  storage::ComplianceFact fact = Device("default", std::nullopt);
  EXPECT_EQ(Evaluate({fact}, policies_, kNow).rows(0).last_miss_cause(), v1::CAUSE_NEVER_CONNECTED);
  fact.last_miss_cause = v1::CAUSE_PASSCODE_NOT_ENTERED;
  EXPECT_EQ(Evaluate({fact}, policies_, kNow).rows(0).last_miss_cause(),
            v1::CAUSE_PASSCODE_NOT_ENTERED);
  EXPECT_EQ(
      Evaluate({Device("default", absl::Hours(1))}, policies_, kNow).rows(0).last_miss_cause(),
      v1::CAUSE_UNSPECIFIED);
}

TEST_F(ComplianceTest, CountsAndShareAddUp) {
  storage::ComplianceFact unbound = Device("", std::nullopt);
  unbound.person.reset();
  storage::ComplianceFact person;
  person.person = PersonId::Make(random_);
  person.group = "sales";
  const auto report =
      Evaluate({unbound, Device("default", absl::Hours(1)), Device("sales", absl::Hours(30)),
                Device("sales", std::nullopt), person},
               policies_, kNow);
  EXPECT_EQ(report.compliant(), 1U);
  EXPECT_EQ(report.overdue(), 1U);
  EXPECT_EQ(report.never_backed_up(), 1U);
  EXPECT_EQ(report.people_without_device(), 1U);
  EXPECT_EQ(report.unassigned(), 1U);
  EXPECT_DOUBLE_EQ(report.share(), 0.25);
  EXPECT_EQ(report.rows(1).policy_version(), 3U);
  EXPECT_EQ(report.rows(1).rpo().seconds(), 7 * 86400);
  EXPECT_EQ(report.rows(1).age().seconds(), 3600);
  EXPECT_DOUBLE_EQ(Evaluate({}, policies_, kNow).share(), 1.0);
}

TEST_F(ComplianceTest, GaugesSayWhatTheReportSays) {
  const auto report =
      Evaluate({Device("default", absl::Hours(2)), Device("default", absl::Hours(24 * 8)),
                Device("sales", std::nullopt)},
               policies_, kNow);
  FleetFigures figures;
  FillFigures(report, figures);
  ServerMetrics metrics("1");
  metrics.SetFleet(figures);
  const std::string text = metrics.Text();
  for (const char* line : {"mooring_devices{state=\"compliant\",platform=\"ios\"} 1\n",
                           "mooring_devices{state=\"overdue\",platform=\"ios\"} 1\n",
                           "mooring_rpo_attainment_ratio{group=\"default\"} 0.5\n",
                           "mooring_rpo_attainment_ratio{group=\"sales\"} 0\n",
                           "mooring_devices_overdue{group=\"sales\",cause=\"never_connected\"} 1\n",
                           "mooring_last_success_age_seconds_bucket{le=\"3600\"} 0\n",
                           "mooring_last_success_age_seconds_bucket{le=\"21600\"} 1\n",
                           "mooring_last_success_age_seconds_bucket{le=\"1209600\"} 2\n",
                           "mooring_last_success_age_seconds_bucket{le=\"+Inf\"} 2\n"}) {
    EXPECT_THAT(text, HasSubstr(line));
  }
}

TEST_F(ComplianceTest, AHundredThousandDevicesAreJudgedInOnePass) {
  std::vector<storage::ComplianceFact> facts(100'000, Device("default", absl::Hours(1)));
  const auto report = Evaluate(facts, policies_, kNow);
  EXPECT_EQ(report.compliant(), 100'000U);
}

}  // namespace
}  // namespace mooring::server
