// Backups of simulated iPhones through the engine and the real pipeline.

#include <gmock/gmock.h>

#include "tests/integration/agent/ios/ios_fixture.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using IosBackupTest = IosEngineTest;

TEST_F(IosBackupTest, FullBackupHoldsEveryFile) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  const auto outcome = BackUp(udid);
  ASSERT_TRUE(outcome.ok()) << outcome.status() << agent::NextStepOf(outcome.status());
  EXPECT_TRUE(Last(udid).is_full);
  EXPECT_THAT(outcome->base_paths,
              ElementsAre("full/Manifest.db", "full/Manifest.plist", "full/Status.plist"));
  ASSERT_EQ(outcome->captures.size(), 1U);
  EXPECT_EQ(outcome->captures[0].result(), v1::CAPTURE_RESULT_COMPLETE);
  EXPECT_THAT(outcome->captures[0].remarks(), IsEmpty());
  EXPECT_EQ(progress_.percent(), 100);

  std::uint64_t files = 0;
  for (const auto& [name, file] : FilesOf(udid)) files += file.kind == FileEntry::Kind::kFile;
  // Beside the payloads: Info, Status and Manifest.plist, Manifest.db.
  EXPECT_EQ(outcome->captures[0].file_count(), files + 4);
  ExpectGoodManners(udid);
}

TEST_F(IosBackupTest, IncrementalUploadsOnlyWhatChanged) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  ASSERT_TRUE(BackUp(udid).ok());
  const std::uint64_t first_bytes = link_.uploaded_bytes();
  const MutationResult mutation = PhoneOf(udid).Mutate({.adds = 6, .changes = 7, .deletes = 4});
  const auto outcome = BackUp(udid);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_FALSE(Last(udid).is_full) << Last(udid).full_reason;
  EXPECT_EQ(Last(udid).files_sent, mutation.added + mutation.changed);
  EXPECT_EQ(Last(udid).files_removed, mutation.deleted);
  EXPECT_LT(link_.uploaded_bytes(), first_bytes / 2);
  EXPECT_THAT(outcome->captures[0].remarks(), IsEmpty());
  ExpectGoodManners(udid);
}

TEST_F(IosBackupTest, UnchangedPhoneSendsNothing) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  ASSERT_TRUE(BackUp(udid).ok());
  const auto outcome = BackUp(udid);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_FALSE(Last(udid).is_full) << Last(udid).full_reason;
  EXPECT_EQ(Last(udid).files_sent, 0U);
  ExpectGoodManners(udid);
}

TEST_F(IosBackupTest, RestoreToAnEmptyPhoneGivesEveryFileBack) {
  const std::string from = AddPhone(1);
  PhoneOptions empty;
  empty.content.empty = true;
  const std::string to = AddPhone(9, empty);
  Pair(from);
  Pair(to);
  ASSERT_TRUE(BackUp(from).ok());
  PhoneOf(from).Mutate({});
  ASSERT_TRUE(BackUp(from).ok());
  {
    const auto reader = OpenNewest();
    ASSERT_TRUE(reader.ok()) << reader.status();
    const auto check = EngineOf(to)->CheckRestore(ctx_, **reader);
    ASSERT_TRUE(check.ok()) << check.status();
    EXPECT_TRUE(check->possible);
    EXPECT_THAT(check->obstacles, IsEmpty());
  }
  const auto restored = Restore(to);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_TRUE(ContentsOf(from) == ContentsOf(to));
  EXPECT_TRUE(PhoneOf(to).ReadHostFile("/iTunesRestore/RestoreApplications.plist"));
  ExpectGoodManners(to);
}

TEST_F(IosBackupTest, EncryptedPhoneIsVerifiedWithItsPasswordAndRestored) {
  PhoneOptions options;
  options.content.sensitive = true;
  const std::string from = AddPhone(1, options);
  PhoneOptions empty;
  empty.content.empty = true;
  const std::string to = AddPhone(9, empty);
  Pair(from);
  Pair(to);
  PhoneOf(from).ForcePassword("secret");
  agent::BackupOptions backup = FullBackup();
  backup.phone_encryption = v1::PHONE_ENCRYPTION_REQUIRED;
  backup.backup_password = SecretBytes::CopyOf(AsBytes("secret"));
  const auto outcome = BackUp(from, backup);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(outcome->facts.phone_encrypts());
  EXPECT_THAT(outcome->captures[0].remarks(), IsEmpty());

  EXPECT_EQ(agent::CauseOf(Restore(to).status()), v1::CAUSE_WRONG_BACKUP_PASSWORD);
  const auto wrong = Restore(to, "wrong");
  EXPECT_EQ(agent::CauseOf(wrong.status()), v1::CAUSE_WRONG_BACKUP_PASSWORD) << wrong.status();
  const auto restored = Restore(to, "secret");
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_TRUE(ContentsOf(from, true) == ContentsOf(to, true));
  ExpectGoodManners(to);
}

TEST_F(IosBackupTest, EncryptedPhoneWithoutPasswordIsBackedUpUnverified) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  PhoneOf(udid).ForcePassword("secret");
  const auto outcome = BackUp(udid);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_THAT(outcome->captures[0].remarks(), ElementsAre(HasSubstr("rows unverified")));
  PhoneOf(udid).Mutate({});
  ASSERT_TRUE(BackUp(udid).ok());
  EXPECT_FALSE(Last(udid).is_full) << Last(udid).full_reason;
  ExpectGoodManners(udid);
}

TEST_F(IosBackupTest, PolicyThatRequiresEncryptionRefusesAPhoneWithout) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  agent::BackupOptions options = FullBackup();
  options.phone_encryption = v1::PHONE_ENCRYPTION_REQUIRED;
  const auto outcome = BackUp(udid, options);
  EXPECT_EQ(agent::CauseOf(outcome.status()), v1::CAUSE_ENCRYPTION_REQUIRED);
  EXPECT_THAT(agent::NextStepOf(outcome.status()), HasSubstr("Encrypt local backup"));
  EXPECT_FALSE(PhoneOf(udid).last_operation());
}

TEST_F(IosBackupTest, AnUnadmittedDeskMakesAFullBackup) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  ASSERT_TRUE(BackUp(udid).ok());
  link_.set_admitted(false);
  ASSERT_TRUE(BackUp(udid).ok());
  EXPECT_TRUE(Last(udid).is_full);
  ExpectGoodManners(udid);
}

TEST_F(IosBackupTest, PhonesThatEndFilesWithTheOtherCodeAreUnderstood) {
  PhoneOptions options;
  options.ends_files_with_0b = true;
  const std::string udid = AddPhone(1, options);
  Pair(udid);
  const auto outcome = BackUp(udid);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(outcome->captures[0].result(), v1::CAPTURE_RESULT_COMPLETE);
  ExpectGoodManners(udid);
}

}  // namespace
}  // namespace mooring::testing
