#include "admin/cli/snapshot_exporter.h"

#include <unistd.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/subprocess.h"
#include "tests/unit/admin/snapshot_writer.h"

namespace mooring::admin {
namespace {

using mooring::testing::ReadText;
using mooring::testing::SnapshotWriter;
using mooring::testing::TempDir;

constexpr char kSerial[] = "00008120-001A34E61EE8201E";

// Serves a map, as a server would: in order, until a chunk is not there.
class MapSource final : public ChunkSource {
 public:
  explicit MapSource(const std::map<ChunkId, Bytes>& chunks) : chunks_(chunks) {}

  absl::Status Read(const std::vector<ChunkId>& ids,
                    absl::FunctionRef<absl::Status(ByteView sealed)> take) override {
    EXPECT_LE(ids.size(), kChunksPerRead);
    ++reads;
    for (const ChunkId& id : ids) {
      if (gone_at == served) return absl::UnavailableError("the server is gone");
      const auto found = chunks_.find(id);
      if (found == chunks_.end()) return absl::DataLossError("chunk missing");
      ++served;
      if (absl::Status taken = take(found->second); !taken.ok()) return taken;
    }
    return absl::OkStatus();
  }

  int reads = 0;
  int served = 0;
  int gone_at = -1;

 private:
  const std::map<ChunkId, Bytes>& chunks_;
};

class SnapshotExporterTest : public ::testing::Test {
 protected:
  std::string path(const std::string& name) const { return dir_.path() + "/out/" + name; }
  bool Exists(const std::string& name) const { return ::access(path(name).c_str(), F_OK) == 0; }

  absl::StatusOr<ExportSummary> Export(const storage::Root& root, std::size_t batch = 100'000) {
    auto folder = ExportFolder::Open(dir_.path() + "/out", false);
    if (!folder.ok()) return folder.status();
    SnapshotExporter exporter(root, kSerial, source_, *folder,
                              [this](const ExportProgress& progress) { progress_ = progress; });
    exporter.set_batch_entries_for_test(batch);
    return exporter.Run();
  }

