#include "agent/ios/backup_checks.h"

#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "agent/device/cause.h"
#include "agent/ios/pair_record.h"
#include "agent/ios/plist.h"
#include "tests/support/fake_snapshot.h"

namespace mooring::agent {
namespace {

using mooring::testing::FakeSnapshot;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kFirst = "3d0d7e5fb2ce288813306e4d4636395e047a3d28";
const std::string kSecond = "aa0d7e5fb2ce288813306e4d4636395e047a3d28";

Bytes MakeManifestDb(const std::string& rows) {
  sqlite3* db = nullptr;
  sqlite3_open(":memory:", &db);
  const std::string sql =
      "CREATE TABLE Files (fileID TEXT PRIMARY KEY, domain TEXT, relativePath TEXT, "
      "flags INTEGER, file BLOB);" +
      rows;
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_int64 size = 0;
  unsigned char* raw = sqlite3_serialize(db, "main", &size, 0);
  Bytes bytes(static_cast<std::size_t>(size));
  std::copy_n(reinterpret_cast<const std::byte*>(raw), bytes.size(), bytes.begin());
  sqlite3_free(raw);
  sqlite3_close(db);
  return bytes;
}

std::string Row(const std::string& id, int flags) {
  return fmt::format("INSERT INTO Files VALUES('{}', 'D', 'p', {}, NULL);", id, flags);
}

// A finished backup of two files and a directory, which each test spoils.
class BackupChecksTest : public ::testing::Test {
 protected:
  BackupChecksTest() {
    SetStatus("finished");
    SetManifest(false);
    snapshot_.files["full/Info.plist"] = ToBytes("info");
    snapshot_.files["full/Manifest.db"] =
        MakeManifestDb(Row(kFirst, 1) + Row(kSecond, 1) + Row("directory", 2));
    snapshot_.files["full/3d/" + kFirst] = ToBytes("first");
    snapshot_.files["full/aa/" + kSecond] = ToBytes("second");
  }
  void SetStatus(const char* state) {
    Plist status = Plist::Dict();
    status.Set("SnapshotState", Plist::String(state));
    snapshot_.files["full/Status.plist"] = status.ToBinary();
  }
  void SetManifest(bool is_encrypted) {
    Plist manifest = Plist::Dict();
    manifest.Set("IsEncrypted", Plist::Boolean(is_encrypted));
    snapshot_.files["full/Manifest.plist"] = manifest.ToBinary();
  }
  absl::StatusOr<CaptureVerdict> Check(std::string_view password = {}) {
    return CheckCapture({}, snapshot_, SecretBytes::CopyOf(AsBytes(password)));
  }
  void ExpectIncomplete(std::string_view because) {
    const auto verdict = Check();
    EXPECT_EQ(CauseOf(verdict.status()), v1::CAUSE_VERIFICATION_FAILED);
    EXPECT_THAT(verdict.status().ToString(), HasSubstr(std::string(because)));
  }

  FakeSnapshot snapshot_;
};

TEST_F(BackupChecksTest, ACompleteBackupPasses) {
  const auto verdict = Check();
  ASSERT_TRUE(verdict.ok()) << verdict.status();
  EXPECT_TRUE(verdict->rows_verified);
  EXPECT_EQ(verdict->file_count, 6U);
  EXPECT_THAT(verdict->remarks, IsEmpty());
}

TEST_F(BackupChecksTest, OnlyFinishedCounts) {
  for (const char* state : {"", "uploading", "moving", "removing"}) {
    SetStatus(state);
    ExpectIncomplete("did not mark it finished");
  }
  snapshot_.files["full/Status.plist"] = ToBytes("junk");
  ExpectIncomplete("Status.plist");
  snapshot_.files.erase("full/Status.plist");
  ExpectIncomplete("Status.plist");
}

TEST_F(BackupChecksTest, NothingMayBeLeftInSnapshot) {
  snapshot_.files["full/Snapshot/3d/" + kFirst] = ToBytes("x");
  ExpectIncomplete("left in its Snapshot");
}

TEST_F(BackupChecksTest, EveryFileRowNeedsItsPayload) {
  snapshot_.files.erase("full/aa/" + kSecond);
  ExpectIncomplete("1 of 2 files are missing");
}

TEST_F(BackupChecksTest, RowsWithoutAFileIdAreRefused) {
  snapshot_.files["full/Manifest.db"] = MakeManifestDb(Row("../../etc/passwd", 1));
  ExpectIncomplete("file id");
}

TEST_F(BackupChecksTest, ADamagedOrAbsentListIsRefused) {
  snapshot_.files["full/Manifest.db"].resize(200);
  ExpectIncomplete("list of files");
  snapshot_.files.erase("full/Manifest.db");
  ExpectIncomplete("list of files");
}

TEST_F(BackupChecksTest, PayloadsWithoutARowAreRemarked) {
  snapshot_.files["full/00/" + std::string(40, '0')] = ToBytes("x");
  const auto verdict = Check();
  ASSERT_TRUE(verdict.ok());
  EXPECT_THAT(verdict->remarks, ElementsAre(HasSubstr("1 stored files are not in")));
}

TEST_F(BackupChecksTest, EncryptedRowsNeedThePassword) {
  SetManifest(true);
  const auto verdict = Check();
  ASSERT_TRUE(verdict.ok());
  EXPECT_FALSE(verdict->rows_verified);
  EXPECT_THAT(verdict->remarks, ElementsAre(HasSubstr("its backup password is not known")));
  // With a password there must be keys.
  EXPECT_EQ(CauseOf(Check("secret").status()), v1::CAUSE_VERIFICATION_FAILED);
}

TEST(PairRecordTest, IncompleteRecordsAreRefused) {
  Plist record = Plist::Dict();
  record.Set("HostID", Plist::String("host")).Set("DeviceCertificate", Plist::Data(AsBytes("d")));
  EXPECT_FALSE(ParsePairRecord(record.ToBinary()).ok());
  record.Set("RootCertificate", Plist::Data(AsBytes("r")))
      .Set("RootPrivateKey", Plist::Data(AsBytes("k")));
  const auto parsed = ParsePairRecord(record.ToXml());
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(parsed->host_id, "host");
  EXPECT_EQ(AsText(parsed->root_private_key.view()), "k");
  EXPECT_FALSE(ParsePairRecord(AsBytes("junk")).ok());
}

}  // namespace
}  // namespace mooring::agent
