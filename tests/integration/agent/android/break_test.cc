// Cables that are pulled, and phones that attack.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/manifest/manifest.h"
#include "tests/integration/agent/android/android_fixture.h"

namespace mooring::testing {
namespace {

class AndroidBreakTest : public AndroidEngineTest {
 protected:
  // Nothing outside the places that an Android snapshot has.
  void ExpectNothingEscaped() {
    const auto reader = OpenNewest();
    ASSERT_TRUE(reader.ok()) << reader.status();
    const absl::Status visited =
        (*reader)->Visit("", [](std::string_view path, const storage::Entry&) {
          EXPECT_TRUE(storage::CheckSnapshotPath(path).ok());
          const std::string_view top = path.substr(0, path.find('/'));
          EXPECT_TRUE(top == "storage" || top == "apps" || top == "records") << path;
          return absl::OkStatus();
        });
    EXPECT_TRUE(visited.ok());
  }
};

TEST_F(AndroidBreakTest, UnpluggedAtEveryTenthItGoesOnWhereItWas) {
  android::AndroidPhoneOptions options;
  options.content.files = 300;
  options.content.bytes = 20U << 20;
  options.content.big_file = 12U << 20;
  const std::string serial = AddPhone(20, options);
  ASSERT_TRUE(BackUp(serial).ok());
  const std::uint64_t whole = wire_bytes_;
  const auto expected = FilesOf(serial);
  for (std::uint64_t tenth = 1; tenth < 10; ++tenth) {
    SCOPED_TRACE(tenth);
    link_.set_admitted(false);  // A full one again.
    Fault fault;
    fault.kind = FaultKind::kUnplug;
    fault.after_bytes = whole * tenth / 10;
    fault.delay_ms = 300;
    PhoneOf(serial).AddFault(fault);
    const auto outcome = BackUp(serial);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_EQ(outcome->captures[0].result(), v1::CAPTURE_RESULT_COMPLETE);
    EXPECT_TRUE(PhoneOf(serial).faults().list().empty());
    // What was on its way through adb and had not arrived, and a file of it.
    EXPECT_LT(wire_bytes_, whole + (std::uint64_t{4} << 20));
    ExpectNothingEscaped();
  }
  EXPECT_TRUE(progress_.WaitedFor(v1::WAITING_FOR_PHONE));
  const std::string replacement = AddEmptyPhone(21);
  ASSERT_TRUE(Restore(replacement).ok());
  ExpectSame(FilesOf(replacement), expected);
}

TEST_F(AndroidBreakTest, ARestoreGoesOnAfterAnUnplug) {
  android::AndroidPhoneOptions options;
  options.content.bytes = 10U << 20;
  const std::string serial = AddPhone(22, options);
  ASSERT_TRUE(BackUp(serial).ok());
  const std::string replacement = AddEmptyPhone(23);
  Fault fault;
  fault.kind = FaultKind::kUnplug;
  fault.after_received = 5U << 20;
  fault.delay_ms = 300;
  PhoneOf(replacement).AddFault(fault);
  const auto restored = Restore(replacement);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_TRUE(PhoneOf(replacement).faults().list().empty());
  ExpectSame(FilesOf(replacement), FilesOf(serial));
}

TEST_F(AndroidBreakTest, APhoneThatStaysAwayEndsTheSessionAndTheNextIsWhole) {
  patience_.unplugged = absl::Seconds(1);
  const std::string serial = AddPhone(24);
  Fault fault;
  fault.kind = FaultKind::kUnplug;
  fault.after_bytes = 2U << 20;
  PhoneOf(serial).AddFault(fault);
  const auto outcome = BackUp(serial);
  EXPECT_EQ(agent::CauseOf(outcome.status()), v1::CAUSE_UNPLUGGED) << outcome.status();
  farm_->Attach(serial);
  const auto next = BackUp(serial);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->captures[0].result(), v1::CAPTURE_RESULT_COMPLETE);
}

TEST_F(AndroidBreakTest, FilesThatVanishAndGrowWhileTheyAreRead) {
  const std::string serial = AddPhone(25);
  Fault vanish;
  vanish.kind = FaultKind::kVanish;
  vanish.value = "*.jpg";
  PhoneOf(serial).AddFault(vanish);
  Fault grow;
  grow.kind = FaultKind::kGrow;
  grow.value = "*.jpg";
  PhoneOf(serial).AddFault(grow);
  const auto outcome = BackUp(serial);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const std::string replacement = AddEmptyPhone(26);
  ASSERT_TRUE(Restore(replacement).ok());
  ExpectSame(FilesOf(replacement), FilesOf(serial));
}

// Each attack of tests/phones/android, on a phone that was backed up before.
class AndroidHostileTest : public AndroidBreakTest,
                           public ::testing::WithParamInterface<const char*> {};

TEST_P(AndroidHostileTest, NothingEscapesNothingCrashesAndItIsSaid) {
  patience_.unplugged = absl::Seconds(2);
  patience_.owner = absl::Seconds(2);
  server_ = std::make_unique<agent::AdbServer>(
      clock_, agent::AdbAddress{"127.0.0.1", port_, ""},
      agent::AdbPatience{absl::Seconds(10), absl::Seconds(3), absl::Seconds(20)});
  android::AndroidPhoneOptions options;
  options.content.files = 40;
  options.content.bytes = 3U << 20;
  options.content.big_file = 2U << 20;
  const std::string serial = AddPhone(30, options);
  ASSERT_TRUE(BackUp(serial).ok());
  PhoneOf(serial).Mutate({.adds = 5, .changes = 5, .deletes = 2, .stealth = 0, .messages = 2});
  link_.set_admitted(false);  // All of it is read again.
  PhoneOf(serial).set_hostile(GetParam());
  const auto outcome = BackUp(serial);
  RecordProperty("outcome", outcome.ok() ? outcome->captures[0].ShortDebugString()
                                         : outcome.status().ToString());
  if (!outcome.ok()) {
    EXPECT_FALSE(outcome.status().message().empty());
    EXPECT_NE(agent::CauseOf(outcome.status()), v1::CAUSE_UNSPECIFIED);
    EXPECT_NE(agent::CauseOf(outcome.status()), v1::CAUSE_SERVER_ERROR) << outcome.status();
  }
  // The newest snapshot is whole, whichever it is.
  ExpectNothingEscaped();
}

INSTANTIATE_TEST_SUITE_P(Attacks, AndroidHostileTest,
                         ::testing::Values("sync-names", "lying-sizes", "endless-data",
                                           "oversize-data", "forged-rows", "invalid-utf8",
                                           "long-name", "tar-escape", "unknown-reply",
                                           "endless-list", "endless-shell", "no-exit",
                                           "shell-length", "shell-unknown-packet", "endless-fail"));

}  // namespace
}  // namespace mooring::testing
