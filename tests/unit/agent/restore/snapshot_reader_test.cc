#include <fmt/format.h>
#include <gmock/gmock.h>

#include "agent/restore/snapshot_reader_impl.h"
#include "tests/support/snapshot_fixture.h"

namespace mooring::testing {
namespace {

using SnapshotReaderTest = SnapshotTest;

constexpr std::size_t kMiB = std::size_t{1} << 20;

absl::Status Drop(ByteView) {
  return absl::OkStatus();
}

TEST_F(SnapshotReaderTest, ReadsManySmallFilesInFewRequests) {
  Files files;
  Begin();
  for (int i = 0; i < 2000; ++i) {
    const std::string path = fmt::format("full/{:05}", i);
    files[path] = MakeContent(static_cast<std::uint64_t>(i), 4000);
    Put(path, files[path]);
  }
  ASSERT_TRUE(Finish().ok());
  const std::uint64_t before = link_.read_calls();
  ExpectNewestIs(files);
  EXPECT_LT(link_.read_calls() - before, 10U);
}

// A bundle holds files from all over the tree, and videos come in between.
TEST_F(SnapshotReaderTest, FetchesNoChunkTwiceBetweenLargeFiles) {
  std::vector<std::string> paths;
  Begin();
  for (unsigned i = 0; i < 40; ++i) {
    Put(fmt::format("full/{}/a{}", i % 4, i), MakeContent(i, 9000));
  }
  for (unsigned i = 0; i < 4; ++i) {
    Put(fmt::format("full/{}/video", i), MakeContent(100 + i, 40 * kMiB));
  }
  ASSERT_TRUE(Finish().ok());
  auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok()) << reader.status();
  ASSERT_TRUE((*reader)
                  ->Visit("full",
                          [&](std::string_view path, const storage::Entry& entry) {
                            if (entry.type == storage::EntryType::kFile) paths.emplace_back(path);
                            return absl::OkStatus();
                          })
                  .ok());
  ASSERT_EQ(paths.size(), 44U);
  const std::uint64_t before = link_.chunks_read();
  (*reader)->Prefetch(paths);
  for (const std::string& path : paths) ASSERT_TRUE((*reader)->Read(ctx_, path, Drop).ok());
  EXPECT_LE(link_.chunks_read() - before, link_.chunk_count());
}

TEST_F(SnapshotReaderTest, ReadsInAnotherOrderThanPlanned) {
  Files files;
  std::vector<std::string> paths;
  Begin();
  for (int i = 0; i < 60; ++i) {
    const std::string path = fmt::format("full/{:02}", i);
    files[path] = MakeContent(static_cast<std::uint64_t>(i), kMiB);
    Put(path, files[path]);
    paths.push_back(path);
  }
  ASSERT_TRUE(Finish().ok());
  auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok());
  (*reader)->Prefetch(paths);
  for (const int i : {30, 2, 59, 31, 0, 58}) {
    Bytes actual;
    ASSERT_TRUE((*reader)
                    ->Read(ctx_, paths[static_cast<std::size_t>(i)],
                           [&](ByteView piece) {
                             Append(actual, piece);
                             return absl::OkStatus();
                           })
                    .ok());
    EXPECT_TRUE(actual == files[paths[static_cast<std::size_t>(i)]]);
  }
}

TEST_F(SnapshotReaderTest, AFlippedBitIsDataLoss) {
  Begin();
  Put("full/large", MakeContent(1, 3 * kMiB));
  Put("full/small", MakeContent(2, 300));
  ASSERT_TRUE(Finish().ok());
  ASSERT_GT(link_.CorruptFileChunks(), 0U);
  auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok()) << reader.status();
  (*reader)->Prefetch({"full/large", "full/small"});
  EXPECT_TRUE(absl::IsDataLoss((*reader)->Read(ctx_, "full/large", Drop)));
  EXPECT_TRUE(absl::IsDataLoss((*reader)->Read(ctx_, "full/small", Drop)));
  Bytes out(10);
  EXPECT_TRUE(absl::IsDataLoss((*(*reader)->Open(ctx_, "full/small"))->ReadAt(0, out).status()));
}

TEST_F(SnapshotReaderTest, AMissingChunkFailsOnlyTheFileThatNeedsIt) {
  Begin();
  Put("full/a", MakeContent(1, kMiB));
  Put("full/b", MakeContent(2, kMiB));
  const Bytes c = MakeContent(3, kMiB);
  Put("full/c", c);
  ASSERT_TRUE(Finish().ok());
  auto reader = OpenNewest();
  ASSERT_TRUE(reader.ok());
  link_.ForgetChunk((*reader)->Find("full/b")->extents[0].chunk.id);
  (*reader)->Prefetch({"full/a", "full/b", "full/c"});
  EXPECT_TRUE((*reader)->Read(ctx_, "full/a", Drop).ok());
  EXPECT_FALSE((*reader)->Read(ctx_, "full/b", Drop).ok());
  EXPECT_TRUE((*reader)->Read(ctx_, "full/c", Drop).ok());
}

TEST_F(SnapshotReaderTest, AnotherSnapshotsRootOrKeyIsRefused) {
  Begin();
  Put("full/a", MakeContent(1, 100));
  ASSERT_TRUE(Finish().ok());
  v1::OpenSnapshotRequest request;
  request.set_hpke_public_key(ToString(*storage::HpkePublicKey(link_.hpke_private_key())));
  auto opened = link_.OpenSnapshot(ctx_, request);
  ASSERT_TRUE(opened.ok());
  v1::OpenSnapshotResponse lie = *opened;
  lie.mutable_root()->back() ^= 1;
  EXPECT_TRUE(absl::IsDataLoss(
      agent::SnapshotReaderImpl::Create(ctx_, link_, lie, link_.hpke_private_key(), {}).status()));
  lie = *opened;
  lie.set_snapshot_id(std::string(16, 'x'));
  EXPECT_FALSE(
      agent::SnapshotReaderImpl::Create(ctx_, link_, lie, link_.hpke_private_key(), {}).ok());
}

TEST_F(SnapshotReaderTest, AReaderDroppedWhileItFetchesEnds) {
  Begin();
  for (int i = 0; i < 30; ++i) {
    Put(fmt::format("full/{}", i), MakeContent(static_cast<std::uint64_t>(i), kMiB));
  }
  ASSERT_TRUE(Finish().ok());
  auto reader = OpenNewest();
  std::vector<std::string> paths;
  for (int i = 0; i < 30; ++i) paths.push_back(fmt::format("full/{}", i));
  (*reader)->Prefetch(paths);
}

}  // namespace
}  // namespace mooring::testing
