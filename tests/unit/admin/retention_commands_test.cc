// hold, snapshot pin, device resume-pruning, and policy plan, explain and simulate.

#include <gtest/gtest.h>

#include "tests/unit/admin/cli_test.h"

namespace mooring::testing {
namespace {

constexpr char kSerial[] = "00008120-001A34E61EE8201E";

class RetentionCommandsTest : public CliTest {
 protected:
  RetentionCommandsTest() {
    v1::Device* device = state().devices.add_devices();
    device->set_id(FakeId('d'));
    device->set_serial(kSerial);
    state().snapshots.add_snapshots()->set_id(FakeId('s'));
  }
  FakeState& state() { return server_.state(); }
  static bool Has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
};

TEST_F(RetentionCommandsTest, AHoldIsPlacedListedAndItsReleaseAskedFor) {
  const CliResult created = Run({"hold", "create", "--device", kSerial, "--reason", "case 14"});
  EXPECT_EQ(created.code, 0) << created.err;
  EXPECT_EQ(created.out, "68686868686868686868686868686868\n");
  EXPECT_TRUE(Has(created.err, "2 snapshots")) << created.err;
  const CliResult list = Run({"hold", "list"});
  EXPECT_TRUE(Has(list.out, "case 14")) << list.out;
  const CliResult release = Run({"hold", "release", "686868", "--reason", "closed"});
  EXPECT_EQ(release.code, 6) << release.err;
  EXPECT_TRUE(Has(release.err, "mooring request approve")) << release.err;
  EXPECT_EQ(Run({"hold", "release", "777777", "--reason", "closed"}).code, 4);
  EXPECT_TRUE(Has(Run({"hold", "list", "-o", "json"}).out, "\"holds\""));
}

TEST_F(RetentionCommandsTest, AHoldIsOfADeviceOrOfAPerson) {
  EXPECT_EQ(Run({"hold", "create", "--reason", "x"}).code, 2);
  EXPECT_EQ(Run({"hold", "create", "--device", kSerial, "--person", "iris", "--reason", "x"}).code,
            2);
  EXPECT_EQ(Run({"hold", "create", "--person", "iris"}).code, 2) << "no reason";
  EXPECT_EQ(Run({"hold", "confirm", "--reason", "seen"}).code, 0);
}

TEST_F(RetentionCommandsTest, APinTakesADayOrALength) {
  EXPECT_EQ(Run({"snapshot", "pin", "737373", "--until", "2030-01-02", "--reason", "x"}).code, 0);
  EXPECT_EQ(state().last_pin.until().seconds(), 1'893'542'400);
  const CliResult later = Run({"snapshot", "pin", "737373", "--until", "30d", "--reason", "x"});
  EXPECT_EQ(later.code, 0) << later.err;
  EXPECT_GT(state().last_pin.until().seconds(), absl::ToUnixSeconds(absl::Now()));
  EXPECT_EQ(Run({"snapshot", "pin", "737373", "--until", "soon", "--reason", "x"}).code, 2);
  EXPECT_EQ(Run({"snapshot", "pin", "737373", "--until", "3d", "--remove", "--reason", "x"}).code,
            2);
  EXPECT_EQ(Run({"snapshot", "pin", "737373", "--remove", "--reason", "x"}).code, 0);
  EXPECT_TRUE(state().last_pin.remove());
}

TEST_F(RetentionCommandsTest, PruningIsResumedForADevice) {
  const CliResult none = Run({"device", "resume-pruning", kSerial, "--reason", "x"});
  EXPECT_EQ(none.code, 0) << none.err;
  EXPECT_EQ(none.out, "Pruning was not paused.\n");
  state().resumed.add_ended()->set_detail("full has 1 files, where 100 were usual");
  EXPECT_TRUE(Has(Run({"device", "resume-pruning", kSerial, "--reason", "x"}).out, "new normal"));
}

TEST_F(RetentionCommandsTest, APlanShowsWhatGoesAndExits8) {
  const std::string file = WriteFile("p.yaml", "group: staff\nretention:\n  keep_last: 1\n");
  state().policy_plan.set_group("staff");
  EXPECT_EQ(Run({"policy", "plan", file}).code, 0);
  state().policy_plan.set_dropped_by_change(3);
  state().policy_plan.set_dropped_percent(37.5);
  state().policy_plan.set_needs_approval(true);
  state().policy_plan.add_lowered("keep_last from 5 to 1");
  v1::PlannedDevice* device = state().policy_plan.add_changed();
  device->set_serial(kSerial);
  v1::PlannedSnapshot* change = device->add_changes();
  change->set_dropped(true);
  change->add_reasons()->set_text("full keep_last 5");
  const CliResult plan = Run({"policy", "plan", file});
  EXPECT_EQ(plan.code, 8) << plan.err;
  for (const char* part : {"drops it", "full keep_last 5", "3 (37.5 %)", "keep_last from 5 to 1",
                           "another person must approve"}) {
    EXPECT_TRUE(Has(plan.out, part)) << part << "\n" << plan.out;
  }
  EXPECT_EQ(state().last_plan.policy().retention().keep_last(), 1u);
  EXPECT_TRUE(Has(Run({"policy", "plan", file, "-o", "json"}).out, "\"dropped_by_change\""));
  EXPECT_EQ(Run({"policy", "plan", file + ".none"}).code, 1);
}

TEST_F(RetentionCommandsTest, AnExplanationIsOfADeviceOrASnapshot) {
  v1::ExplainedSnapshot* one = state().explained.add_snapshots();
  one->mutable_snapshot()->set_snapshot_id(FakeId('s'));
  one->mutable_snapshot()->add_captures()->set_kind(v1::CAPTURE_KIND_FULL);
  one->mutable_verdict()->set_keep(true);
  one->mutable_verdict()->add_reasons()->set_text("full keep_last 3");
  v1::PruningPause* pause = state().explained.add_pauses();
  pause->set_detail("full lost sms");
  const CliResult device = Run({"policy", "explain", kSerial});
  EXPECT_EQ(device.code, 0) << device.err;
  EXPECT_EQ(state().last_explain.device(), kSerial);
  EXPECT_TRUE(Has(device.out, "full keep_last 3")) << device.out;
  EXPECT_TRUE(Has(device.out, "full lost sms")) << device.out;
  EXPECT_EQ(Run({"policy", "explain", "737373"}).code, 0);
  EXPECT_EQ(state().last_explain.snapshot_id(), FakeId('s'));
}

TEST_F(RetentionCommandsTest, ASimulationSendsTheRulesAndShowsTheYears) {
  const std::string file = WriteFile("p.yaml", "retention:\n  keep_last: 4\n");
  v1::SimulatedPoint* point = state().simulated.add_points();
  point->set_day(365);
  point->set_kept(12);
  point->set_oldest_days(180);
  const CliResult result =
      Run({"policy", "simulate", file, "--backups-per-week", "7", "--years", "1"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(state().last_simulation.rules().keep_last(), 4u);
  EXPECT_EQ(state().last_simulation.backups_per_week(), 7u);
  EXPECT_TRUE(Has(result.out, "180d")) << result.out;
  EXPECT_EQ(Run({"policy", "simulate", file, "--years", "21"}).code, 2);
}

TEST_F(RetentionCommandsTest, APolicyThatKeepsLessWaits) {
  state().lowers_retention = true;
  const CliResult result = Run({"policy", "apply", "-f", "-"}, "group: staff\nrpo: 7d\n");
  EXPECT_EQ(result.code, 6) << result.err;
  EXPECT_TRUE(Has(result.err, "daily from 7 to 3")) << result.err;
  EXPECT_TRUE(Has(result.err, "mooring request approve")) << result.err;
}

}  // namespace
}  // namespace mooring::testing
