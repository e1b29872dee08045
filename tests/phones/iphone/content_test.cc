// What the contents, names and records of a simulated phone promise.

#include "tests/phones/common/content.h"

#include <map>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "tests/phones/iphone/file_table.h"
#include "tests/phones/iphone/keybag.h"
#include "tests/phones/iphone/mb_file.h"
#include "tests/phones/iphone/phone.h"

namespace mooring::testing {
namespace {

std::string ReadAll(ContentLibrary& library, const ContentRef& ref, std::size_t step) {
  std::string bytes(ref.size_bytes, '\0');
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const std::size_t length = std::min(step, bytes.size() - at);
    EXPECT_TRUE(library.Read(ref, at, std::span(bytes.data() + at, length)).ok());
  }
  return bytes;
}

TEST(ContentTest, IsTheSameHoweverItIsRead) {
  ContentLibrary library("MARK", "/tmp");
  for (const ContentKind kind :
       {ContentKind::kJpeg, ContentKind::kMovie, ContentKind::kDatabase, ContentKind::kText}) {
    const ContentRef ref{.seed = 7, .size_bytes = 50'001, .edits = 3, .kind = kind};
    const std::string whole = ReadAll(library, ref, 50'001);
    EXPECT_EQ(whole, ReadAll(library, ref, 777));
    EXPECT_EQ(Sha256(whole), *library.Digest(ref));
  }
}

TEST(ContentTest, AnEditChangesSomeBlocksAndKeepsMost) {
  ContentLibrary library("", "/tmp");
  ContentRef ref{.seed = 7, .size_bytes = 4096 * 400, .kind = ContentKind::kDatabase};
  const std::string before = ReadAll(library, ref, 1 << 20);
  ref.edits = 1;
  const std::string after = ReadAll(library, ref, 1 << 20);
  std::size_t changed = 0;
  for (std::size_t block = 0; block < 400; ++block) {
    changed += before.compare(block * 4096, 4096, after, block * 4096, 4096) != 0 ? 1U : 0U;
  }
  EXPECT_GT(changed, 5U);
  EXPECT_LT(changed, 80U);
}

TEST(ContentTest, TheMarkerIsInEveryBlock) {
  ContentLibrary library("MARK", "/tmp");
  const ContentRef ref{.seed = 7, .size_bytes = 8192, .has_marker = true};
  const std::string bytes = ReadAll(library, ref, 8192);
  EXPECT_NE(bytes.find("MARK"), std::string::npos);
  EXPECT_NE(bytes.find("MARK", 4096), std::string::npos);
}

TEST(FileTableTest, DependsOnTheSeedAlone) {
  const auto describe = [](std::uint64_t seed) {
    std::map<FileName, ContentRef> files;
    const FileTable table = MakePhoneContent({.seed = seed, .marker = {}});
    for (const auto& [name, entry] : table.files()) {
      files[name] = entry.content;
    }
    return files;
  };
  EXPECT_EQ(describe(1), describe(1));
  EXPECT_NE(describe(1), describe(2));
}

TEST(FileTableTest, MeetsTheAskedForNumbers) {
  const FileTable table =
      MakePhoneContent({.seed = 1, .files = 2000, .bytes = 50 << 20, .marker = {}});
  std::size_t files = 0;
  std::size_t empty = 0;
  for (const auto& [name, entry] : table.files()) {
    if (entry.kind != FileEntry::Kind::kFile) continue;
    ++files;
    empty += entry.content.size_bytes == 0 ? 1U : 0U;
  }
  EXPECT_NEAR(static_cast<double>(files), 2000, 40);
  EXPECT_NEAR(static_cast<double>(table.content_bytes()), 50 << 20, 1 << 20);
  EXPECT_GT(empty, 5U);
}

TEST(FileTableTest, MutationDoesWhatItSays) {
  FileTable table = MakePhoneContent({.seed = 1, .marker = {}});
  const FileTable before = table;
  const MutationResult result =
      MutatePhoneContent(table, 1, {.adds = 6, .changes = 5, .deletes = 4});
  std::size_t added = 0;
  std::size_t changed = 0;
  std::size_t deleted = 0;
  for (const auto& [name, entry] : table.files()) {
    if (entry.kind != FileEntry::Kind::kFile) continue;
    const FileEntry* old = before.Find(name);
    added += old == nullptr ? 1U : 0U;
    changed += old != nullptr && old->content != entry.content ? 1U : 0U;
  }
  for (const auto& [name, entry] : before.files()) deleted += table.Find(name) == nullptr ? 1U : 0U;
  EXPECT_EQ(added, 6U);
  EXPECT_EQ(changed, 5U);
  EXPECT_EQ(deleted, 4U);
  EXPECT_EQ(result.added + result.changed + result.deleted, 15U);
  EXPECT_NE(table.Find({"HomeDomain", "Library/SMS/sms.db"})->content,
            before.Find({"HomeDomain", "Library/SMS/sms.db"})->content);
}

TEST(IdentityTest, PhonesDiffer) {
  std::map<std::string, int> udids;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const PhoneIdentity identity = MakeIdentity(seed, "");
    EXPECT_EQ(identity.udid.size(), 25U);
    EXPECT_EQ(identity.udid[8], '-');
    EXPECT_EQ(identity.serial.size(), 12U);
    ++udids[identity.udid];
  }
  EXPECT_EQ(udids.size(), 1000U);
}

TEST(KeybagTest, OpensWithItsPasswordAlone) {
  SystemRandom random;
  const KeybagCost cost{.first_iterations = 10, .second_iterations = 10};
  const Keybag made = Keybag::Make("secret", cost, random);
  const std::string key(32, 'k');
  const std::string wrapped = made.WrapForClass(3, key);
  EXPECT_EQ(wrapped.size(), 44U);
  const absl::StatusOr<Keybag> opened = Keybag::Unlock(made.encoded(), "secret");
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_EQ(opened->UnwrapForClass(wrapped), key);
  EXPECT_TRUE(absl::IsPermissionDenied(Keybag::Unlock(made.encoded(), "Secret").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(Keybag::Unlock("VERS", "secret").status()));
  EXPECT_EQ(opened->UnwrapForClass(wrapped.substr(0, 43)), std::nullopt);
}

TEST(MbFileTest, ComesBackAsItWas) {
  const MbFile file{.path = "Documents/😀 Grüße",
                    .target = "../elsewhere",
                    .encryption_key = std::string(44, '\x7F'),
                    .size_bytes = 5'000'000'000,
                    .mode = 0100644,
                    .inode = 4711,
                    .modified_unix = 1'700'000'123,
                    .protection_class = 3};
  const absl::StatusOr<MbFile> back = DecodeMbFile(EncodeMbFile(file));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->path, file.path);
  EXPECT_EQ(back->target, file.target);
  EXPECT_EQ(back->encryption_key, file.encryption_key);
  EXPECT_EQ(back->size_bytes, file.size_bytes);
  EXPECT_EQ(back->mode, file.mode);
  EXPECT_EQ(back->inode, file.inode);
  EXPECT_EQ(back->modified_unix, file.modified_unix);
  EXPECT_EQ(back->protection_class, file.protection_class);
  EXPECT_EQ(EncodeMbFile(*back), EncodeMbFile(file));
  EXPECT_FALSE(DecodeMbFile("bplist00 no").ok());
}

}  // namespace
}  // namespace mooring::testing
