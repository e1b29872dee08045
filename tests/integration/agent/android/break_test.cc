// Cables that are pulled, and phones that attack.

#include <ostream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/android/file_fetch.h"
#include "storage/manifest/manifest.h"
#include "tests/integration/agent/android/android_fixture.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;

// In the adb server and in the sockets beside it when a cable is pulled.
constexpr std::uint64_t kUnderWayMax = 512 << 10;

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
  const std::uint64_t whole_files = file_wire_bytes_;
  const std::uint64_t whole_uploads = link_.uploaded_bytes();
  EXPECT_GT(whole_files, 32U << 20);
  const auto expected = FilesOf(serial);
  for (std::uint64_t tenth = 1; tenth < 10; ++tenth) {
    SCOPED_TRACE(tenth);
    link_.Empty();  // All is new to it.
    Fault fault;
    fault.kind = FaultKind::kUnplug;
    fault.after_bytes = whole * tenth / 10;
    fault.delay_ms = 300;
    PhoneOf(serial).AddFault(fault);
    const auto outcome = BackUp(serial);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_EQ(outcome->captures[0].result(), v1::CAPTURE_RESULT_COMPLETE);
    EXPECT_TRUE(PhoneOf(serial).faults().list().empty());
    // The member of a tar batch that was in flight, or the next byte of a large file; and
    // what was under way between the phone and the session.
    EXPECT_LE(file_wire_bytes_, whole_files + agent::kLargeFileBytes + kUnderWayMax);
    EXPECT_LE(wire_bytes_, whole + agent::kLargeFileBytes + kUnderWayMax);
    // Not a chunk more than without the break, and none of them twice.
    EXPECT_EQ(link_.uploaded_bytes(), whole_uploads);
    EXPECT_EQ(link_.repeated_bytes(), 0U);
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

// Two phones of one serial number cannot be on one farm: the platform's own id changes instead.
TEST_F(AndroidBreakTest, AnotherPhoneDoesNotGoOnInItsPlace) {
  const std::string serial = AddPhone(27);
  Fault fault;
  fault.kind = FaultKind::kUnplug;
  fault.after_bytes = 2U << 20;
  PhoneOf(serial).AddFault(fault);
  progress_.set_on_report([&](const RecordingProgress::Line& line) {
    if (line.waiting_for != v1::WAITING_FOR_PHONE) return;
    PhoneOf(serial).PutSetting("secure", "android_id", "feedfacecafebeef");
    farm_->Attach(serial);
  });
  const auto outcome = BackUp(serial);
  EXPECT_EQ(agent::CauseOf(outcome.status()), v1::CAUSE_ANOTHER_PHONE) << outcome.status();
  EXPECT_EQ(link_.snapshot_count(), 0U);
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

// An attack of tests/phones/android, and words of what the session says of it.
struct Attack {
  const char* name;
  const char* said;
};

std::ostream& operator<<(std::ostream& out, const Attack& attack) {
  return out << attack.name;
}

// Each on a phone that was backed up before.
class AndroidHostileTest : public AndroidBreakTest, public ::testing::WithParamInterface<Attack> {};

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
  PhoneOf(serial).set_hostile(GetParam().name);
  const auto outcome = BackUp(serial);
  const std::string said =
      outcome.ok() ? outcome->captures[0].ShortDebugString() : outcome.status().ToString();
  EXPECT_THAT(said, HasSubstr(GetParam().said));
  if (!outcome.ok()) {
    EXPECT_NE(agent::CauseOf(outcome.status()), v1::CAUSE_UNSPECIFIED);
    EXPECT_NE(agent::CauseOf(outcome.status()), v1::CAUSE_SERVER_ERROR) << outcome.status();
  }
  // The newest snapshot is whole, whichever it is.
  ExpectNothingEscaped();
}

// To the genuine adb server a phone that breaks the transport's rules is one that is gone.
constexpr char kGone[] = "the phone is not attached";
constexpr char kGap[] = "gaps { reason: GAP_REASON_FAILED";

INSTANTIATE_TEST_SUITE_P(
    Attacks, AndroidHostileTest,
    ::testing::Values(Attack{"sync-names", "a memory card could not be told"},
                      Attack{"lying-sizes", "holds more than its backup may take"},
                      Attack{"endless-data", kGap}, Attack{"oversize-data", kGap},
                      Attack{"oversize-packet", kGone},
                      Attack{"forged-rows", "the phone answered with something else"},
                      Attack{"invalid-utf8", "GAP_REASON_VANISHED"},
                      Attack{"long-name", "a record longer than any path"},
                      Attack{"tar-escape", "CAPTURE_RESULT_COMPLETE"},
                      Attack{"unknown-reply", kGap},
                      Attack{"endless-list", "a memory card could not be told"},
                      Attack{"endless-shell", "a record longer than any path"},
                      Attack{"endless-fail", kGap}, Attack{"no-exit", kGone},
                      Attack{"shell-length", kGone}, Attack{"shell-unknown-packet", kGone}));

// The transport's own lengths, once files move: adb drops such a phone, and the
// session does not wait for it for good.
TEST_F(AndroidBreakTest, APacketThatIsTooLongInTheMiddleOfAFile) {
  patience_.unplugged = absl::Seconds(1);
  const std::string serial = AddPhone(31);
  ASSERT_TRUE(BackUp(serial).ok());
  link_.set_admitted(false);
  progress_.set_on_report([&](const RecordingProgress::Line& line) {
    if (line.message == "Copying the phone's files") {
      PhoneOf(serial).set_hostile("oversize-packet");
    }
    // Nothing comes back from such a phone: its owner pulls the cable.
    if (line.waiting_for == v1::WAITING_FOR_PHONE) farm_->Detach(serial);
  });
  const auto outcome = BackUp(serial);
  EXPECT_EQ(agent::CauseOf(outcome.status()), v1::CAUSE_UNPLUGGED) << outcome.status();
  ExpectNothingEscaped();
}

}  // namespace
}  // namespace mooring::testing
