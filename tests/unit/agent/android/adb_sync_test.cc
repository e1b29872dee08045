#include "agent/android/adb_sync.h"

#include <map>
#include <vector>

#include <gtest/gtest.h>

#include "agent/device/cause.h"
#include "tests/support/scripted_adb_stream.h"

namespace mooring::agent {
namespace {

using ::mooring::testing::Le32;
using ::mooring::testing::ScriptedAdbStream;
using ::mooring::testing::StatV2;
using ::mooring::testing::SyncFrame;

constexpr std::uint32_t kFile = 0100660;

// Each connection plays the next script.
class AdbSyncTest : public ::testing::Test {
 protected:
  std::unique_ptr<SyncConnection> Sync(std::vector<std::string> scripts,
                                       AdbFeatures features = {"stat_v2", "ls_v2"}) {
    scripts_ = std::move(scripts);
    auto sync = std::make_unique<SyncConnection>(
        [this](const OpContext&) -> absl::StatusOr<std::unique_ptr<AdbStream>> {
          if (opened_ == scripts_.size()) return AdbClosed();
          return std::make_unique<ScriptedAdbStream>(scripts_[opened_++], &written_);
        },
        features);
    EXPECT_TRUE(sync->Start({}).ok());
    return sync;
  }
  static absl::Status List(SyncConnection& sync, std::map<std::string, AdbStat>* found) {
    return sync.List({}, "/sdcard", [&](std::string_view name, const AdbStat& stat) {
      (*found)[std::string(name)] = stat;
      return absl::OkStatus();
    });
  }
  static absl::Status Receive(SyncConnection& sync, std::string* content) {
    return sync.Receive({}, "/sdcard/a", [&](ByteView piece) {
      content->append(AsText(piece));
      return absl::OkStatus();
    });
  }
  static absl::Status Send(SyncConnection& sync, std::string_view content,
                           std::string_view path = "/sdcard/a") {
    bool given = false;
    return sync.Send({}, path, {.mode = kFile, .modified_unix_s = 1234},
                     [&](std::span<std::byte> out) -> absl::StatusOr<std::size_t> {
                       if (std::exchange(given, true)) return std::size_t{0};
                       std::copy_n(AsBytes(content).begin(), content.size(), out.begin());
                       return content.size();
                     });
  }

