// Whole backups and restores through a genuine adb server.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/agent/android/android_fixture.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class AndroidBackupTest : public AndroidEngineTest {};

std::string GapsOf(const agent::BackupOutcome& outcome) {
  std::string text;
  for (const v1::GapCount& gap : outcome.captures[0].gaps()) {
    text += v1::GapReason_Name(gap.reason()) + "=" + std::to_string(gap.count()) + " ";
  }
  for (const std::string& remark : outcome.captures[0].remarks()) text += remark + "; ";
  return text;
}

TEST_F(AndroidBackupTest, AFullBackupComesBackOntoAnEmptyPhone) {
  android::AndroidPhoneOptions options;
  options.content.sd_card = "1A2B-3C4D";
  const std::string serial = AddPhone(1, options);
  const auto outcome = BackUp(serial);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->captures[0].result(), v1::CAPTURE_RESULT_COMPLETE) << GapsOf(*outcome);

  // Every MMS has its sender, and attachments their bytes.
  const auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(static_cast<std::int64_t>((*reader)->List("records/mms-addresses").size()),
            PhoneOf(serial).providers().Count("mms"));
  EXPECT_FALSE((*reader)->List("records/mms").empty());

  android::AndroidPhoneOptions empty;
  empty.content.sd_card = "1A2B-3C4D";
  const std::string replacement = AddEmptyPhone(2, empty);
  const auto restored = Restore(replacement);
  ASSERT_TRUE(restored.ok()) << restored.status();
  ExpectSame(FilesOf(replacement), FilesOf(serial));
  EXPECT_GT(FilesOf(serial).size(), 100U);
  EXPECT_EQ(PhoneOf(replacement).providers().Count("sms"),
            PhoneOf(serial).providers().Count("sms"));
  EXPECT_EQ(PhoneOf(replacement).providers().Count("calls"),
            PhoneOf(serial).providers().Count("calls"));
  EXPECT_THAT(check_.warnings, Contains(HasSubstr("SMS")));
  EXPECT_THAT(restored->remarks, Contains(HasSubstr("SMS: 60 of 60 restored")));
  for (const android::Package& package : PhoneOf(serial).packages().List()) {
    if (package.is_system) continue;
    const auto installed = PhoneOf(replacement).packages().Find(package.name);
    ASSERT_TRUE(installed) << package.name;
    EXPECT_EQ(installed->apks.size(), package.apks.size());
  }
  ExpectGoodManners(serial);
  ExpectGoodManners(replacement);
  // Once more changes nothing.
  const auto again = Restore(replacement);
  ASSERT_TRUE(again.ok()) << again.status();
  ExpectSame(FilesOf(replacement), FilesOf(serial));
  EXPECT_EQ(PhoneOf(replacement).providers().Count("sms"),
            PhoneOf(serial).providers().Count("sms"));
}