  TempDir dir_;
  SnapshotWriter writer_;
  MapSource source_{writer_.chunks()};
  ExportProgress progress_;
};

TEST_F(SnapshotExporterTest, WritesTheStandardFolder) {
  writer_.Put("full/Info.plist", "info");
  writer_.Put("full/Manifest.db", std::string(300'000, 'm'));
  writer_.Put("full/3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28", "sms");
  writer_.Put("full/empty", "");
  writer_.Put("photos/DCIM/100APPLE/IMG_0001.HEIC", "photo");
  ASSERT_TRUE(writer_.overlay().MakeDirectory("full/00", 0).ok());
  const auto summary = Export(writer_.Finish());
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->damaged_count, 0U) << (summary->damaged.empty() ? "" : summary->damaged[0]);
  EXPECT_EQ(summary->file_count, 5U);
  const std::string device = std::string(kSerial) + "/";
  EXPECT_EQ(ReadText(path(device + "Info.plist")), "info");
  EXPECT_EQ(ReadText(path(device + "Manifest.db")), std::string(300'000, 'm'));
  EXPECT_EQ(ReadText(path(device + "3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28")), "sms");
  EXPECT_TRUE(Exists(device + "empty"));
  EXPECT_TRUE(Exists(device + "00"));
  EXPECT_EQ(ReadText(path("photos/DCIM/100APPLE/IMG_0001.HEIC")), "photo");
  EXPECT_FALSE(Exists(std::string(kIncompleteMarker)));
  EXPECT_EQ(progress_.bytes_done, 300'000U + 4 + 3 + 5);
}

TEST_F(SnapshotExporterTest, AnAndroidSnapshotBecomesAPlainTree) {
  const std::string odd = "storage/internal/Download/a \"b\"\n\xF0\x9F\x98\x80\xFF";
  writer_.Put("storage/internal/DCIM/Camera/IMG 1.jpg", "photo");
  writer_.Put(odd, "odd");
  writer_.Put("storage/internal/Download/" + std::string(255, 'n'), "long");
  writer_.Put("storage/sd-1234-ABCD/a.mp3", "song");
  writer_.Put("apps/com.example/base.apk", "apk");
  writer_.Put("records/gaps.json", "gaps");
  ASSERT_TRUE(writer_.overlay().MakeDirectory("storage/internal/empty", 0).ok());
  const auto summary = Export(writer_.Finish());
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->damaged_count, 0U);
  EXPECT_EQ(summary->file_count, 6U);
  for (const std::string& name :
       {std::string("storage/internal/DCIM/Camera/IMG 1.jpg"), odd,
        std::string("storage/sd-1234-ABCD/a.mp3"), std::string("apps/com.example/base.apk"),
        std::string("records/gaps.json"), std::string("storage/internal/empty")}) {
    EXPECT_TRUE(Exists(name)) << name;
  }
}

TEST_F(SnapshotExporterTest, FetchesABundleOnce) {
  std::string bundle;
  for (int i = 0; i < 1000; ++i) bundle += "file " + std::to_string(1000 + i) + "|";
  const auto chunk = writer_.Seal(AsBytes(bundle));
  const auto other = writer_.Seal(AsBytes(std::string(5000, 'o')));
  // Neighbors by name lie in different bundles.
  for (std::uint32_t i = 0; i < 100; ++i) {
    writer_.Put("full/a" + std::to_string(1000 + i), writer_.MakeFile({{chunk, i * 10, 9}}));
    writer_.Put("full/a" + std::to_string(1000 + i) + "x", writer_.MakeFile({{other, i, 3}}));
  }
  const storage::Root root = writer_.Finish();
  const auto summary = Export(root);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->file_count, 200U);
  EXPECT_EQ(source_.served, root.body.segments_size() + 2);
  EXPECT_EQ(ReadText(path(std::string(kSerial) + "/a1099")), "file 1099");
}

TEST_F(SnapshotExporterTest, LargeFilesComeInOrder) {
  const auto a = writer_.Seal(AsBytes(std::string(100, 'a')));
  const auto b = writer_.Seal(AsBytes(std::string(100, 'b')));
  writer_.Put("storage/big", writer_.MakeFile({{b, 0, 100}, {a, 10, 5}, {a, 0, 2}, {b, 99, 1}}));
  const auto summary = Export(writer_.Finish());
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->damaged_count, 0U);
  EXPECT_EQ(ReadText(path("storage/big")), std::string(100, 'b') + "aaaaaaa" + "b");
}

TEST_F(SnapshotExporterTest, SmallBatchesGiveTheSame) {
  for (int i = 0; i < 2500; ++i) {
    writer_.Put("full/" + std::to_string(10'000 + i), "content " + std::to_string(i));
  }
  const storage::Root root = writer_.Finish();
  ASSERT_GT(root.body.segments_size(), 2);
  const auto summary = Export(root, 700);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->file_count, 2500U);
  EXPECT_EQ(summary->damaged_count, 0U);
  EXPECT_EQ(ReadText(path(std::string(kSerial) + "/12499")), "content 2499");
}

TEST_F(SnapshotExporterTest, NamesWhatIsDamagedAndKeepsTheRest) {
  writer_.Put("full/good", "good");
  const auto gone = writer_.Seal(AsBytes("gone"));
  const auto flipped = writer_.Seal(AsBytes("flipped"));
  writer_.Put("full/gone", writer_.MakeFile({{gone, 0, 4}}));
  writer_.Put("full/half",
              writer_.MakeFile({{writer_.Seal(AsBytes("first")), 0, 5}, {gone, 0, 1}}));
  writer_.Put("full/flipped", writer_.MakeFile({{flipped, 0, 7}}));
  writer_.Put("full/last", "last");
  const storage::Root root = writer_.Finish();
  writer_.chunks().erase(gone.id);
  writer_.chunks()[flipped.id].back() ^= std::byte{1};
  const auto summary = Export(root);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->damaged_count, 3U);
  EXPECT_EQ(summary->file_count, 2U);
  const std::string device = std::string(kSerial) + "/";
  EXPECT_EQ(ReadText(path(device + "good")), "good");
  EXPECT_EQ(ReadText(path(device + "last")), "last");
  EXPECT_FALSE(Exists(device + "gone"));
  EXPECT_FALSE(Exists(device + "half")) << "half a file is worse than none";
  EXPECT_FALSE(Exists(device + "flipped"));
  EXPECT_TRUE(Exists(std::string(kIncompleteMarker)));
}

TEST_F(SnapshotExporterTest, AFileOfAnotherDigestIsDamaged) {
  storage::Entry entry = writer_.MakeFile("content");
  entry.digest = storage::FileDigest();
  writer_.Put("full/x", entry);
  storage::Entry empty = writer_.MakeFile("");
  empty.digest = entry.digest;
  writer_.Put("full/y", empty);
  const auto summary = Export(writer_.Finish());
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->damaged_count, 2U);
  EXPECT_FALSE(Exists(std::string(kSerial) + "/x"));
  EXPECT_FALSE(Exists(std::string(kSerial) + "/y"));
}

TEST_F(SnapshotExporterTest, ADamagedSegmentIsNamed) {
  for (int i = 0; i < 2500; ++i) writer_.Put("full/" + std::to_string(10'000 + i), "same");
  const storage::Root root = writer_.Finish();
  const std::string first = root.body.segments(1).first_path();
  writer_.chunks().erase(*ChunkId::FromBytes(root.body.segments(1).chunk().id()));
  const auto summary = Export(root);
  ASSERT_TRUE(summary.ok()) << summary.status();
  ASSERT_EQ(summary->damaged_count, 1U);
  EXPECT_EQ(summary->damaged[0].substr(0, first.size()), first);
  EXPECT_EQ(summary->file_count, 2500U - root.body.segments(1).entry_count());
}

TEST_F(SnapshotExporterTest, AManifestThatLiesIsDamage) {
  writer_.Put("full/x", "x");
  storage::Root root = writer_.Finish();
  root.body.set_file_count(2);
  const auto summary = Export(root);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->damaged_count, 1U);
  EXPECT_TRUE(Exists(std::string(kIncompleteMarker)));
}

TEST_F(SnapshotExporterTest, PathsThatLeaveTheFolderAreRefused) {
  format::v1::ManifestSegment segment;
  auto* entry = segment.add_entries();
  entry->set_suffix("full/../../escaped");
  entry->set_type(format::v1::ENTRY_TYPE_FILE);
  entry->set_digest(writer_.MakeFile("").digest.bytes());
  writer_.AddSegment(AsBytes(segment.SerializeAsString()), "full/../../escaped", 1);
  storage::Root root = writer_.Finish();
  root.body.set_entry_count(1);
  root.body.set_file_count(1);
  const auto summary = Export(root);
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_GE(summary->damaged_count, 1U);
  EXPECT_FALSE(Exists("../escaped"));
  EXPECT_FALSE(Exists("escaped"));
}

TEST_F(SnapshotExporterTest, LinksAreLeftOut) {
  storage::Entry link;
  link.type = storage::EntryType::kSymlink;
  link.target = "/etc/passwd";
  writer_.Put("storage/link", link);
  writer_.Put("storage/x", "x");
  const auto summary = Export(writer_.Finish());
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->links_left_out, 1U);
  EXPECT_EQ(summary->damaged_count, 0U);
  EXPECT_FALSE(Exists("storage/link"));
}

TEST_F(SnapshotExporterTest, AServerThatGoesAwayEndsIt) {
  writer_.Put("full/x", "x");
  writer_.Put("full/y", "y");
  source_.gone_at = 2;
  const auto summary = Export(writer_.Finish());
  EXPECT_EQ(summary.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(Exists(std::string(kIncompleteMarker)));
}

TEST(ExportPathTest, SortsCapturesIntoTheirFolders) {
  EXPECT_EQ(*ExportPath("full/ab/x", kSerial), std::string(kSerial) + "/ab/x");
  EXPECT_EQ(*ExportPath("full", kSerial), kSerial);
  EXPECT_EQ(*ExportPath("photos/DCIM/x", kSerial), "photos/DCIM/x");
  EXPECT_EQ(*ExportPath("fuller/x", kSerial), "fuller/x");
}

TEST(ExportPathTest, NothingMixesWithTheFullCapture) {
  EXPECT_FALSE(ExportPath(std::string(kSerial) + "/x", kSerial).ok());
  EXPECT_FALSE(ExportPath("00008120-001a34e61ee8201e/x", kSerial).ok());
  EXPECT_FALSE(ExportPath(kIncompleteMarker, kSerial).ok());
  EXPECT_FALSE(ExportPath("../x", kSerial).ok());
  EXPECT_FALSE(ExportPath("full/../x", kSerial).ok());
}

TEST(CheckSerialTest, IsTheNameOfAFolder) {
  EXPECT_TRUE(CheckSerial(kSerial).ok());
  EXPECT_TRUE(CheckSerial("emulator_5554").ok());
  for (const std::string bad : {"", "..", ".x", "a/b", "a b", "a\n", "x\x1b"}) {
    EXPECT_FALSE(CheckSerial(bad).ok()) << bad;
  }
  EXPECT_FALSE(CheckSerial(std::string(65, 'a')).ok());
}

}  // namespace
}  // namespace mooring::admin
