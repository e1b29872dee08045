#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/android/find_listing.h"
#include "agent/android/phone_hash.h"
#include "agent/android/phone_tree_list.h"
#include "storage/base/random.h"

namespace mooring::agent {
namespace {

using ::testing::ElementsAre;

struct Record {
  PhoneFileType type;
  std::uint64_t size;
  std::int64_t time;
  std::uint64_t inode;
  std::string path;
};

std::vector<Record> ReadAll(const std::string& text, std::size_t piece) {
  FindListing listing;
  std::vector<Record> records;
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const absl::Status fed =
        listing.Feed(AsBytes(std::string_view(text).substr(at, piece)), [&](const FoundFile& f) {
          records.push_back(
              {f.type, f.size_bytes, f.modified_unix_ns, f.inode, std::string(f.path)});
          return absl::OkStatus();
        });
    EXPECT_TRUE(fed.ok()) << fed;
  }
  EXPECT_TRUE(listing.Finish().ok());
  return records;
}

std::string Line(const std::string& fields) {
  return fields + '\0';
}

TEST(FindListing, ReadsWhatFindPrintsInPiecesOfAnySize) {
  const std::string names = "DCIM/a b\t\"q\"\n\xF0\x9F\x98\x80\xFF";
  const std::string text = Line("drwxrwx--x\t4096\t1700000000.0000000000\t7\t") +
                           Line("-rw-rw----\t12\t1700000001.5000000000\t8\t" + names) +
                           Line("-rw-rw----\t0\t-2.2500000000\t9\told") +
                           Line("-rw-rw----\t0\t5.40645704\t9\ttoybox");
  for (const std::size_t piece : {1U, 7U, 4096U}) {
    const std::vector<Record> records = ReadAll(text, piece);
    ASSERT_EQ(records.size(), 4U);
    EXPECT_EQ(records[0].type, PhoneFileType::kDirectory);
    EXPECT_EQ(records[0].path, "");
    EXPECT_EQ(records[1].size, 12U);
    EXPECT_EQ(records[1].time, 1'700'000'001'500'000'000);
    EXPECT_EQ(records[1].inode, 8U);
    EXPECT_EQ(records[1].path, names);
    EXPECT_EQ(records[2].time, -1'750'000'000);
    EXPECT_EQ(records[3].time, 5'040'645'704);
  }
}

TEST(FindListing, RefusesWhatFindDoesNotPrint) {
  for (const std::string& bad :
       {std::string("garbage"), std::string("-rw-rw----\t12\t1.0\t8"),
        std::string("-rw\t12\t1.0\t8\tname"), std::string("-rw-rw----\t-1\t1.0\t8\tname"),
        std::string("-rw-rw----\t1\tx\t8\tname"),
        std::string("-rw-rw----\t1\t99999999999999\t8\tn"),
        std::string("-rw-rw----\t99999999999999999999\t1.0\t8\tname")}) {
    FoundFile found;
    EXPECT_EQ(ParseFound(bad, found).code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(FindListing, BoundsARecordThatNeverEnds) {
  FindListing listing;
  const std::string endless(20'000, 'a');
  EXPECT_EQ(
      listing.Feed(AsBytes(endless), [](const FoundFile&) { return absl::OkStatus(); }).code(),
      absl::StatusCode::kInvalidArgument);
}

TEST(FindListing, SaysWhenItWasCutOff) {
  FindListing listing;
  EXPECT_TRUE(
      listing.Feed(AsBytes("-rw-rw"), [](const FoundFile&) { return absl::OkStatus(); }).ok());
  EXPECT_FALSE(listing.Finish().ok());
}

TEST(FindErrors, AreReadByPath) {
  TreeListing listing;
  TakeFindErrors(
      "find: '/sdcard/Secret': Permission denied\n"
      "find: /sdcard//gone: No such file or directory\n"
      "find: /sdcard/a: b: Permission denied\n",
      "/sdcard", listing);
  EXPECT_THAT(listing.unreadable, ElementsAre("Secret", "a: b"));
  EXPECT_FALSE(listing.is_partial);
}

TEST(FindErrors, ThatSayNothingMakeTheListingPartial) {
  for (const std::string& errors :
       {std::string(), std::string("find: out of memory\n"), std::string("Segmentation fault\n"),
        std::string("find: /elsewhere: Permission denied\n")}) {
    TreeListing listing;
    TakeFindErrors(errors, "/sdcard", listing);
    EXPECT_TRUE(listing.is_partial) << errors;
  }
}

TEST(HashLine, ReadsBothFormsAndNothingElse) {
  const std::string hex(64, 'a');
  EXPECT_EQ(ParseHashLine(hex + "  ./a  b")->path, "./a  b");
  EXPECT_EQ(ParseHashLine(hex + " *./a")->path, "./a");
  EXPECT_FALSE(ParseHashLine(hex + " ./a"));
  EXPECT_FALSE(ParseHashLine(std::string(64, 'x') + "  a"));
  EXPECT_FALSE(ParseHashLine(""));
}

}  // namespace
}  // namespace mooring::agent
