#include "admin/cli/text.h"

#include <gtest/gtest.h>

#include "mooring/v1/fleet.pb.h"
#include "proto/plain_text.h"

namespace mooring::admin {
namespace {

TEST(TextTest, BytesHaveOneDecimalAndAUnit) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(1536), "1.5 KiB");
  EXPECT_EQ(BytesText((std::uint64_t{1} << 20) - 1), "1.0 MiB") << "not 1024.0 KiB";
  EXPECT_EQ(BytesText(std::uint64_t{5} << 30), "5.0 GiB");
  EXPECT_EQ(BytesText(~std::uint64_t{0}), "16.0 EiB");
}

TEST(TextTest, DurationsHaveTheLargestUnitAlone) {
  EXPECT_EQ(DurationText(absl::Seconds(59)), "59s");
  EXPECT_EQ(DurationText(absl::Minutes(59)), "59m");
  EXPECT_EQ(DurationText(absl::Hours(47)), "47h");
  EXPECT_EQ(DurationText(absl::Hours(48)), "2d");
  EXPECT_EQ(DurationText(absl::Hours(24 * 800)), "2y");
  EXPECT_EQ(DurationText(-absl::Hours(3)), "-3h");
}

TEST(TextTest, AgesPointBothWays) {
  google::protobuf::Timestamp time;
  EXPECT_EQ(AgeText(time, absl::FromUnixSeconds(9)), "-") << "never";
  time.set_seconds(1000);
  EXPECT_EQ(AgeText(time, absl::FromUnixSeconds(1000 + 3 * 3600)), "3h ago");
  EXPECT_EQ(AgeText(time, absl::FromUnixSeconds(1000 - 7200)), "in 2h");
  EXPECT_EQ(AgeText(time, absl::FromUnixSeconds(998)), "0s ago") << "clocks differ a little";
}

TEST(TextTest, EnumsLoseTheirPrefix) {
  EXPECT_EQ(EnumText(v1::DEVICE_STATE_NEVER_BACKED_UP), "never backed up");
  EXPECT_EQ(EnumText(v1::DEVICE_STATE_UNSPECIFIED), "-");
  EXPECT_EQ(EnumText(static_cast<v1::DeviceState>(99)), "99") << "from a newer server";
}

TEST(TextTest, IdsAreTwelveCharacters) {
  EXPECT_EQ(ShortId(std::string(16, '\xAB')), "abababababab");
  EXPECT_EQ(ShortId(""), "-");
}

TEST(TextTest, WidthCountsCellsNotBytes) {
  EXPECT_EQ(DisplayWidth("abc"), 3U);
  EXPECT_EQ(DisplayWidth("\u00e9"), 1U);
  EXPECT_EQ(DisplayWidth("\u65e5\u672c"), 4U);
  EXPECT_EQ(DisplayWidth("e\u0301"), 1U) << "a combining accent takes no cell";
}

TEST(TextTest, TruncateNeverCutsACharacterInTwo) {
  EXPECT_EQ(Truncate("abcdef", 6), "abcdef");
  EXPECT_EQ(Truncate("abcdef", 4), "abc\u2026");
  EXPECT_EQ(Truncate("\u65e5\u672c\u8a9e", 4), "\u65e5\u2026") << "the second would need cell 4";
  EXPECT_EQ(Truncate("abc", 0), "");
}

TEST(TextTest, CleanTextRemovesWhatMovesTheCursor) {
  EXPECT_EQ(CleanText("a\x1b[2Jb"), "a[2Jb");
  EXPECT_EQ(CleanText("a\nb\tc"), "a b c");
  EXPECT_EQ(CleanText("evil\u202egnp.exe"), "evilgnp.exe");
  EXPECT_EQ(CleanText("\u2066x\u2069\u200f"), "x");
  EXPECT_EQ(CleanText("\xC2\x9B"
                      "31m"),
            "31m")
      << "a C1 control";
  EXPECT_EQ(CleanText("\xFF"), "\uFFFD");
  EXPECT_EQ(CleanText("\u65e5"), "\u65e5");
}

TEST(TextTest, LifetimesAreANumberAndAUnit) {
  EXPECT_EQ(*ParseLifetime("90m"), absl::Minutes(90));
  EXPECT_EQ(*ParseLifetime("2w"), absl::Hours(24 * 14));
  for (const char* bad : {"", "h", "24", "0h", "-1h", "1.5h", "24hh", "99999999999h", "1y"}) {
    EXPECT_FALSE(ParseLifetime(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace mooring::admin
