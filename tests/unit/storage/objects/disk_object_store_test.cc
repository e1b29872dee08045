#include "storage/objects/disk_object_store.h"

#include <sys/stat.h>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "storage/base/status.h"
#include "tests/support/faulty_file_system.h"
#include "tests/support/power_cut_file_system.h"
#include "tests/support/subprocess.h"

namespace mooring::storage {
namespace {

using testing::FaultyFileSystem;
using testing::TempDir;

class DiskObjectStoreTest : public ::testing::Test {
 protected:
  std::string root() const { return dir_.path() + "/repository"; }
  std::unique_ptr<DiskObjectStore> Open(FileSystem& files) {
    absl::StatusOr<std::unique_ptr<DiskObjectStore>> store =
        DiskObjectStore::Open(files, clock_, random_, root());
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  absl::StatusOr<std::string> Get(ObjectStore& store, std::string_view key) {
    Bytes out(1 << 20);
    MOORING_ASSIGN_OR_RETURN(const std::size_t read, store.ReadAt({}, key, 0, out));
    out.resize(read);
    return ToString(out);
  }
  std::size_t StagedFiles() { return RealFileSystem().List(root() + "/staging")->size(); }
  unsigned ModeOf(const std::string& path) {
    struct stat st {};
    EXPECT_EQ(stat(path.c_str(), &st), 0) << path;
    return st.st_mode & 07777U;
  }

  TempDir dir_;
  ManualClock clock_{absl::Now()};
  SeededRandom random_{1};
  FaultyFileSystem files_{RealFileSystem()};
  const std::string body_ = std::string(200'000, 'b');
};

// Every call of a Put fails once, with an I/O error and with a full disk.
// Afterwards the object is wholly there or wholly absent, nothing was acknowledged,
// what was there before is untouched, and after a restart the same Put succeeds.
TEST_F(DiskObjectStoreTest, AnyFailedCallLeavesNothingHalfVisible) {
  const std::string before = "stored earlier";
  ASSERT_TRUE(Open(files_)->Put({}, "packs/00/before", AsBytes(before), {}).ok());
  for (const auto code : {absl::StatusCode::kUnavailable, absl::StatusCode::kResourceExhausted}) {
    std::uint64_t n = 1;
    for (;; ++n) {
      const std::string key = fmt::format("packs/ab/{}-{}", n, static_cast<int>(code));
      const auto store = Open(files_);
      files_.FailCall(n, code);
      const std::uint64_t calls = files_.calls();
      const absl::Status put = store->Put({}, key, AsBytes(body_), clock_.Now() + absl::Hours(1));
      const bool struck = files_.calls() - calls >= n;
      files_.Heal();
      const absl::StatusOr<std::string> seen = Get(*store, key);
      if (put.ok() || seen.ok()) {
        ASSERT_TRUE(seen.ok() && *seen == body_) << "call " << n << ": " << seen.status();
      } else {
        EXPECT_TRUE(absl::IsNotFound(seen.status())) << "call " << n << ": " << seen.status();
      }
      EXPECT_EQ(*Get(*store, "packs/00/before"), before);
      const absl::Status again =
          Open(files_)->Put({}, key, AsBytes(body_), clock_.Now() + absl::Hours(1));
      EXPECT_TRUE(again.ok()) << "call " << n << ": " << again;
      if (!struck) break;
      EXPECT_FALSE(put.ok()) << "call " << n << " failed unnoticed";
    }
    EXPECT_GT(n, 8u);  // Create, append, fsync, close, rename, two directories, and the lock's.
  }
}

TEST_F(DiskObjectStoreTest, DeathAtAnyCallLeavesNothingHalfVisible) {
  for (std::uint64_t n = 1;; ++n) {
    const std::string key = "packs/cd/" + std::to_string(n);
    std::unique_ptr<DiskObjectStore> store = Open(files_);
    const std::uint64_t calls = files_.calls();
    files_.FailFrom(n);
    const absl::Status put = store->Put({}, key, AsBytes(body_), absl::InfinitePast());
    const bool struck = files_.calls() - calls >= n;
    store.reset();
    files_.Heal();
    store = Open(files_);
    const absl::StatusOr<std::string> seen = Get(*store, key);
    if (put.ok()) {
      ASSERT_TRUE(seen.ok()) << seen.status();
    }
    if (seen.ok()) {
      EXPECT_EQ(*seen, body_);
    }
    ASSERT_TRUE(store->Put({}, key, AsBytes(body_), absl::InfinitePast()).ok()) << n;
    EXPECT_EQ(*Get(*store, key), body_);
    if (!struck) break;
  }
}

// A cut right after an acknowledgment loses nothing of it, and one at any call
// before leaves the object whole or absent, also in directories made just now.
TEST_F(DiskObjectStoreTest, APowerCutTakesNothingThatWasAcknowledged) {
  testing::PowerCutFileSystem power(RealFileSystem());
  FaultyFileSystem files(power);
  ASSERT_TRUE(power.SyncDirectory(dir_.path()).ok());
  for (std::uint64_t n = 1;; ++n) {
    const std::string key = fmt::format("packs/{:02x}/{}", n, n);
    const std::uint64_t calls = files.calls();
    files.FailFrom(n);
    absl::Status put = absl::UnavailableError("not opened");
    {
      const auto store = DiskObjectStore::Open(files, clock_, random_, root());
      if (store.ok()) {
        put = (*store)->Put({}, key, AsBytes(body_), clock_.Now() + absl::Hours(1));
      }
    }
    const bool struck = files.calls() - calls >= n;
    files.Heal();
    ASSERT_TRUE(power.Cut().ok());
    const auto store = Open(files);
    const absl::StatusOr<std::string> seen = Get(*store, key);
    if (put.ok()) {
      ASSERT_TRUE(seen.ok()) << "acknowledged and lost: " << seen.status();
      EXPECT_TRUE(absl::IsFailedPrecondition(store->Remove({}, key))) << "its lock is lost";
    }
    if (seen.ok()) {
      ASSERT_EQ(*seen, body_) << "call " << n;
    }
    ASSERT_TRUE(store->Put({}, key, AsBytes(body_), {}).ok()) << "call " << n;
    ASSERT_TRUE(power.Cut().ok());
    ASSERT_TRUE(Get(*Open(files), key).ok()) << "acknowledged and lost, call " << n;
    if (!struck) break;
  }
}

TEST_F(DiskObjectStoreTest, AFailedFsyncIsNeverRetried) {
  for (std::uint64_t n = 1;; ++n) {
    const std::string key = "packs/ef/" + std::to_string(n);
    const auto store = Open(files_);
    const std::uint64_t calls = files_.calls();
    files_.FailCall(n, absl::StatusCode::kUnavailable);
    const absl::Status first = store->Put({}, key, AsBytes("x"), {});
    if (files_.calls() - calls < n) break;
    store->Put({}, key, AsBytes("x"), {}).IgnoreError();
    files_.Heal();
    ASSERT_LT(n, 100u);
  }
  EXPECT_EQ(files_.repeated_syncs(), 0u);
}

TEST_F(DiskObjectStoreTest, AfterAFailedDirectoryFsyncItReadsButWritesNoMore) {
  const auto store = Open(files_);
  ASSERT_TRUE(store->Put({}, "warm", AsBytes("up"), {}).ok());
  absl::Status last;
  // Create, append, fsync, close, rename: the sixth call is the directory's fsync.
  files_.FailCall(6, absl::StatusCode::kUnavailable);
  EXPECT_TRUE(absl::IsUnavailable(store->Put({}, "b", AsBytes("b"), {})));
  files_.Heal();
  last = store->Put({}, "c", AsBytes("c"), {});
  EXPECT_TRUE(absl::IsUnavailable(last)) << last;
  EXPECT_NE(last.ToString().find("check the disk"), std::string::npos) << last;
  EXPECT_EQ(*Get(*store, "warm"), "up");
  EXPECT_TRUE(Open(files_)->Put({}, "c", AsBytes("c"), {}).ok());
}

TEST_F(DiskObjectStoreTest, AFullDiskIsSaidSoAndLeavesNoStagedFile) {
  const auto store = Open(files_);
  files_.LimitSpace(1000);
  const absl::Status put = store->Put({}, "a", AsBytes(body_), {});
  EXPECT_TRUE(absl::IsResourceExhausted(put)) << put;
  EXPECT_EQ(StagedFiles(), 0u);
  files_.LimitSpace(std::nullopt);
  EXPECT_TRUE(store->Put({}, "a", AsBytes(body_), {}).ok());
}

TEST_F(DiskObjectStoreTest, StaleStagedFilesAreSweptAndFreshOnesAreNot) {
  {
    const auto store = Open(files_);
    files_.FailFrom(3);  // Dies after its first append, so that nobody removes the file.
    store->Put({}, "a", AsBytes(body_), {}).IgnoreError();
    files_.Heal();
  }
  ASSERT_EQ(StagedFiles(), 1u);
  Open(files_);
  EXPECT_EQ(StagedFiles(), 1u);
  clock_.Advance(kStagingStaleAfter + absl::Minutes(1));
  Open(files_);
  EXPECT_EQ(StagedFiles(), 0u);
}

TEST_F(DiskObjectStoreTest, FilesAreForTheirOwnerAlone) {
  const auto store = Open(files_);
  ASSERT_TRUE(store->Put({}, "packs/ab/x", AsBytes("x"), {}).ok());
  EXPECT_EQ(ModeOf(root() + "/packs/ab/x"), 0600u);
  for (const char* directory : {"", "/staging", "/packs", "/packs/ab"}) {
    EXPECT_EQ(ModeOf(root() + directory), 0700u) << directory;
  }
}

TEST_F(DiskObjectStoreTest, LocksOutliveTheProcess) {
  ASSERT_TRUE(
      Open(files_)->Put({}, "packs/ab/x", AsBytes("x"), clock_.Now() + absl::Hours(2)).ok());
  ASSERT_TRUE(Open(files_)->Put({}, "held", AsBytes("x"), absl::InfiniteFuture()).ok());
  const auto store = Open(files_);
  EXPECT_TRUE(absl::IsFailedPrecondition(store->Remove({}, "packs/ab/x")));
  clock_.Advance(absl::Hours(3));
  EXPECT_TRUE(store->Remove({}, "packs/ab/x").ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store->Remove({}, "held")));
  EXPECT_EQ(store->Stat({}, "held")->locked_until, absl::InfiniteFuture());
}

TEST_F(DiskObjectStoreTest, ADamagedLockStillLocks) {
  const auto store = Open(files_);
  ASSERT_TRUE(store->Put({}, "a", AsBytes("x"), clock_.Now() + absl::Hours(2)).ok());
  ASSERT_TRUE(WriteFileDurably(RealFileSystem(), root() + "/locks/a", AsBytes("soon")).ok());
  EXPECT_TRUE(absl::IsDataLoss(store->Remove({}, "a")));
  EXPECT_EQ(*Get(*store, "a"), "x");
}

TEST_F(DiskObjectStoreTest, ForeignFilesAreNoObjects) {
  const auto store = Open(files_);
  ASSERT_TRUE(store->Put({}, "a", AsBytes("x"), {}).ok());
  ASSERT_TRUE(RealFileSystem().CreateDirectories(root() + "/lost+found").ok());
  ASSERT_TRUE(WriteFileDurably(RealFileSystem(), root() + "/.hidden", AsBytes("x")).ok());
  ASSERT_TRUE(WriteFileDurably(RealFileSystem(), root() + "/Upper", AsBytes("x")).ok());
  std::vector<std::string> keys;
  ASSERT_TRUE(store
                  ->List({}, "",
                         [&keys](const ObjectInfo& info) {
                           keys.push_back(info.key);
                           return absl::OkStatus();
                         })
                  .ok());
  EXPECT_EQ(keys, std::vector<std::string>{"a"});
}

}  // namespace
}  // namespace mooring::storage
