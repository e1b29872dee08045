#include "storage/repository/store_records.h"

#include <gtest/gtest.h>

#include "storage/repository/audit_detail.h"
#include "storage/repository/plain_text.h"

namespace mooring::storage {
namespace {

TEST(StoreRecordsTest, TheRepositoryObjectIsAsDocumented) {
  const RepositoryId id = *RepositoryId::FromHex("00112233445566778899aabbccddeeff");
  const Bytes bytes = EncodeRepositoryObject(id);
  EXPECT_EQ(ToHex(bytes),
            "4d4f4f525245504f"
            "01000000"
            "00000000"
            "00112233445566778899aabbccddeeff");
  EXPECT_EQ(*DecodeRepositoryObject(bytes), id);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeRepositoryObject(ByteView(bytes).first(length)).status()));
  }
  Bytes newer = bytes;
  newer[8] = std::byte{2};
  const absl::Status refused = DecodeRepositoryObject(newer).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_NE(refused.ToString().find("version 2"), std::string::npos) << refused;
}

TEST(StoreRecordsTest, TombstonesReadBackAndAreCheckedToTheByte) {
  const Tombstone tombstone{.snapshot = *SnapshotId::FromHex("00112233445566778899aabbccddeeff"),
                            .deleted_at = absl::FromUnixMicros(1'700'000'000'123'456),
                            .actor = "account:root",
                            .reason = "retention: no rule keeps it"};
  const Bytes bytes = EncodeTombstone(tombstone);
  EXPECT_EQ(*DecodeTombstone(bytes), tombstone);
  EXPECT_EQ(ToHex(ByteView(bytes).first(16)), "4d4f4f52474f4e450100000000000000");
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_TRUE(absl::IsDataLoss(DecodeTombstone(ByteView(bytes).first(length)).status()));
  }
  Bytes longer = bytes;
  longer.push_back(std::byte{0});
  EXPECT_TRUE(absl::IsDataLoss(DecodeTombstone(longer).status()));
}

TEST(PlainTextTest, WhatIsNotTextBecomesQuestionMarks) {
  EXPECT_EQ(PlainText("plain", 100), "plain");
  EXPECT_EQ(PlainText("gr\xC3\xBC\xC3\x9F", 100), "gr\xC3\xBC\xC3\x9F");
  EXPECT_EQ(PlainText(std::string_view("a\0b", 3), 100), "a?b");
  EXPECT_EQ(PlainText("a\xFF\xC3", 100), "a??");
  EXPECT_EQ(PlainText("\xED\xA0\x80", 100), "???");       // A surrogate.
  EXPECT_EQ(PlainText("\xC0\xAF", 100), "??");            // Overlong.
  EXPECT_EQ(PlainText("\xF4\x90\x80\x80", 100), "????");  // Beyond U+10FFFF.
  EXPECT_EQ(PlainText("ab\xC3\xBC", 3), "ab") << "never cuts a character in two";
}

TEST(AuditDetailTest, IsAFlatJsonObject) {
  EXPECT_EQ(AuditDetail({}), "{}");
  EXPECT_EQ(AuditDetail({{"a", "1"}, {"b", "say \"hi\"\\\n"}}),
            R"({"a":"1","b":"say \"hi\"\\\u000a"})");
  EXPECT_EQ(AuditDetail({{"a", std::string("x\0\xFFy", 4)}}), R"({"a":"x??y"})");
}

}  // namespace
}  // namespace mooring::storage
