#include "storage/base/file.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace mooring {
namespace {

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mooring-file-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  absl::Status Write(const std::string& name, std::string_view text) {
    return WriteFileDurably(files_, Path(name), AsBytes(text));
  }
  std::string Text(const std::string& name) {
    const auto bytes = files_.Read(Path(name), 1000);
    return bytes.ok() ? ToString(*bytes) : bytes.status().ToString();
  }

  FileSystem& files_ = RealFileSystem();
  std::string directory_;
};

TEST_F(FileTest, WritesReadsAndReplaces) {
  ASSERT_TRUE(Write("a", "one").ok());
  EXPECT_EQ(Text("a"), "one");
  ASSERT_TRUE(Write("a", "two").ok());
  EXPECT_EQ(Text("a"), "two");
  EXPECT_EQ(files_.List(directory_)->size(), 1U);  // No temporary file is left.
  EXPECT_EQ(files_.Stat(Path("a"))->size_bytes, 3U);
}

TEST_F(FileTest, CreateNeverOpensAnExistingFile) {
  ASSERT_TRUE(Write("a", "one").ok());
  EXPECT_EQ(files_.Create(Path("a")).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Text("a"), "one");
}

TEST_F(FileTest, RenameNoReplaceKeepsWhatIsThere) {
  ASSERT_TRUE(Write("a", "one").ok());
  ASSERT_TRUE(Write("b", "two").ok());
  EXPECT_EQ(files_.RenameNoReplace(Path("a"), Path("b")).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Text("b"), "two");
  EXPECT_TRUE(files_.RenameNoReplace(Path("a"), Path("c")).ok());
  EXPECT_EQ(Text("c"), "one");
}

TEST_F(FileTest, ReadsAreBounded) {
  ASSERT_TRUE(Write("a", "12345").ok());
  EXPECT_EQ(files_.Read(Path("a"), 4).status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(files_.Read(Path("a"), 5)->size(), 5U);
}

TEST_F(FileTest, ReadAtGivesLessOnlyAtTheEnd) {
  ASSERT_TRUE(Write("a", "12345").ok());
  const auto file = files_.Open(Path("a")).value();
  Bytes out(3);
  EXPECT_EQ(file->ReadAt(1, out).value(), 3U);
  EXPECT_EQ(AsText(out), "234");
  EXPECT_EQ(file->ReadAt(4, out).value(), 1U);
  EXPECT_EQ(file->ReadAt(99, out).value(), 0U);
}

TEST_F(FileTest, WhatIsMissingIsNotFoundAndRemovingItIsFine) {
  EXPECT_EQ(files_.Open(Path("a")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(files_.Stat(Path("a")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(files_.List(Path("a")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(files_.Remove(Path("a")).ok());
}

TEST_F(FileTest, DirectoriesAreMadeWithTheirParents) {
  ASSERT_TRUE(files_.CreateDirectories(Path("x/y/z")).ok());
  ASSERT_TRUE(files_.CreateDirectories(Path("x/y/z")).ok());
  EXPECT_TRUE(files_.Stat(Path("x/y/z"))->is_directory);
  ASSERT_TRUE(Write("f", "").ok());
  EXPECT_FALSE(files_.CreateDirectories(Path("f")).ok());
  EXPECT_FALSE(files_.CreateDirectories(Path("f/g")).ok());
}

TEST_F(FileTest, ListsByName) {
  for (const char* name : {"b", "c", "a"}) ASSERT_TRUE(Write(name, "x").ok());
  const auto entries = files_.List(directory_).value();
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[2].name, "c");
}

TEST_F(FileTest, SpaceIsKnown) {
  const auto space = files_.Space(directory_).value();
  EXPECT_GT(space.total_bytes, 0U);
  EXPECT_LE(space.free_bytes, space.total_bytes);
}

TEST_F(FileTest, ASecretThatOthersCanReadIsRefused) {
  ASSERT_TRUE(Write("secret", "key").ok());
  EXPECT_EQ(AsText(ReadSecretFile(files_, Path("secret"))->view()), "key");
  ASSERT_EQ(chmod(Path("secret").c_str(), 0640), 0);
  EXPECT_EQ(ReadSecretFile(files_, Path("secret")).status().code(),
            absl::StatusCode::kPermissionDenied);
}

// O_EXCL does not follow links: nobody can have a file written elsewhere.
TEST_F(FileTest, CreateDoesNotFollowALink) {
  std::filesystem::create_symlink(Path("elsewhere"), Path("link"));
  EXPECT_EQ(files_.Create(Path("link")).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(files_.Stat(Path("elsewhere")).status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace mooring