  std::vector<std::string> scripts_;
  std::size_t opened_ = 0;
  std::string written_;
};

TEST_F(AdbSyncTest, StatOfBothVersions) {
  auto v2 = Sync({"LST2" + StatV2(0, kFile, std::uint64_t{6} << 30, 1'700'000'000)});
  const auto stat = v2->Stat({}, "/sdcard/film.mp4");
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->size_bytes, std::uint64_t{6} << 30);
  EXPECT_EQ(stat->modified_unix_s, 1'700'000'000);
  EXPECT_EQ(stat->inode, 99U);
  EXPECT_TRUE(stat->is_regular());
  EXPECT_EQ(written_, SyncFrame("LST2", "/sdcard/film.mp4"));
  opened_ = 0;
  auto v1 = Sync({"STAT" + Le32(kFile) + Le32(5) + Le32(6) + "STAT" + std::string(12, '\0')}, {});
  EXPECT_FALSE(v1->Stat({}, "/a")->size_is_exact);
  EXPECT_TRUE(absl::IsNotFound(v1->Stat({}, "/b").status()));
}

TEST_F(AdbSyncTest, ARefusalOfOneFileIsNoneOfTheNext) {
  auto sync = Sync({"LST2" + StatV2(13, 0, 0, 0) + "LST2" + StatV2(0, kFile, 1, 1)});
  const absl::Status refused = sync->Stat({}, "/a").status();
  EXPECT_TRUE(absl::IsPermissionDenied(refused));
  EXPECT_TRUE(IsFileRefusal(refused));
  EXPECT_TRUE(sync->Stat({}, "/b").ok());
  EXPECT_EQ(opened_, 1U);
}

TEST_F(AdbSyncTest, ListsWithoutTheDots) {
  const auto entry = [](std::string_view name, std::uint32_t mode) {
    return "DNT2" + StatV2(0, mode, 3, 4) + Le32(static_cast<std::uint32_t>(name.size())) +
           std::string(name);
  };
  auto sync = Sync({entry(".", 0040770) + entry("..", 0040770) +
                    entry("with, \n' \xf0\x9f\x98\x80", kFile) + entry("DCIM", 0040770) + "DONE" +
                    std::string(72, '\0')});
  std::map<std::string, AdbStat> found;
  EXPECT_TRUE(List(*sync, &found).ok());
  EXPECT_EQ(found.size(), 2U);
  EXPECT_TRUE(found["DCIM"].is_directory());
  EXPECT_EQ(found.count("with, \n' \xf0\x9f\x98\x80"), 1U);
}

TEST_F(AdbSyncTest, NamesThatLeadElsewhereAreRefused) {
  for (const std::string& name : {std::string("../../etc/passwd"), std::string("a/b"),
                                  std::string("a\0b", 3), std::string(), std::string(300, 'n')}) {
    opened_ = 0;
    auto sync = Sync({"DENT" + Le32(kFile) + Le32(1) + Le32(1) +
                      Le32(static_cast<std::uint32_t>(name.size())) + name},
                     {});
    std::map<std::string, AdbStat> found;
    EXPECT_EQ(CauseOf(List(*sync, &found)), v1::CAUSE_PROTOCOL_ERROR) << name;
    EXPECT_TRUE(found.empty());
  }
}

TEST_F(AdbSyncTest, ReceivesUntilThePhoneSaysThatItIsAll) {
  auto sync = Sync({SyncFrame("DATA", "abc") + SyncFrame("DATA", "def") + SyncFrame("DONE", "") +
                    SyncFrame("DATA", "x")});
  std::string content;
  EXPECT_TRUE(Receive(*sync, &content).ok());
  EXPECT_EQ(content, "abcdef");
  EXPECT_EQ(CauseOf(Receive(*sync, &content)), v1::CAUSE_UNPLUGGED) << "no DONE";
}

TEST_F(AdbSyncTest, ARefusalNamesNothingOfThePhoneAndTheConnectionIsRenewed) {
  auto sync = Sync({SyncFrame("FAIL", "open failed: /sdcard/secret: Permission denied"),
                    SyncFrame("FAIL", "remote No such file or directory"),
                    SyncFrame("FAIL", "something of /sdcard/secret"),
                    SyncFrame("DATA", "ok") + SyncFrame("DONE", "")});
  std::string content;
  const absl::Status refused = Receive(*sync, &content);
  EXPECT_TRUE(absl::IsPermissionDenied(refused));
  EXPECT_TRUE(IsFileRefusal(refused));
  EXPECT_EQ(refused.message().find("secret"), std::string::npos);
  EXPECT_TRUE(absl::IsNotFound(Receive(*sync, &content)));
  const absl::Status odd = Receive(*sync, &content);
  EXPECT_TRUE(IsFileRefusal(odd));
  EXPECT_EQ(odd.message().find("secret"), std::string::npos);
  EXPECT_TRUE(Receive(*sync, &content).ok());
  EXPECT_EQ(content, "ok");
  EXPECT_EQ(opened_, 4U);
}

TEST_F(AdbSyncTest, LyingLengthsAreRefused) {
  for (const std::string& bad : {"DATA" + Le32(65'537), "DATA" + Le32(0), "DATA" + Le32(0xffffffff),
                                 "FAIL" + Le32(0xffffffff), "WHAT" + Le32(1)}) {
    opened_ = 0;
    auto sync = Sync({bad});
    std::string content;
    const absl::Status status = Receive(*sync, &content);
    EXPECT_EQ(CauseOf(status), v1::CAUSE_PROTOCOL_ERROR) << bad;
    EXPECT_FALSE(IsFileRefusal(status));
  }
}

TEST_F(AdbSyncTest, ASinkThatHasEnoughEndsIt) {
  auto sync =
      Sync({SyncFrame("DATA", "abc") + SyncFrame("DATA", "more"), "LST2" + StatV2(0, kFile, 1, 1)});
  EXPECT_TRUE(absl::IsOutOfRange(
      sync->Receive({}, "/a", [](ByteView) { return absl::OutOfRangeError("enough"); })));
  // What was left unread belongs to nobody.
  EXPECT_TRUE(sync->Stat({}, "/a").ok());
  EXPECT_EQ(opened_, 2U);
}

TEST_F(AdbSyncTest, SendsWithModeAndTime) {
  // The answer comes after all was sent: the scripted stream hears first, so it
  // is on the next connection's script that a phone answers too early.
  auto early = Sync({SyncFrame("OKAY", "")});
  EXPECT_EQ(CauseOf(Send(*early, "abc")), v1::CAUSE_PROTOCOL_ERROR) << "thanks for nothing";
  opened_ = 0;
  written_.clear();
  auto silent = Sync({""});
  EXPECT_EQ(CauseOf(Send(*silent, "abc")), v1::CAUSE_UNPLUGGED);
  EXPECT_EQ(written_,
            SyncFrame("SEND", "/sdcard/a,33200") + SyncFrame("DATA", "abc") + "DONE" + Le32(1234));
}

TEST_F(AdbSyncTest, AFullPhoneIsSaidEarly) {
  auto sync = Sync({SyncFrame("FAIL", "write failed: No space left on device")});
  const absl::Status full = Send(*sync, "abc");
  EXPECT_TRUE(absl::IsResourceExhausted(full));
  EXPECT_EQ(CauseOf(full), v1::CAUSE_PHONE_FULL);
  EXPECT_TRUE(IsFileRefusal(full));
}

TEST_F(AdbSyncTest, PathsAreChecked) {
  auto sync = Sync({""});
  EXPECT_FALSE(sync->Stat({}, "relative").ok());
  EXPECT_FALSE(sync->Stat({}, std::string_view("/a\0b", 4)).ok());
  EXPECT_TRUE(IsFileRefusal(sync->Stat({}, "/" + std::string(1024, 'p')).status()));
  EXPECT_TRUE(IsFileRefusal(Send(*sync, "x", "/" + std::string(1020, 'p'))));
  EXPECT_EQ(written_, "");
}

}  // namespace
}  // namespace mooring::agent
