// Photos over AFC, beside and without the full capture.

#include <gmock/gmock.h>

#include "tests/integration/agent/ios/ios_fixture.h"
#include "tests/phones/iphone/crypto.h"

namespace mooring::testing {
namespace {

class IosPhotosTest : public IosEngineTest {
 protected:
  static agent::BackupOptions Photos() {
    agent::BackupOptions options = FullBackup();
    options.captures = {v1::CAPTURE_KIND_PHOTOS};
    return options;
  }
  // Path in the snapshot and hash of every photo on the phone.
  std::map<std::string, std::string> PhotosOn(const std::string& udid) {
    std::map<std::string, std::string> photos;
    for (const auto& [name, file] : FilesOf(udid)) {
      if (file.kind == FileEntry::Kind::kFile && file.domain == "CameraRollDomain" &&
          file.path.starts_with("Media/DCIM/")) {
        photos["photos/" + file.path.substr(6)] = file.sha256;
      }
    }
    return photos;
  }
  std::map<std::string, std::string> PhotosInSnapshot() {
    std::map<std::string, std::string> photos;
    const auto reader = OpenNewest();
    EXPECT_TRUE(reader.ok()) << reader.status();
    std::vector<std::string> paths;
    EXPECT_TRUE((*reader)
                    ->Visit("photos",
                            [&](std::string_view path, const storage::Entry& entry) {
                              if (entry.type == storage::EntryType::kFile) {
                                paths.emplace_back(path);
                              }
                              return absl::OkStatus();
                            })
                    .ok());
    for (const std::string& path : paths) {
      std::string bytes;
      EXPECT_TRUE((*reader)
                      ->Read(ctx_, path,
                             [&](ByteView piece) {
                               bytes += AsText(piece);
                               return absl::OkStatus();
                             })
                      .ok());
      photos[path] = HexOf(Sha256(bytes));
    }
    return photos;
  }
};

TEST_F(IosPhotosTest, CapturesPhotosWithoutAPasscodeAndThenOnlyWhatChanged) {
  PhoneOptions options;
  options.passcode = PasscodeMode::kWait;  // A sheet would never be answered.
  const std::string udid = AddPhone(1, options);
  Pair(udid);
  const auto first = BackUp(udid, Photos());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(PhotosOn(udid).empty());
  EXPECT_EQ(PhotosInSnapshot(), PhotosOn(udid));
  EXPECT_EQ(first->captures[0].file_count(), PhotosOn(udid).size());
  EXPECT_TRUE(first->base_paths.empty());
  const std::uint64_t moved = progress_.files();

  PhoneOf(udid).Mutate({.adds = 10, .changes = 5, .deletes = 10});
  ASSERT_TRUE(BackUp(udid, Photos()).ok());
  EXPECT_EQ(PhotosInSnapshot(), PhotosOn(udid));
  EXPECT_LT(progress_.files() - moved, moved);
  ExpectGoodManners(udid);
}

TEST_F(IosPhotosTest, PhotosKeepTheFullCaptureAsItWas) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  ASSERT_TRUE(BackUp(udid).ok());
  const auto photos = BackUp(udid, Photos());
  ASSERT_TRUE(photos.ok()) << photos.status();
  EXPECT_EQ(photos->base_paths.size(), 3U);
  PhoneOf(udid).Mutate({});
  ASSERT_TRUE(BackUp(udid).ok());
  EXPECT_FALSE(Last(udid).is_full) << Last(udid).full_reason;
  EXPECT_FALSE(PhotosInSnapshot().empty());
}

}  // namespace
}  // namespace mooring::testing
