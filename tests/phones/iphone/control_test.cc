// The commands of the control socket and the text of faults.

#include "tests/phones/iphone/control.h"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/phones/common/control_server.h"
#include "tests/phones/common/faults.h"
#include "tests/phones/common/temp_dir.h"
#include "tests/phones/iphone/phone_farm.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(FaultTest, IsParsed) {
  const absl::StatusOr<Fault> fault = ParseFault("unplug after=100 ms=5 times=2");
  ASSERT_TRUE(fault.ok()) << fault.status();
  EXPECT_EQ(fault->kind, FaultKind::kUnplug);
  EXPECT_EQ(fault->after_bytes, 100U);
  EXPECT_EQ(fault->delay_ms, 5U);
  EXPECT_EQ(fault->times, 2);
  EXPECT_FALSE(ParseFault("").ok());
  EXPECT_FALSE(ParseFault("explode").ok());
  EXPECT_FALSE(ParseFault("stall ms=soon").ok());
  EXPECT_FALSE(ParseFault("stall at").ok());
  EXPECT_FALSE(ParseFault("stall color=1").ok());
}

TEST(FaultPlanTest, StrikesWhereItShouldAndThenIsGone) {
  FaultPlan plan;
  plan.Add(*ParseFault("stall after=100 ms=5 times=2"));
  plan.Add(*ParseFault("unplug at=move"));
  EXPECT_FALSE(plan.TakeAtBytes(FaultKind::kStall, 0, 100));
  EXPECT_FALSE(plan.TakeAtBytes(FaultKind::kStall, 101, 100));
  EXPECT_FALSE(plan.TakeAtBytes(FaultKind::kUnplug, 0, 1000));
  EXPECT_TRUE(plan.TakeAtBytes(FaultKind::kStall, 100, 1));
  EXPECT_TRUE(plan.TakeAtBytes(FaultKind::kStall, 50, 100));
  EXPECT_FALSE(plan.TakeAtBytes(FaultKind::kStall, 50, 100));
  EXPECT_FALSE(plan.TakeAtStep(FaultKind::kUnplug, "remove"));
  EXPECT_TRUE(plan.TakeAtStep(FaultKind::kUnplug, "move"));
  EXPECT_TRUE(plan.list().empty());
}

class ControlTest : public ::testing::Test {
 protected:
  ControlTest() {
    absl::StatusOr<std::unique_ptr<PhoneFarm>> farm = PhoneFarm::Start(
        {.socket_path = temp_.path() + "/usbmuxd.sock", .state_dir = {}, .marker = {}});
    EXPECT_TRUE(farm.ok()) << farm.status();
    farm_ = *std::move(farm);
    control_ = std::make_unique<Control>(*farm_, PhoneOptions{});
  }

  TempDir temp_;
  std::unique_ptr<PhoneFarm> farm_;
  std::unique_ptr<Control> control_;
};

TEST_F(ControlTest, DrivesAPhone) {
  EXPECT_THAT(control_->Execute("add seed=5 files=50"), StartsWith("{\"ok\":true,\"udid\":"));
  EXPECT_THAT(control_->Execute("add seed=5"), HasSubstr("there is a phone of seed 5"));
  EXPECT_THAT(control_->Execute("mutate 0 adds=2 changes=1 deletes=1"),
              HasSubstr("\"added\":2,\"changed\":1,\"deleted\":1"));
  EXPECT_THAT(control_->Execute("state 0"), HasSubstr("\"attached\":true,\"trust\":\"never\""));
  EXPECT_EQ(control_->Execute("lock 0"), "{\"ok\":true}");
  EXPECT_EQ(control_->Execute("set-password 0 secret"), "{\"ok\":true}");
  EXPECT_EQ(control_->Execute("detach 0"), "{\"ok\":true}");
  const std::string list = control_->Execute("list");
  EXPECT_THAT(list, HasSubstr("\"attached\":false"));
  EXPECT_THAT(list, HasSubstr("\"locked\":true"));
  EXPECT_THAT(list, HasSubstr("\"encrypted\":true"));
  EXPECT_EQ(control_->Execute("fault 0 stall at=upload ms=1"), "{\"ok\":true}");
  EXPECT_EQ(farm_->Find("0")->faults().list().size(), 1U);
  const std::string dump = control_->Execute("dump 0");
  EXPECT_THAT(dump, HasSubstr("\"path\":\"Library/SMS/sms.db\",\"kind\":\"file\""));
  EXPECT_THAT(dump, HasSubstr("\\\"quoted\\\""));
}

TEST_F(ControlTest, RefusesWhatMakesNoSense) {
  for (const char* command : {"", "mutate", "mutate 7", "dance 0", "fault 0 explode",
                              "trust-mode 0 maybe", "add seed=x"}) {
    control_->Execute("add seed=1");
    EXPECT_THAT(control_->Execute(command), StartsWith("{\"ok\":false,\"error\":")) << command;
  }
}

TEST_F(ControlTest, AnswersOnItsSocket) {
  const std::string path = temp_.path() + "/control.sock";
  const auto server =
      ControlServer::Start(path, [this](std::string_view line) { return control_->Execute(line); });
  ASSERT_TRUE(server.ok()) << server.status();
  const absl::StatusOr<std::string> answer = SendCommand(path, "list");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, "{\"ok\":true,\"phones\":[],\"usbmuxd_violations\":[]}");
  EXPECT_FALSE(SendCommand(temp_.path() + "/nobody", "list").ok());
}

}  // namespace
}  // namespace mooring::testing