TEST_F(AndroidBackupTest, AnIncrementalMovesWhatChanged) {
  android::AndroidPhoneOptions options;
  options.content.files = 600;
  options.content.bytes = 30U << 20;
  const std::string serial = AddPhone(3, options);
  ASSERT_TRUE(BackUp(serial).ok());
  const std::uint64_t full = wire_bytes_;
  EXPECT_GT(full, 30U << 20);
  ASSERT_TRUE(BackUp(serial).ok());
  const std::uint64_t unchanged = wire_bytes_;
  EXPECT_LT(unchanged, 300'000U) << "of " << full;
  EXPECT_LT(link_.uploaded_bytes(), 100'000U);
  PhoneOf(serial).Mutate({.adds = 3, .changes = 3, .deletes = 2, .stealth = 0, .messages = 1});
  ASSERT_TRUE(BackUp(serial).ok());
  EXPECT_LT(wire_bytes_, full / 5);
  android::AndroidPhoneOptions empty;
  const std::string replacement = AddEmptyPhone(4, empty);
  ASSERT_TRUE(Restore(replacement).ok());
  ExpectSame(FilesOf(replacement), FilesOf(serial));
}

TEST_F(AndroidBackupTest, EveryVersionOfAndroidComesBackWhole) {
  for (int version = 9; version <= 16; ++version) {
    SCOPED_TRACE(version);
    android::AndroidPhoneOptions options;
    options.android = version;
    options.content.files = 60;
    options.content.bytes = 2U << 20;
    const std::string serial = AddPhone(100 + static_cast<std::uint64_t>(version), options);
    link_.set_admitted(false);
    const auto outcome = BackUp(serial);
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    android::AndroidPhoneOptions empty;
    empty.android = version;
    const std::string replacement = AddEmptyPhone(200 + static_cast<std::uint64_t>(version), empty);
    const auto restored = Restore(replacement);
    ASSERT_TRUE(restored.ok()) << restored.status();
    ExpectSame(FilesOf(replacement), FilesOf(serial));
    ExpectGoodManners(serial);
    ExpectGoodManners(replacement);
    farm_->Detach(serial);
    farm_->Detach(replacement);
  }
}

TEST_F(AndroidBackupTest, ThirtyThousandSmsWithForgedOnesAmongThem) {
  android::AndroidPhoneOptions options;
  options.content.files = 10;
  options.content.bytes = 100'000;
  options.content.messages = 30'000;
  options.content.hostile_rows = true;
  const std::string serial = AddPhone(5, options);
  const auto outcome = BackUp(serial);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->captures[0].result(), v1::CAPTURE_RESULT_COMPLETE) << GapsOf(*outcome);
  const auto text = ReadNewest("records/sms.json");
  ASSERT_TRUE(text.ok());
  std::int64_t rows = 0;
  for (const char c : *text) rows += c == '\n' ? 1 : 0;
  EXPECT_EQ(rows - 2, PhoneOf(serial).providers().Count("sms"));
}

TEST_F(AndroidBackupTest, WhatIsRefusedIsAGapAndTheRestComes) {
  const std::string serial = AddPhone(6);
  PhoneOf(serial).files().Deny("/storage/emulated/0/Download/*");
  PhoneOf(serial).providers().Refuse("call_log");
  const auto outcome = BackUp(serial);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  const v1::Capture& capture = outcome->captures[0];
  EXPECT_EQ(capture.result(), v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS);
  ASSERT_GE(capture.gaps_size(), 1);
  EXPECT_EQ(capture.gaps(0).reason(), v1::GAP_REASON_REFUSED);
  EXPECT_THAT(capture.remarks(), Contains(HasSubstr("call log")));
  const auto gaps = ReadNewest("records/gaps.json");
  ASSERT_TRUE(gaps.ok());
  EXPECT_THAT(*gaps, HasSubstr("storage/internal/Download/"));
  EXPECT_THAT(*gaps, HasSubstr("records/call-log.json"));
  EXPECT_TRUE(ReadNewest("records/sms.json").ok());
}

TEST_F(AndroidBackupTest, ARestoreThatThePhoneIsTooSmallForIsRefusedBefore) {
  android::AndroidPhoneOptions options;
  options.content.bytes = 20U << 20;
  const std::string serial = AddPhone(7, options);
  ASSERT_TRUE(BackUp(serial).ok());
  android::AndroidPhoneOptions small;
  small.capacity_bytes = 10U << 20;
  const std::string replacement = AddEmptyPhone(8, small);
  EXPECT_FALSE(Restore(replacement).ok());
  EXPECT_THAT(check_.obstacles, Contains(HasSubstr("MiB free")));
  EXPECT_TRUE(FilesOf(replacement).empty());
}

TEST_F(AndroidBackupTest, APhoneThatIgnoresSmsSaysSo) {
  const std::string serial = AddPhone(9);
  ASSERT_TRUE(BackUp(serial).ok());
  android::AndroidPhoneOptions stubborn;
  stubborn.honors_sms_appop = false;
  const std::string replacement = AddEmptyPhone(10, stubborn);
  const auto restored = Restore(replacement);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_THAT(restored->remarks, Contains(HasSubstr("0 of 60 restored")));
}

TEST_F(AndroidBackupTest, NewerFilesAreLeftAsTheyAre) {
  const std::string serial = AddPhone(11);
  ASSERT_TRUE(BackUp(serial).ok());
  // The same phone, with a file that was worked on since.
  PhoneOf(serial).Mutate({.adds = 0, .changes = 4, .deletes = 0, .stealth = 0, .messages = 0});
  const auto before = FilesOf(serial);
  const auto restored = Restore(serial);
  ASSERT_TRUE(restored.ok()) << restored.status();
  ExpectSame(FilesOf(serial), before);
  EXPECT_THAT(restored->remarks, Contains(HasSubstr("newer and different")));
}

}  // namespace
}  // namespace mooring::testing
