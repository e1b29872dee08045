// Everything that goes wrong with a phone: the cause is named, the previous
// snapshot stands, and the next backup succeeds.

#include <thread>

#include <gmock/gmock.h>

#include "tests/integration/agent/ios/ios_fixture.h"
#include "tests/phones/iphone/hostile.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class IosFaultTest : public IosEngineTest {
 protected:
  // A paired phone with one snapshot and a day's changes on top.
  std::string MakePhoneWithBase(PhoneOptions options = {}) {
    const std::string udid = AddPhone(1, std::move(options));
    Pair(udid);
    const auto first = BackUp(udid);
    EXPECT_TRUE(first.ok()) << first.status();
    PhoneOf(udid).Mutate({});
    return udid;
  }
  absl::Status BackUpWith(const std::string& udid, Fault fault) {
    PhoneOf(udid).faults().Add(std::move(fault));
    const absl::Status status = BackUp(udid).status();
    PhoneOf(udid).faults().Clear();
    return status;
  }
  // The next backup builds on the snapshot from before the fault.
  void ExpectRecovers(const std::string& udid) {
    if (!farm_->IsAttached(udid)) farm_->Attach(udid);
    const std::size_t snapshots = link_.snapshot_count();
    const auto again = BackUp(udid);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_FALSE(Last(udid).is_full) << Last(udid).full_reason;
    EXPECT_EQ(link_.snapshot_count(), snapshots + 1);
  }
};

TEST_F(IosFaultTest, UnpluggedAtAnyStep) {
  const std::string udid = MakePhoneWithBase();
  for (const char* step :
       {"passcode", "status", "manifest", "listing", "space", "prepare", "upload",
        "manifest-upload", "move", "remove", "finish", "verify", "response"}) {
    SCOPED_TRACE(step);
    PhoneOf(udid).Mutate({});
    const std::size_t snapshots = link_.snapshot_count();
    const absl::Status status = BackUpWith(udid, {.kind = FaultKind::kUnplug, .step = step});
    EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_UNPLUGGED) << status;
    EXPECT_EQ(link_.snapshot_count(), snapshots);
    ExpectRecovers(udid);
  }
}

TEST_F(IosFaultTest, UnpluggedInTheMiddleOfAFile) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  const absl::Status status =
      BackUpWith(udid, {.kind = FaultKind::kUnplug, .after_bytes = 1'000'000});
  EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_UNPLUGGED) << status;
  farm_->Attach(udid);
  EXPECT_TRUE(BackUp(udid).ok());
}

TEST_F(IosFaultTest, AStallWithinPatienceIsSurvived) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  const absl::Status status =
      BackUpWith(udid, {.kind = FaultKind::kStall, .after_bytes = 500'000, .delay_ms = 4'000});
  EXPECT_TRUE(status.ok()) << status;
  ExpectGoodManners(udid);
}

TEST_F(IosFaultTest, AStallBeyondPatienceIsNamed) {
  const std::string udid = MakePhoneWithBase();
  patience_.silence_max = absl::Seconds(1);
  const absl::Status status =
      BackUpWith(udid, {.kind = FaultKind::kStall, .step = "upload", .delay_ms = 5'000});
  EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_PHONE_STALLED) << status;
  patience_.silence_max = absl::Seconds(30);
  ExpectRecovers(udid);
}

TEST_F(IosFaultTest, StopEndsABackupThatStalls) {
  const std::string udid = MakePhoneWithBase();
  PhoneOf(udid).faults().Add({.kind = FaultKind::kStall, .step = "upload", .delay_ms = 20'000});
  std::stop_source stop;
  ctx_.stop = stop.get_token();
  std::jthread stopper([&] {
    while (PhoneOf(udid).current_step() != "upload") clock_.Sleep(absl::Milliseconds(20), {});
    stop.request_stop();
  });
  const absl::Duration before = clock_.Monotonic();
  const absl::Status status = BackUp(udid).status();
  EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_CANCELLED) << status;
  EXPECT_LT(clock_.Monotonic() - before, absl::Seconds(15));
}

TEST_F(IosFaultTest, CancelledOnThePhone) {
  const std::string udid = MakePhoneWithBase();
  PhoneOf(udid).faults().Add({.kind = FaultKind::kStall, .step = "upload", .delay_ms = 3'000});
  std::jthread owner([&] {
    while (PhoneOf(udid).current_step() != "upload") clock_.Sleep(absl::Milliseconds(20), {});
    PhoneOf(udid).PostNotification("com.apple.itunes-client.syncCancelRequest");
  });
  const absl::Status status = BackUp(udid).status();
  EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_CANCELLED_ON_PHONE) << status;
  owner.join();
  PhoneOf(udid).faults().Clear();
  ExpectRecovers(udid);
}

TEST_F(IosFaultTest, FilesThatThePhoneCannotReadAreGaps) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  for (const int code : {0x06, 0x0B}) {
    SCOPED_TRACE(code);
    PhoneOf(udid).Mutate({});
    PhoneOf(udid).faults().Add({.kind = FaultKind::kFileError, .after_bytes = 0, .code = code});
    const auto outcome = BackUp(udid);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    EXPECT_EQ(outcome->captures[0].result(), v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS);
    EXPECT_THAT(outcome->captures[0].remarks(), ::testing::Contains(HasSubstr("1 of its files")));
  }
  ExpectGoodManners(udid);
}

TEST_F(IosFaultTest, ErrorsOfThePhoneHaveCauses) {
  const std::string udid = MakePhoneWithBase();
  struct Expected {
    int code;
    v1::Cause cause;
  };
  for (const Expected& expected : {Expected{1, v1::CAUSE_PHONE_ERROR},
                                   {104, v1::CAUSE_PHONE_ERROR},
                                   {105, v1::CAUSE_SERVER_FULL},
                                   {202, v1::CAUSE_CANCELLED_ON_PHONE},
                                   {207, v1::CAUSE_WRONG_BACKUP_PASSWORD},
                                   {208, v1::CAUSE_PASSCODE_NOT_ENTERED},
                                   {999, v1::CAUSE_PHONE_ERROR}}) {
    SCOPED_TRACE(expected.code);
    const absl::Status status =
        BackUpWith(udid, {.kind = FaultKind::kFinalError, .code = expected.code});
    EXPECT_EQ(agent::CauseOf(status), expected.cause) << status;
    EXPECT_NE(agent::NextStepOf(status), "");
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("PLANTED")));
  }
  ExpectRecovers(udid);
}

