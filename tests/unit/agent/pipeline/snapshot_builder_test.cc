#include <fmt/format.h>
#include <gmock/gmock.h>

#include "agent/pipeline/snapshot_builder_impl.h"
#include "tests/support/snapshot_fixture.h"

namespace mooring::testing {
namespace {

using SnapshotBuilderTest = SnapshotTest;

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kMiB = 1024 * kKiB;

TEST_F(SnapshotBuilderTest, GivesBackWhatWasPutAtEverySizeThatIsTreatedSpecially) {
  Files files;
  Begin();
  const std::size_t sizes[] = {0,          1,          64,           127 * kKiB, 128 * kKiB - 1,
                               128 * kKiB, 256 * kKiB, 4 * kMiB - 1, 4 * kMiB,   4 * kMiB + 1,
                               9 * kMiB,   50 * kMiB};
  for (const std::size_t size : sizes) {
    const std::string path = fmt::format("full/{}", size);
    files[path] = size % 2 == 0 ? MakeContent(size, size) : MakeText(size, size);
    Put(path, files[path]);
  }
  ASSERT_TRUE(Finish().ok());
  ExpectNewestIs(files);
}

TEST_F(SnapshotBuilderTest, CutsMediaWithoutLookingAndGivesItBack) {
  Bytes movie = MakeContent(3, 13 * kMiB + 5);
  // An ISO media file begins with a box of type "ftyp".
  const Bytes head =
      ToBytes(std::string("\0\0\0\x18"
                          "ftypmp42\0\0\0\0mp42isom",
                          24));
  std::copy(head.begin(), head.end(), movie.begin());
  Begin();
  Put("photos/DCIM/100APPLE/IMG_0001.MP4", movie);
  ASSERT_TRUE(Finish(v1::CAPTURE_KIND_PHOTOS).ok());
  ExpectNewestIs({{"photos/DCIM/100APPLE/IMG_0001.MP4", movie}});
  // Three whole pieces and a rest, and one segment.
  EXPECT_EQ(link_.chunk_count(), 5U);
}

TEST_F(SnapshotBuilderTest, BundlesThousandsOfSmallFilesIntoFewChunks) {
  Files files;
  Begin();
  SeededRandom sizes(5);
  for (int i = 0; i < 3000; ++i) {
    const std::string path = fmt::format("full/{:02x}/{:040x}", i % 256, i);
    files[path] = MakeContent(static_cast<std::uint64_t>(i), sizes.Below(8 * kKiB));
    Put(path, files[path]);
  }
  ASSERT_TRUE(Finish().ok());
  ExpectNewestIs(files);
  EXPECT_LT(link_.chunk_count(), 40U);
}

TEST_F(SnapshotBuilderTest, UploadsOnlyWhatChanged) {
  Files files;
  Begin();
  for (int i = 0; i < 40; ++i) {
    const std::string path = fmt::format("full/file{}", i);
    files[path] = MakeContent(static_cast<std::uint64_t>(i), 300 * kKiB);
    Put(path, files[path]);
  }
  ASSERT_TRUE(Finish().ok());
  Begin();
  EXPECT_TRUE(builder_->has_base());
  EXPECT_TRUE(builder_->base_has_capture(v1::CAPTURE_KIND_FULL));
  EXPECT_FALSE(builder_->base_has_capture(v1::CAPTURE_KIND_PHOTOS));
  files["full/file7"] = MakeContent(1007, 300 * kKiB);
  Put("full/file7", files["full/file7"]);
  Put("full/file8", files["full/file8"]);  // Sent by the phone again, unchanged.
  ASSERT_TRUE(Finish().ok());
  ExpectNewestIs(files);
  // The changed file's chunk and the manifest's segment.
  EXPECT_EQ(link_.uploads(), 2U);
}

TEST_F(SnapshotBuilderTest, AnUnchangedSnapshotUploadsNothing) {
  Files files;
  Begin();
  for (int i = 0; i < 2000; ++i) {
    const std::string path = fmt::format("full/{}", i);
    files[path] = MakeText(static_cast<std::uint64_t>(i), 1000);
    Put(path, files[path]);
  }
  ASSERT_TRUE(Finish().ok());
  Begin();
  ASSERT_TRUE(Finish().ok());
  EXPECT_EQ(link_.uploads(), 0U);
  EXPECT_EQ(link_.snapshot(1).request.parent_snapshot_id(),
            storage::PeekRoot(AsBytes(link_.snapshot(0).request.root()))->snapshot.bytes());
  ExpectNewestIs(files);
}

TEST_F(SnapshotBuilderTest, UploadsTheSameContentOnce) {
  const Bytes content = MakeContent(9, 3 * kMiB);
  Begin();
  for (int i = 0; i < 10; ++i) Put(fmt::format("full/copy{}", i), content);
  ASSERT_TRUE(Finish().ok());
  EXPECT_LT(link_.uploaded_bytes(), content.size() + 64 * kKiB);
}

TEST_F(SnapshotBuilderTest, RenamesAndRemovalsFollowFilesWhoseBundleIsOpen) {
  Files files;
  Begin();
  for (int i = 0; i < 50; ++i) {
    const std::string path = fmt::format("full/Snapshot/{}", i);
    files[path] = MakeContent(static_cast<std::uint64_t>(i), 500);
    Put(path, files[path]);
  }
  ASSERT_TRUE(builder_->Rename("full/Snapshot/3", "full/three").ok());
  files["full/three"] = files["full/Snapshot/3"];
  files.erase("full/Snapshot/3");
  ASSERT_TRUE(builder_->Remove("full/Snapshot/4").ok());
  files.erase("full/Snapshot/4");
  // A whole tree moves, over something that is pending itself.
  Put("full/moved/5", MakeContent(77, 100));
  ASSERT_TRUE(builder_->Remove("full/moved").ok());
  ASSERT_TRUE(builder_->Rename("full/Snapshot", "full/moved").ok());
  Files moved;
  for (auto& [path, content] : files) {
    const std::string prefix = "full/Snapshot/";
    moved[path.rfind(prefix, 0) == 0 ? "full/moved/" + path.substr(prefix.size()) : path] = content;
  }
  // Written again while the first is pending.
  moved["full/three"] = MakeContent(33, 700);
  Put("full/three", moved["full/three"]);
  ASSERT_TRUE(builder_->Copy("full/moved/9", "full/nine").ok());
  moved["full/nine"] = moved["full/moved/9"];
  EXPECT_EQ(builder_->Find("full/moved/10")->size_bytes, 500U);
  EXPECT_EQ(builder_->List("full/moved").size(), 48U);
  ASSERT_TRUE(Finish().ok());
  ExpectNewestIs(moved);
}

TEST_F(SnapshotBuilderTest, ReadsAFileThatThisSessionWrote) {
  const Bytes database = MakeText(4, 5 * kMiB + 17);
  const Bytes status = MakeText(5, 200);
  const Bytes small = MakeText(6, 200);
  Begin();
  Put("full/Manifest.db", database, agent::Domain::kPerson, true);
  Put("full/Status.plist", status, agent::Domain::kPerson, true);
  Put("full/small", small);
  for (const auto& [path, expected] : Files{
           {"full/Manifest.db", database}, {"full/Status.plist", status}, {"full/small", small}}) {
    auto file = builder_->Open(ctx_, path);
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ((*file)->size_bytes(), expected.size());
    Bytes actual(expected.size());
    const std::size_t half = expected.size() / 2;
    ASSERT_EQ(*(*file)->ReadAt(half, std::span(actual).subspan(half)), expected.size() - half);
    ASSERT_EQ(*(*file)->ReadAt(0, std::span(actual).first(half)), half);
    EXPECT_TRUE(actual == expected);
    EXPECT_EQ(*(*file)->ReadAt(expected.size(), actual), 0U);
  }
  EXPECT_TRUE(absl::IsNotFound(builder_->Open(ctx_, "full/none").status()));
  ASSERT_TRUE(Finish(v1::CAPTURE_KIND_FULL, {"full/Manifest.db", "full/Status.plist"}).ok());

  // The base serves these two, and nothing else.
  Begin();
  Bytes head(100);
  EXPECT_EQ(*(*builder_->Open(ctx_, "full/Manifest.db"))->ReadAt(0, head), 100U);
  EXPECT_TRUE(
      absl::IsPermissionDenied((*builder_->Open(ctx_, "full/small"))->ReadAt(0, head).status()));
}

TEST_F(SnapshotBuilderTest, AFileThatWillBeReadIsSentEvenWhereTheServerHasIt) {
  const Bytes database = MakeContent(4, 2 * kMiB);
  Begin();
  Put("full/Manifest.db", database, agent::Domain::kPerson, true);
  ASSERT_TRUE(Finish().ok());
  link_.set_admitted(false);
  Begin();
  EXPECT_FALSE(builder_->has_base());
  Put("full/Manifest.db", database, agent::Domain::kPerson, true);
  Bytes head(100);
  const auto read = (*builder_->Open(ctx_, "full/Manifest.db"))->ReadAt(0, head);
  EXPECT_TRUE(read.ok()) << read.status();
}

TEST_F(SnapshotBuilderTest, AFileDroppedWithoutCloseDoesNotExist) {
  Begin();
  Put("full/kept", MakeContent(1, 100));
  {
    auto writer = builder_->Put(ctx_, "full/dropped", {}, agent::Domain::kPerson);
    ASSERT_TRUE((*writer)->Write(MakeContent(2, 6 * kMiB)).ok());
    EXPECT_FALSE(builder_->Put(ctx_, "full/second", {}, agent::Domain::kPerson).ok());
  }
  EXPECT_FALSE(builder_->Find("full/dropped").has_value());
  ASSERT_TRUE(Finish().ok());
  ExpectNewestIs({{"full/kept", MakeContent(1, 100)}});
}

TEST_F(SnapshotBuilderTest, KeepsTheOtherCaptureWithItsOwnTime) {
  Begin();
  Put("photos/DCIM/1", MakeContent(1, 1000));
  Put("photos/DCIM/2", MakeContent(2, 2000));
  ASSERT_TRUE(Finish(v1::CAPTURE_KIND_PHOTOS).ok());
  Begin();
  Put("full/a", MakeContent(3, 500));
  ASSERT_TRUE(Finish(v1::CAPTURE_KIND_FULL).ok());
  const v1::CommitSnapshotRequest& first = link_.snapshot(0).request;
  const v1::CommitSnapshotRequest& second = link_.snapshot(1).request;
  ASSERT_EQ(second.captures_size(), 2);
  EXPECT_EQ(second.captures(0).kind(), v1::CAPTURE_KIND_FULL);
  EXPECT_EQ(second.captures(0).session_id(), second.session_id());
  EXPECT_EQ(second.captures(0).logical_bytes(), 500U);
  EXPECT_EQ(second.captures(1).kind(), v1::CAPTURE_KIND_PHOTOS);
  EXPECT_EQ(second.captures(1).session_id(), first.session_id());
  EXPECT_EQ(second.captures(1).file_count(), 2U);
  EXPECT_EQ(second.captures(1).logical_bytes(), 3000U);
  EXPECT_EQ(second.captures(1).result(), v1::CAPTURE_RESULT_COMPLETE);
}

TEST_F(SnapshotBuilderTest, SealsAppPackagesInTheOrganizationsDomain) {
  const Bytes package = MakeContent(8, 2 * kMiB);
  Begin();
  Put("apps/com.example/base.apk", package, agent::Domain::kOrganization);
  Put("apps/com.example/small.apk", MakeContent(9, 900), agent::Domain::kOrganization);
  Put("storage/note", MakeContent(10, 900));
  ASSERT_TRUE(Finish().ok());
  ASSERT_EQ(link_.snapshot(0).request.refs_size(), 2);
  ExpectNewestIs({{"apps/com.example/base.apk", package},
                  {"apps/com.example/small.apk", MakeContent(9, 900)},
                  {"storage/note", MakeContent(10, 900)}});
}

TEST_F(SnapshotBuilderTest, ABaseThatDoesNotVerifyMeansAFullBackup) {
  Begin();
  Put("full/a", MakeContent(1, 1000));
  ASSERT_TRUE(Finish().ok());
  // Its only segment is gone.
  link_.ForgetChunk(*ChunkId::FromBytes(link_.snapshot(0).request.base_ids(0)));
  Begin();
  EXPECT_FALSE(builder_->has_base());
  EXPECT_FALSE(builder_->base_fault().ok());
  Put("full/a", MakeContent(1, 1000));
  ASSERT_TRUE(Finish().ok());
  EXPECT_TRUE(link_.snapshot(1).request.parent_snapshot_id().empty());
  ExpectNewestIs({{"full/a", MakeContent(1, 1000)}});
}

TEST_F(SnapshotBuilderTest, SaysSoWhenTheServerLostChunksThatItHad) {
  Begin();
  Put("full/a", MakeContent(1, kMiB));
  ASSERT_TRUE(Finish().ok());
  Begin();
  const std::optional<storage::Entry> entry = builder_->Find("full/a");
  link_.ForgetChunk(entry->extents[0].chunk.id);
  const auto receipt = Finish();
  EXPECT_TRUE(absl::IsAborted(receipt.status())) << receipt.status();
  EXPECT_EQ(link_.snapshot_count(), 1U);
}

TEST_F(SnapshotBuilderTest, RefusesHostilePaths) {
  Begin();
  for (const char* path : {"../etc/passwd", "/etc/passwd", "full//a", "full/./a", "", "full/.."}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(builder_->Put(ctx_, path, {}, agent::Domain::kPerson).status()))
        << path;
  }
}

TEST_F(SnapshotBuilderTest, StopsWhenItIsCalledOff) {
  std::stop_source stop;
  ctx_.stop = stop.get_token();
  Begin();
  Put("full/a", MakeContent(1, 100));
  stop.request_stop();
  EXPECT_TRUE(absl::IsCancelled(Finish().status()));
  EXPECT_EQ(link_.snapshot_count(), 0U);
}

}  // namespace
}  // namespace mooring::testing
