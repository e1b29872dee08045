#include "storage/manifest/overlay.h"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include "storage/base/random.h"
#include "tests/unit/storage/manifest/test_entries.h"

namespace mooring::storage {
namespace {

using ::testing::ElementsAre;
using testing::TestDirectory;
using testing::TestFile;
using testing::TestFileId;
using testing::TestPath;
using testing::TestSymlink;

std::vector<std::string> Names(const std::vector<ListedEntry>& listed) {
  std::vector<std::string> names;
  for (const ListedEntry& entry : listed) names.push_back(entry.name);
  return names;
}

std::vector<std::string> Paths(const Overlay& overlay, std::string_view prefix) {
  std::vector<std::string> paths;
  EXPECT_TRUE(overlay
                  .Visit(prefix,
                         [&paths](std::string_view path, const Entry&) {
                           paths.emplace_back(path);
                           return absl::OkStatus();
                         })
                  .ok());
  return paths;
}

TEST(OverlayTest, FindsWhatWasPut) {
  Overlay overlay;
  const std::map<std::string, Entry> entries = {{"a/none", TestFile(1, 0)},
                                                {"a/one", TestFile(2, 1)},
                                                {"a/many", TestFile(3, 5)},
                                                {"a/link", TestSymlink("one")},
                                                {"b", TestDirectory()}};
  for (const auto& [path, entry] : entries) ASSERT_TRUE(overlay.Put(path, entry).ok());
  for (const auto& [path, entry] : entries) EXPECT_EQ(overlay.Find(path), entry) << path;
  EXPECT_EQ(overlay.Find("a"), std::nullopt);
  EXPECT_EQ(overlay.Find("a/on"), std::nullopt);
  EXPECT_EQ(overlay.Find(""), std::nullopt);
  EXPECT_EQ(overlay.entry_count(), 5U);
  EXPECT_EQ(overlay.file_count(), 3U);
  EXPECT_EQ(overlay.logical_bytes(), 6000U);
}

TEST(OverlayTest, DirectoriesAreMadeByWhatLiesInThem) {
  Overlay overlay;
  ASSERT_TRUE(overlay.Put("a/b/c", TestFile(1, 1)).ok());
  EXPECT_TRUE(overlay.IsDirectory(""));
  EXPECT_TRUE(overlay.IsDirectory("a"));
  EXPECT_TRUE(overlay.IsDirectory("a/b"));
  EXPECT_FALSE(overlay.IsDirectory("a/b/c"));
  EXPECT_FALSE(overlay.IsDirectory("a/bb"));
  ASSERT_TRUE(overlay.Remove("a/b/c").ok());
  EXPECT_FALSE(overlay.IsDirectory("a"));
  ASSERT_TRUE(overlay.MakeDirectory("a", 5).ok());
  EXPECT_TRUE(overlay.IsDirectory("a"));
}

TEST(OverlayTest, ListsChildrenInNameOrder) {
  Overlay overlay;
  for (const char* path : {"d/a/x", "d/a!b", "d/a/y", "d/b", "d/a0", "e", "d!"}) {
    ASSERT_TRUE(overlay.Put(path, TestFile(1, 1)).ok());
  }
  ASSERT_TRUE(overlay.MakeDirectory("d/a", 77).ok());
  ASSERT_TRUE(overlay.MakeDirectory("d", 78).ok());
  EXPECT_THAT(Names(overlay.List("d")), ElementsAre("a", "a!b", "a0", "b"));
  EXPECT_EQ(overlay.List("d")[0].type, EntryType::kDirectory);
  EXPECT_EQ(overlay.List("d")[0].modified_unix_ns, 77);
  EXPECT_EQ(overlay.List("d")[1].size_bytes, 1000U);
  EXPECT_THAT(Names(overlay.List("")), ElementsAre("d", "d!", "e"));
  EXPECT_THAT(Names(overlay.List("d/a")), ElementsAre("x", "y"));
  EXPECT_TRUE(overlay.List("nowhere").empty());
  EXPECT_TRUE(overlay.List("d/b").empty());
}

TEST(OverlayTest, VisitsASubtreeInPathOrder) {
  Overlay overlay;
  for (const char* path : {"d/a/x", "d/a!b", "d/ab", "d/a/y/z"}) {
    ASSERT_TRUE(overlay.Put(path, TestFile(1, 1)).ok());
  }
  ASSERT_TRUE(overlay.MakeDirectory("d/a", 1).ok());
  EXPECT_THAT(Paths(overlay, "d/a"), ElementsAre("d/a", "d/a/x", "d/a/y/z"));
  EXPECT_THAT(Paths(overlay, ""), ElementsAre("d/a", "d/a!b", "d/a/x", "d/a/y/z", "d/ab"));
}

TEST(OverlayTest, AFileAndADirectoryNeverShareAPath) {
  Overlay overlay;
  ASSERT_TRUE(overlay.Put("a/b", TestFile(1, 1)).ok());
  EXPECT_EQ(overlay.Put("a", TestFile(2, 1)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(overlay.Put("a/b/c", TestFile(2, 1)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(overlay.Put("a/b/c/d", TestFile(2, 1)).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(overlay.MakeDirectory("a/b", 1).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(overlay.Put("c", TestFile(2, 1)).ok());
  EXPECT_EQ(overlay.Rename("c", "a/b/c").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(overlay.entry_count(), 2U);
}

TEST(OverlayTest, RenameReplacesAndMovesTrees) {
  Overlay overlay;
  ASSERT_TRUE(overlay.Put("from/x/1", TestFile(1, 1)).ok());
  ASSERT_TRUE(overlay.Put("from/x/2", TestFile(2, 1)).ok());
  ASSERT_TRUE(overlay.Put("to/old", TestFile(3, 1)).ok());
  ASSERT_TRUE(overlay.Rename("from/x", "to").ok());
  EXPECT_THAT(Paths(overlay, ""), ElementsAre("to/1", "to/2"));
  EXPECT_EQ(overlay.Find("to/2"), TestFile(2, 1));
  EXPECT_FALSE(overlay.IsDirectory("from"));
  EXPECT_EQ(overlay.Rename("from", "else").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(overlay.Rename("to", "to/deeper").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(overlay.Rename("to/1", "to").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(overlay.Rename("to", "to").ok());
  EXPECT_EQ(overlay.logical_bytes(), 2000U);
}

TEST(OverlayTest, RenameThatWouldMakeAPathTooLongChangesNothing) {
  Overlay overlay;
  const std::string deep = "a/" + std::string(4000, 'x');
  ASSERT_TRUE(overlay.Put(deep, TestFile(1, 1)).ok());
  EXPECT_EQ(overlay.Rename("a", std::string(200, 'b')).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Paths(overlay, ""), ElementsAre(deep));
}

TEST(OverlayTest, RefusesBadPathsAndEntries) {
  Overlay overlay;
  for (const std::string& path :
       {std::string(), std::string("/a"), std::string("a/"), std::string("a//b"), std::string("."),
        std::string("a/../b"), std::string("a\0b", 3), std::string(4097, 'a')}) {
    EXPECT_EQ(overlay.Put(path, TestFile(1, 1)).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(overlay.Remove(path).code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(overlay.Rename("x", path).code(), absl::StatusCode::kInvalidArgument);
  }
  Entry entry = TestFile(1, 1);
  entry.size_bytes = 999;
  EXPECT_EQ(overlay.Put("a", entry).code(), absl::StatusCode::kInvalidArgument);
  entry = TestFile(1, 1);
  entry.extents[0].offset = (1U << 20) - 999;
  EXPECT_EQ(overlay.Put("a", entry).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(overlay.entry_count(), 0U);
}

TEST(OverlayTest, LoadRefusesWhatNoManifestHolds) {
  Overlay overlay;
  EXPECT_EQ(overlay.Load({{"a", TestFile(1, 1)}, {"a", TestFile(2, 1)}}).code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(overlay.Load({{"b", TestFile(1, 1)}, {"b/c", TestFile(2, 1)}}).code(),
            absl::StatusCode::kDataLoss);
}

TEST(OverlayTest, VisitStopsAtAnError) {
  Overlay overlay;
  ASSERT_TRUE(overlay.Put("a", TestFile(1, 1)).ok());
  ASSERT_TRUE(overlay.Put("b", TestFile(1, 1)).ok());
  int seen = 0;
  EXPECT_EQ(overlay
                .Visit("",
                       [&seen](std::string_view, const Entry&) {
                         ++seen;
                         return absl::AbortedError("enough");
                       })
                .code(),
            absl::StatusCode::kAborted);
  EXPECT_EQ(seen, 1);
}

// What the overlay promises, said with a map and nothing else.
class Model {
 public:
  bool Put(const std::string& path, const Entry& entry) {
    const bool is_directory = entry.type == EntryType::kDirectory;
    if (const auto found = entries_.find(path); found != entries_.end()) {
      if ((found->second.type == EntryType::kDirectory) != is_directory) return false;
    } else if ((!is_directory && !Subtree(path).empty()) || HasFileAbove(path)) {
      return false;
    }
    entries_[path] = entry;
    return true;
  }
  void Remove(const std::string& path) {
    for (const auto& [below, entry] : Subtree(path)) entries_.erase(below);
  }
  bool Relocate(const std::string& from, const std::string& to, bool copy) {
    if (to.starts_with(from + "/") || from.starts_with(to + "/")) return false;
    const auto moved = Subtree(from);
    if (moved.empty()) return false;
    if (from == to) return true;
    if (HasFileAbove(to)) return false;
    Remove(to);
    if (!copy) Remove(from);
    for (const auto& [path, entry] : moved) entries_[to + path.substr(from.size())] = entry;
    return true;
  }
  std::map<std::string, Entry> Subtree(const std::string& path) const {
    std::map<std::string, Entry> found;
    for (const auto& [other, entry] : entries_) {
      if (other == path || other.starts_with(path + "/")) found.emplace(other, entry);
    }
    return found;
  }
  std::vector<std::string> List(const std::string& directory) const {
    std::map<std::string, int> names;
    const std::string prefix = directory.empty() ? "" : directory + "/";
    for (const auto& [path, entry] : entries_) {
      if (path.starts_with(prefix)) {
        const std::string rest = path.substr(prefix.size());
        names[rest.substr(0, rest.find('/'))] = 1;
      }
    }
    std::vector<std::string> out;
    for (const auto& [name, one] : names) out.push_back(name);
    return out;
  }
  const std::map<std::string, Entry>& entries() const { return entries_; }

 private:
  bool HasFileAbove(const std::string& path) const {
    for (std::size_t end = path.find('/'); end != std::string::npos;
         end = path.find('/', end + 1)) {
      const auto found = entries_.find(path.substr(0, end));
      if (found != entries_.end() && found->second.type != EntryType::kDirectory) return true;
    }
    return false;
  }

  std::map<std::string, Entry> entries_;
};

class OverlayModelTest : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  std::string RandomPath() {
    constexpr std::string_view kNames[] = {"a", "a!", "b", "a0", "longer-name"};
    std::string path;
    for (std::uint64_t depth = random_.Below(4) + 1; depth > 0; --depth) {
      path += (path.empty() ? "" : "/") + std::string(kNames[random_.Below(5)]);
    }
    return path;
  }
  Entry RandomEntry() {
    switch (random_.Below(6)) {
      case 0:
        return TestDirectory();
      case 1:
        return TestSymlink(std::string(random_.Below(2000) + 1, 't'));
      case 2:
        return TestFile(random_.Below(30), 0);
      case 3:
        return TestFile(random_.Below(30), 2 + random_.Below(3));
      default:
        return TestFile(random_.Below(30), 1);
    }
  }
  void Step() {
    const std::string path = RandomPath();
    const std::string other = RandomPath();
    switch (random_.Below(8)) {
      case 0:
        ASSERT_TRUE(overlay_.Remove(path).ok());
        model_.Remove(path);
        break;
      case 1:
        ASSERT_EQ(overlay_.Rename(path, other).ok(), model_.Relocate(path, other, false));
        break;
      case 2:
        ASSERT_EQ(overlay_.Copy(path, other).ok(), model_.Relocate(path, other, true));
        break;
      default:
        const Entry entry = RandomEntry();
        ASSERT_EQ(overlay_.Put(path, entry).ok(), model_.Put(path, entry));
    }
  }
  void Compare() {
    std::map<std::string, Entry> seen;
    std::string previous;
    ASSERT_TRUE(overlay_
                    .Visit("",
                           [&](std::string_view path, const Entry& entry) {
                             EXPECT_LT(previous, path);
                             previous = path;
                             seen.emplace(path, entry);
                             return absl::OkStatus();
                           })
                    .ok());
    ASSERT_EQ(seen, model_.entries());
    const std::string directory = RandomPath();
    ASSERT_EQ(Names(overlay_.List(directory)), model_.List(directory));
    ASSERT_EQ(Names(overlay_.List("")), model_.List(""));
    std::uint64_t files = 0;
    std::uint64_t bytes = 0;
    for (const auto& [path, entry] : model_.entries()) {
      files += entry.type == EntryType::kFile ? 1U : 0U;
      bytes += entry.size_bytes;
      ASSERT_EQ(overlay_.Find(path), entry);
    }
    ASSERT_EQ(overlay_.entry_count(), model_.entries().size());
    ASSERT_EQ(overlay_.file_count(), files);
    ASSERT_EQ(overlay_.logical_bytes(), bytes);
  }

  SeededRandom random_{GetParam()};
  Overlay overlay_;
  Model model_;
};

TEST_P(OverlayModelTest, BehavesLikeAMap) {
  for (int step = 0; step < 1500; ++step) {
    Step();
    if (step % 5 == 0) Compare();
    if (HasFatalFailure()) FAIL() << "seed " << GetParam() << ", step " << step;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, OverlayModelTest, ::testing::Range<std::uint64_t>(1, 13));

// An iPhone's backup: upload below Snapshot/, then one move per file.
TEST(OverlayTest, MovingEveryFileOneByOneKeepsThemAll) {
  constexpr std::uint64_t kFiles = 20'000;
  Overlay overlay;
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    const std::string id = TestFileId(i);
    ASSERT_TRUE(overlay.Put("full/Snapshot/" + id.substr(0, 2) + "/" + id, TestFile(i, 1)).ok());
  }
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    const std::string id = TestFileId(i);
    ASSERT_TRUE(overlay.Rename("full/Snapshot/" + id.substr(0, 2) + "/" + id, TestPath(i)).ok());
  }
  EXPECT_FALSE(overlay.IsDirectory("full/Snapshot"));
  EXPECT_EQ(overlay.List("full").size(), 256U);
  EXPECT_EQ(overlay.entry_count(), kFiles);
  EXPECT_EQ(overlay.Find(TestPath(kFiles - 1)), TestFile(kFiles - 1, 1));
}

std::size_t HeapBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

TEST(OverlayTest, AFileWithAChunkOfItsOwnCostsAbout200Bytes) {
  constexpr std::uint64_t kFiles = 200'000;
  const std::size_t before = HeapBytes();
  if (before == 0) GTEST_SKIP() << "this build's allocator does not count";
  Overlay overlay;
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    ASSERT_TRUE(overlay.Put(TestPath(i), TestFile(i, 1)).ok());
  }
  const double per_file = static_cast<double>(HeapBytes() - before) / kFiles;
  RecordProperty("bytes_per_file", std::to_string(per_file));
  EXPECT_LT(per_file, 215);
  EXPECT_GT(per_file, 100);  // Or it was not counted.
}

TEST(OverlayTest, AFileInABundleCostsAbout130Bytes) {
  constexpr std::uint64_t kFiles = 200'000;
  const std::size_t before = HeapBytes();
  if (before == 0) GTEST_SKIP() << "this build's allocator does not count";
  Overlay overlay;
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    ASSERT_TRUE(overlay.Put(TestPath(i), TestFile(i / 50, 1)).ok());
  }
  EXPECT_LT(static_cast<double>(HeapBytes() - before) / kFiles, 140);
}

TEST(OverlayTest, RewritingAndRenamingForEverDoesNotGrow) {
  Overlay overlay;
  ASSERT_TRUE(overlay.Put("keep/link", TestSymlink("target")).ok());
  const auto churn = [&overlay](std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t i = from; i < to; ++i) {
      const std::string path = "churn/" + TestFileId(i);
      ASSERT_TRUE(overlay.Put(path, TestFile(i, 3)).ok());
      ASSERT_TRUE(overlay.Rename(path, "other/" + TestFileId(i + 1)).ok());
      ASSERT_TRUE(overlay.Remove("other").ok());
    }
  };
  churn(0, 10'000);
  const std::size_t before = HeapBytes();
  if (before == 0) GTEST_SKIP() << "this build's allocator does not count";
  churn(10'000, 60'000);
  EXPECT_LT(HeapBytes(), before + (1U << 20));
  EXPECT_EQ(overlay.Find("keep/link"), TestSymlink("target"));
}

}  // namespace
}  // namespace mooring::storage