TEST_F(IosFaultTest, ABaseThatThePhoneRejectsIsReplacedAtOnce) {
  const std::string udid = MakePhoneWithBase();
  PhoneOf(udid).faults().Add({.kind = FaultKind::kFinalError, .code = 205});
  const auto outcome = BackUp(udid);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(Last(udid).is_full);
  EXPECT_THAT(outcome->captures[0].remarks(), ::testing::Contains(HasSubstr("a full backup")));
  ExpectRecovers(udid);
}

TEST_F(IosFaultTest, AFullBackupThatThePhoneRejectsFails) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  const absl::Status status = BackUpWith(udid, {.kind = FaultKind::kFinalError, .code = 205});
  EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_VERIFICATION_FAILED) << status;
  EXPECT_EQ(link_.snapshot_count(), 0U);
}

TEST_F(IosFaultTest, PurgeQuestionIsAnswered) {
  const std::string udid = MakePhoneWithBase();
  const absl::Status status = BackUpWith(udid, {.kind = FaultKind::kPurge});
  EXPECT_TRUE(status.ok()) << status;
  ExpectGoodManners(udid);
}

TEST_F(IosFaultTest, QuotaTooSmallForThePhone) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  agent::BackupOptions options = FullBackup();
  options.quota_bytes = 1'000'000;
  const absl::Status status = BackUp(udid, options).status();
  EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_SERVER_FULL) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("1000000"));
}

TEST_F(IosFaultTest, FullPhoneAtRestore) {
  const std::string udid = MakePhoneWithBase();
  PhoneOf(udid).faults().Add({.kind = FaultKind::kNoSpace});
  const absl::Status status = Restore(udid).status();
  EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_PHONE_FULL) << status;
}

TEST_F(IosFaultTest, UnpluggedDuringRestore) {
  const std::string udid = MakePhoneWithBase();
  for (const char* step : {"restore-status", "restore-manifest", "restore-files"}) {
    SCOPED_TRACE(step);
    PhoneOf(udid).faults().Add({.kind = FaultKind::kUnplug, .step = step});
    const absl::Status status = Restore(udid).status();
    EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_UNPLUGGED) << status;
    farm_->Attach(udid);
  }
  const auto restored = Restore(udid);
  EXPECT_TRUE(restored.ok()) << restored.status();
}

TEST_F(IosFaultTest, RestoreOfDamagedChunksIsRefused) {
  const std::string udid = MakePhoneWithBase();
  ASSERT_GT(link_.CorruptFileChunks(), 0U);
  const absl::Status status = Restore(udid).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
}

TEST_F(IosFaultTest, MovesOfFilesThatNeverCameAreNotCommitted) {
  const std::string udid = MakePhoneWithBase();
  EXPECT_FALSE(BackUpWith(udid, {.kind = FaultKind::kWrongOrder}).ok());
  ExpectRecovers(udid);
}

TEST_F(IosFaultTest, APhoneThatIsBusySaysSo) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  PhoneOf(udid).set_busy(true);
  EXPECT_FALSE(BackUp(udid).ok());
  PhoneOf(udid).set_busy(false);
  EXPECT_TRUE(BackUp(udid).ok());
}

TEST_F(IosFaultTest, HostilePhonesHarmNothing) {
  const std::string udid = MakePhoneWithBase();
  agent::BackupOptions options = FullBackup();
  options.quota_bytes = std::uint64_t{64} << 20;  // Ends the file without end.
  for (const std::string_view attack : HostileNames()) {
    SCOPED_TRACE(attack);
    const std::size_t snapshots = link_.snapshot_count();
    PhoneOf(udid).Mutate({.adds = 1, .changes = 1, .deletes = 0});
    PhoneOf(udid).faults().Add({.kind = FaultKind::kHostile, .value = std::string(attack)});
    const absl::Status status = BackUp(udid, options).status();
    PhoneOf(udid).faults().Clear();
    EXPECT_FALSE(status.ok());
    // A verb that we do not know gets an answer; then the phone gives up by itself.
    // Junk may begin with a plausible length; then it ends in silence.
    if (attack != "unknown-verb" && attack != "endless-file" && attack != "block-4gib" &&
        attack != "junk") {
      EXPECT_EQ(agent::CauseOf(status), v1::CAUSE_PROTOCOL_ERROR) << status;
    }
    EXPECT_EQ(link_.snapshot_count(), snapshots);
    ExpectRecovers(udid);
  }
}

}  // namespace
}  // namespace mooring::testing
