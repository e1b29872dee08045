#include "storage/base/bytes.h"

#include <gtest/gtest.h>

namespace mooring {
namespace {

TEST(BytesTest, HexGoesBothWaysAndRefusesTheRest) {
  const Bytes bytes = {std::byte{0x00}, std::byte{0x7f}, std::byte{0xff}};
  EXPECT_EQ(ToHex(bytes), "007fff");
  EXPECT_EQ(FromHex("007fFF"), bytes);
  EXPECT_EQ(FromHex(""), Bytes());
  for (const char* bad : {"0", "0g", " 0", "0x00"}) EXPECT_EQ(FromHex(bad), std::nullopt) << bad;
}

// RFC 4648, section 10, without padding.
TEST(BytesTest, Base64UrlMatchesTheRfc) {
  EXPECT_EQ(ToBase64Url(AsBytes("")), "");
  EXPECT_EQ(ToBase64Url(AsBytes("f")), "Zg");
  EXPECT_EQ(ToBase64Url(AsBytes("fo")), "Zm8");
  EXPECT_EQ(ToBase64Url(AsBytes("foo")), "Zm9v");
  EXPECT_EQ(ToBase64Url(AsBytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(ToBase64Url(Bytes{std::byte{0xfb}, std::byte{0xff}}), "-_8");
}

TEST(BytesTest, Base64UrlReadsOnlyCanonicalText) {
  for (const char* text : {"", "Zg", "Zm8", "Zm9v", "-_8"}) {
    EXPECT_EQ(ToBase64Url(FromBase64Url(text).value()), text);
  }
  for (const char* bad : {"Z", "Zh", "Zm9", "Zm9v=", "Zm+v", "Zm/v", "Zm v"}) {
    EXPECT_EQ(FromBase64Url(bad), std::nullopt) << bad;
  }
}

TEST(BytesTest, IntegersAreLittleEndianAtAnyOffset) {
  Bytes bytes = {std::byte{9}};
  AppendLe16(bytes, 0x0102);
  AppendLe32(bytes, 0x03040506);
  AppendLe64(bytes, 0x0708090a0b0c0d0e);
  AppendBe32(bytes, 0x03040506);
  EXPECT_EQ(ToHex(bytes), "090201060504030e0d0c0b0a09080703040506");
  EXPECT_EQ(LoadLe16(bytes, 1), 0x0102);
  EXPECT_EQ(LoadLe32(bytes, 3), 0x03040506U);
  EXPECT_EQ(LoadLe64(bytes, 7), 0x0708090a0b0c0d0eU);
  EXPECT_EQ(LoadBe32(bytes, 15), 0x03040506U);
}

}  // namespace
}  // namespace mooring
