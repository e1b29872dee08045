// Storage of a fake phone into real snapshots, through breaks.

#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/android/record_file.h"
#include "agent/android/storage_capture.h"
#include "agent/device/cause.h"
#include "tests/support/recording_progress.h"
#include "tests/support/snapshot_fixture.h"
#include "tests/unit/agent/android/fake_adb_device.h"

namespace mooring::agent {
namespace {

using mooring::testing::FakePhone;
using mooring::testing::MakeContent;
using mooring::testing::RecordingProgress;
using mooring::testing::SnapshotTest;
using ::testing::HasSubstr;

class AndroidCaptureTest : public SnapshotTest {
 protected:
  // One session: captures the storage and commits.
  void Capture() {
    Begin();
    gaps_ = GapList();
    FetchBudget budget;
    std::vector<std::string> remarks;
    PhoneLine line(clock_, patience_, phone_.Finder(), progress_);
    ASSERT_TRUE(line.Open(ctx_).ok());
    StorageIndex index(*builder_);
    const CaptureParts parts{clock_,    line,   *builder_,   index,   gaps_,
                             progress_, budget, categories_, remarks, 1};
    sent_before_ = phone_.sent_bytes;
    StorageCapture capture(parts);
    const absl::Status captured = capture.Run(ctx_);
    ASSERT_TRUE(captured.ok()) << captured;
    sent_ = phone_.sent_bytes - sent_before_;
    returns_ = line.returns();
    ASSERT_TRUE(index.Store(ctx_, capture.files()).ok());
    const auto receipt = Finish(v1::CAPTURE_KIND_FULL, index.Paths());
    ASSERT_TRUE(receipt.ok()) << receipt.status();
  }

  // The snapshot's storage is the phone's.
  void ExpectStored() {
    auto reader = OpenNewest();
    ASSERT_TRUE(reader.ok()) << reader.status();
    std::size_t wanted = 0;
    for (const auto& [path, file] : phone_.files) {
      if (file.is_directory || !file.is_readable) continue;
      ++wanted;
      const std::string stored = "storage/internal/" + path.substr(8);
      const auto entry = (*reader)->Find(stored);
      ASSERT_TRUE(entry) << path;
      EXPECT_EQ(entry->modified_unix_ns / 1'000'000'000, file.modified_unix_ns / 1'000'000'000);
      std::string content;
      ASSERT_TRUE((*reader)
                      ->Read(ctx_, stored,
                             [&](ByteView bytes) {
                               content += AsText(bytes);
                               return absl::OkStatus();
                             })
                      .ok());
      EXPECT_TRUE(content == file.content) << path;
    }
    std::size_t stored = 0;
    ASSERT_TRUE((*reader)
                    ->Visit("storage",
                            [&](std::string_view, const storage::Entry& entry) {
                              stored += entry.type == storage::EntryType::kFile ? 1U : 0U;
                              return absl::OkStatus();
                            })
                    .ok());
    EXPECT_EQ(stored, wanted);
  }

