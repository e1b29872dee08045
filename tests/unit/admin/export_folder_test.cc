#include "admin/cli/export_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include <gtest/gtest.h>

#include "tests/support/subprocess.h"

namespace mooring::admin {
namespace {

using mooring::testing::ReadText;
using mooring::testing::TempDir;

class ExportFolderTest : public ::testing::Test {
 protected:
  std::string target() const { return dir_.path() + "/a/export"; }

  absl::Status Write(ExportFolder& folder, const std::string& path, const std::string& text) {
    auto file = folder.Create(path);
    if (!file.ok()) return file.status();
    if (absl::Status status = file->Append(AsBytes(text)); !status.ok()) return status;
    return file->Finish(1'500'000'000'250'000'000);
  }

  TempDir dir_;
};

TEST_F(ExportFolderTest, WritesPrivateFilesWithTheirTimes) {
  auto folder = ExportFolder::Open(target(), false);
  ASSERT_TRUE(folder.ok()) << folder.status();
  ASSERT_TRUE(Write(*folder, "UDID/ab/file", "content").ok());
  ASSERT_TRUE(Write(*folder, "UDID/ab/other", "").ok());
  ASSERT_TRUE(folder->MakeDirectory("UDID/empty").ok());
  EXPECT_EQ(ReadText(target() + "/UDID/ab/file"), "content");
  struct stat info = {};
  ASSERT_EQ(::stat((target() + "/UDID/ab/file").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(info.st_mtim.tv_sec, 1'500'000'000);
  EXPECT_EQ(info.st_mtim.tv_nsec, 250'000'000);
  ASSERT_EQ(::stat((target() + "/UDID/ab").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0700U);
  EXPECT_EQ(::access((target() + "/" + std::string(kIncompleteMarker)).c_str(), F_OK), 0);
  ASSERT_TRUE(folder->Complete().ok());
  EXPECT_NE(::access((target() + "/" + std::string(kIncompleteMarker)).c_str(), F_OK), 0);
}

TEST_F(ExportFolderTest, AnUnfinishedFileIsGone) {
  auto folder = ExportFolder::Open(target(), false);
  ASSERT_TRUE(folder.ok());
  {
    auto file = folder->Create("x");
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->Append(AsBytes("half")).ok());
  }
  EXPECT_NE(::access((target() + "/x").c_str(), F_OK), 0);
}

TEST_F(ExportFolderTest, RefusesAFolderThatHoldsSomething) {
  {
    auto folder = ExportFolder::Open(target(), false);
    ASSERT_TRUE(folder.ok());
    ASSERT_TRUE(Write(*folder, "old", "old").ok());
  }
  EXPECT_EQ(ExportFolder::Open(target(), false).status().code(), absl::StatusCode::kAlreadyExists);
  auto folder = ExportFolder::Open(target(), true);
  ASSERT_TRUE(folder.ok()) << folder.status();
  ASSERT_TRUE(Write(*folder, "old", "new").ok());
  EXPECT_EQ(ReadText(target() + "/old"), "new");
}

TEST_F(ExportFolderTest, NeverReplacesAFileUnasked) {
  auto folder = ExportFolder::Open(target(), false);
  ASSERT_TRUE(folder.ok());
  ASSERT_TRUE(Write(*folder, "x", "1").ok());
  EXPECT_FALSE(Write(*folder, "x", "2").ok());
  EXPECT_EQ(ReadText(target() + "/x"), "1");
}

TEST_F(ExportFolderTest, RefusesPathsThatLeaveIt) {
  auto folder = ExportFolder::Open(target(), false);
  ASSERT_TRUE(folder.ok());
  for (const char* path : {"../x", "a/../../x", "/etc/x", "a//x", "", ".", "a/./x", "a/"}) {
    EXPECT_FALSE(Write(*folder, path, "x").ok()) << path;
    EXPECT_FALSE(folder->MakeDirectory(path).ok()) << path;
  }
  EXPECT_FALSE(Write(*folder, std::string("a\0b", 3), "x").ok());
  EXPECT_NE(::access((dir_.path() + "/a/x").c_str(), F_OK), 0);
}

TEST_F(ExportFolderTest, FollowsNoLinkThatSomebodyPlanted) {
  const std::string outside = dir_.path() + "/outside";
  ASSERT_EQ(::mkdir(outside.c_str(), 0700), 0);
  {
    auto folder = ExportFolder::Open(target(), false);
    ASSERT_TRUE(folder.ok());
    ASSERT_EQ(::symlink(outside.c_str(), (target() + "/link").c_str()), 0);
    ASSERT_EQ(::symlink((outside + "/victim").c_str(), (target() + "/file").c_str()), 0);
    EXPECT_FALSE(Write(*folder, "link/x", "x").ok());
    EXPECT_FALSE(folder->MakeDirectory("link/d").ok());
    EXPECT_FALSE(Write(*folder, "file", "x").ok()) << "not even at the end of a path";
  }
  auto forced = ExportFolder::Open(target(), true);
  ASSERT_TRUE(forced.ok());
  EXPECT_FALSE(Write(*forced, "link/x", "x").ok());
  EXPECT_TRUE(Write(*forced, "file", "x").ok()) << "the link itself is replaced";
  EXPECT_NE(::access((outside + "/x").c_str(), F_OK), 0);
  EXPECT_NE(::access((outside + "/victim").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace mooring::admin