  void Seed() {
    for (int i = 0; i < 40; ++i) {
      phone_.Put("/sdcard/DCIM/Camera/" + std::to_string(i) + ".jpg",
                 ToString(MakeContent(static_cast<std::uint64_t>(i), 20'000)));
    }
    phone_.Put("/sdcard/DCIM/film.mp4", ToString(MakeContent(77, 3'000'000)));
    phone_.Put("/sdcard/Download/empty", "");
    phone_.Put("/sdcard/Download/it's \"odd\"\\ \xF0\x9F\x98\x80", "emoji");
    phone_.Put("/sdcard/Download/new\nline", "newline");
    phone_.Put("/sdcard/Download/\xFF\xFE no text", "bytes");
    phone_.Put("/sdcard/Download/-dash ", "dash");
    phone_.Put("/sdcard/Download/" + std::string(255, 'n'), "long");
  }

  ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  AndroidPatience patience_{absl::Minutes(1), absl::Minutes(10), absl::ZeroDuration()};
  RecordingProgress progress_;
  FakePhone phone_;
  std::set<v1::Category> categories_ = {v1::CATEGORY_PHOTOS, v1::CATEGORY_DOCUMENTS,
                                        v1::CATEGORY_APP_DATA, v1::CATEGORY_MESSAGING_APPS};
  GapList gaps_;
  std::uint64_t sent_ = 0;
  std::uint64_t sent_before_ = 0;
  int returns_ = 0;
};

TEST_F(AndroidCaptureTest, StoresEveryNameAndContent) {
  Seed();
  Capture();
  ExpectStored();
  EXPECT_TRUE(gaps_.empty());
}

TEST_F(AndroidCaptureTest, ReadsOnlyWhatChanged) {
  Seed();
  Capture();
  const std::uint64_t full = sent_;
  phone_.Put("/sdcard/DCIM/Camera/3.jpg", std::string(20'000, 'x'), 1'700'000'500);
  phone_.files.erase("/sdcard/DCIM/Camera/4.jpg");
  phone_.Put("/sdcard/Music/new.mp3", std::string(30'000, 'm'));
  Capture();
  ExpectStored();
  EXPECT_LT(sent_, 70'000U);
  EXPECT_GT(full, 3'800'000U);
  Capture();
  ExpectStored();
  // The listing and a slice of hashes alone.
  EXPECT_LT(sent_, 10'000U);
}

TEST_F(AndroidCaptureTest, WithoutFindAndTarItStillDoes) {
  phone_.has_find = false;
  phone_.has_tar = false;
  Seed();
  Capture();
  ExpectStored();
  phone_.has_hash = false;
  Capture();
  ExpectStored();
}

TEST_F(AndroidCaptureTest, FollowsARenameByItsInode) {
  Seed();
  Capture();
  phone_.files["/sdcard/Movies/moved.mp4"] = phone_.files["/sdcard/DCIM/film.mp4"];
  phone_.files.erase("/sdcard/DCIM/film.mp4");
  Capture();
  ExpectStored();
  EXPECT_LT(sent_, 20'000U);
}

TEST_F(AndroidCaptureTest, FindsAnEditThatKeptSizeAndTime) {
  Seed();
  Capture();
  phone_.files["/sdcard/DCIM/Camera/7.jpg"].content = std::string(20'000, '!');
  // Every file has its turn within seventeen days.
  for (int day = 0; day < 17; ++day) {
    Capture();
    clock_.Advance(absl::Hours(24));
  }
  ExpectStored();
}

TEST_F(AndroidCaptureTest, UnpluggedAnywhereItGoesOnWhereItWas) {
  Seed();
  Capture();
  const std::uint64_t whole = sent_;
  // The largest thing that is in flight: what tar and sync hand over at once.
  constexpr std::uint64_t kInFlight = 60'000;
  for (int tenth = 1; tenth < 10; ++tenth) {
    SCOPED_TRACE(tenth);
    link_.set_admitted(false);  // A full backup again.
    phone_.bytes_until_pulled = whole * static_cast<std::uint64_t>(tenth) / 10;
    Capture();
    ExpectStored();
    EXPECT_EQ(returns_, 1);
    EXPECT_TRUE(progress_.WaitedFor(v1::WAITING_FOR_PHONE));
    EXPECT_LT(sent_, whole + kInFlight);
  }
}

TEST_F(AndroidCaptureTest, APhoneThatStaysAwayEndsTheSession) {
  Seed();
  phone_.bytes_until_pulled = 100'000;
  phone_.absent_for = 1'000'000;
  patience_.poll = absl::Seconds(30);
  Begin();
  FetchBudget budget;
  std::vector<std::string> remarks;
  SystemClock clock;
  patience_.poll = absl::Milliseconds(1);
  patience_.unplugged = absl::Milliseconds(30);
  PhoneLine line(clock, patience_, phone_.Finder(), progress_);
  ASSERT_TRUE(line.Open(ctx_).ok());
  StorageIndex index(*builder_);
  const CaptureParts parts{clock,     line,   *builder_,   index,   gaps_,
                           progress_, budget, categories_, remarks, 1};
  EXPECT_EQ(CauseOf(StorageCapture(parts).Run(ctx_)), v1::CAUSE_UNPLUGGED);
}

TEST_F(AndroidCaptureTest, ListsWhatItCouldNotRead) {
  Seed();
  Capture();
  phone_.Put("/sdcard/DCIM/Camera/5.jpg", "refused now", 1'700'000'700);
  phone_.files["/sdcard/DCIM/Camera/5.jpg"].is_readable = false;
  phone_.Put("/sdcard/Download/vanishes", "soon", 1'700'000'700);
  phone_.before_read = [this](const std::string& path) {
    if (path == "/sdcard/Download/vanishes") phone_.files.erase(path);
  };
  Capture();
  v1::Capture capture;
  gaps_.Describe(capture);
  EXPECT_EQ(capture.result(), v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS);
  ASSERT_EQ(capture.gaps_size(), 2);
  EXPECT_EQ(capture.gaps(0).reason(), v1::GAP_REASON_VANISHED);
  EXPECT_EQ(capture.gaps(1).reason(), v1::GAP_REASON_REFUSED);
  // What an earlier backup has of a refused file stays.
  auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ((*reader)->Find("storage/internal/DCIM/Camera/5.jpg")->size_bytes, 20'000U);
  EXPECT_FALSE((*reader)->Find("storage/internal/Download/vanishes"));
}

TEST_F(AndroidCaptureTest, AFileThatGrowsWhileItIsReadIsReadAgain) {
  Seed();
  int reads = 0;
  phone_.before_read = [&](const std::string& path) {
    if (path == "/sdcard/DCIM/film.mp4" && ++reads == 1) {
      phone_.Put(path, ToString(MakeContent(78, 3'500'000)), 1'700'000'900);
    }
  };
  Capture();
  ExpectStored();
  EXPECT_TRUE(gaps_.empty());
}

TEST_F(AndroidCaptureTest, LeavesOutWhatPolicySkips) {
  Seed();
  Capture();
  categories_.erase(v1::CATEGORY_PHOTOS);
  Capture();
  auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE((*reader)->IsDirectory("storage/internal/DCIM"));
  EXPECT_TRUE((*reader)->Find("storage/internal/Download/empty"));
}

TEST_F(AndroidCaptureTest, KeepsEmptyDirectoriesAndDropsThemWithThePhone) {
  Seed();
  phone_.files["/sdcard/Documents/nothing"].is_directory = true;
  Capture();
  auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE((*reader)->IsDirectory("storage/internal/Documents/nothing"));
  phone_.files.erase("/sdcard/Documents/nothing");
  Capture();
  reader = OpenNewest();
  ASSERT_TRUE(reader.ok());
  EXPECT_FALSE((*reader)->IsDirectory("storage/internal/Documents/nothing"));
}

TEST_F(AndroidCaptureTest, NamesThatEscapeAreGaps) {
  Seed();
  phone_.answer = [](const std::string& command) -> std::optional<mooring::testing::FakeReply> {
    if (command.find("find ") != 0) return std::nullopt;
    std::string output;
    for (const char* path : {"../../etc/passwd", "/etc/passwd", "a//b", "a/../b", "a", "a/b"}) {
      output += std::string("-rw-rw----\t4\t1700000000.0\t9\t") + path + '\0';
    }
    return mooring::testing::FakeReply{output, 0, ""};
  };
  phone_.Put("/sdcard/a", "file");
  Capture();
  auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok());
  EXPECT_TRUE((*reader)->Find("storage/internal/a"));
  v1::Capture capture;
  gaps_.Describe(capture);
  std::uint64_t refused = 0;
  for (const v1::GapCount& gap : capture.gaps()) {
    if (gap.reason() == v1::GAP_REASON_NOT_STORABLE) refused = gap.count();
  }
  EXPECT_EQ(refused, 4U);
}

TEST_F(AndroidCaptureTest, GapsAreStoredSealedWithTheirPaths) {
  Begin();
  gaps_.Add("storage/internal/DCIM/\xFF.jpg", v1::GAP_REASON_REFUSED);
  gaps_.Add("storage/internal/b", v1::GAP_REASON_VANISHED);
  ASSERT_TRUE(gaps_.Store(ctx_, *builder_).ok());
  ASSERT_TRUE(Finish().ok());
  auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok());
  std::string text;
  ASSERT_TRUE((*reader)
                  ->Read(ctx_, kGapsPath,
                         [&](ByteView bytes) {
                           text += AsText(bytes);
                           return absl::OkStatus();
                         })
                  .ok());
  EXPECT_THAT(text, HasSubstr("\"reason\":\"refused\""));
  EXPECT_THAT(text, HasSubstr("ff2e6a7067"));
}

}  // namespace
}  // namespace mooring::agent
