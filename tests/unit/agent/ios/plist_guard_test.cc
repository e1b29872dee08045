#include "agent/ios/plist_guard.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "agent/ios/plist.h"
#include "tests/support/plist_bombs.h"

namespace mooring::agent {
namespace {

using mooring::testing::MakeBinaryPlist;
using mooring::testing::MakeDeepXml;
using mooring::testing::MakeFanOut;

bool Passes(std::string_view text, const PlistLimits& limits = {}) {
  return CheckPlist(AsBytes(text), limits).ok();
}

Plist MakeOrdinary() {
  Plist list = Plist::Array();
  Plist dict = Plist::Dict();
  dict.Set("text", Plist::String("hello & <bye>"))
      .Set("number", Plist::Integer(7))
      .Set("negative", Plist::Integer(static_cast<std::uint64_t>(-13)))
      .Set("real", Plist::Real(2.5))
      .Set("data", Plist::Data(AsBytes("bytes")))
      .Set("date", Plist::Date(1'700'000'000))
      .Set("flag", Plist::Boolean(true));
  for (int i = 0; i < 40; ++i) list.Add(Plist::CopyOf(dict.view()));
  return list;
}

TEST(PlistGuardTest, OrdinaryListsPassInBothForms) {
  const Plist list = MakeOrdinary();
  for (const Bytes& bytes : {list.ToBinary(), list.ToXml()}) {
    EXPECT_TRUE(CheckPlist(bytes, {}).ok()) << CheckPlist(bytes, {});
    const auto parsed = Plist::Parse(bytes, {});
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->view().size(), 40U);
    EXPECT_EQ(parsed->view().At(3).Text("text"), "hello & <bye>");
    EXPECT_EQ(parsed->view().At(3).Get("number").integer(), 7U);
    EXPECT_EQ(parsed->view().At(3).Get("real").number(), 2.5);
    EXPECT_EQ(parsed->view().At(3).Get("flag").boolean(), true);
  }
}

TEST(PlistGuardTest, EveryTruncationIsRefusedOrHarmless) {
  const Bytes whole = MakeOrdinary().ToBinary();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(CheckPlist(ByteView(whole).first(size), {}).ok()) << size;
  }
}

TEST(PlistGuardTest, EveryFlippedByteIsRefusedOrParses) {
  const Bytes whole = MakeOrdinary().ToBinary();
  for (std::size_t at = 8; at < whole.size(); ++at) {
    Bytes flipped = whole;
    flipped[at] ^= std::byte{0x5A};
    // Must neither crash nor hang, whatever the answer.
    const auto parsed = Plist::Parse(flipped, {});
    parsed.status().IgnoreError();
  }
}

TEST(PlistGuardTest, NestingIsBounded) {
  EXPECT_TRUE(Passes(MakeFanOut(63, 1)));
  EXPECT_FALSE(Passes(MakeFanOut(64, 1)));
  EXPECT_FALSE(Passes(MakeFanOut(60'000, 1)));
  EXPECT_TRUE(Passes(MakeDeepXml(63)));
  EXPECT_FALSE(Passes(MakeDeepXml(64)));
  EXPECT_FALSE(Passes(MakeDeepXml(200'000)));
}

TEST(PlistGuardTest, FanOutIsBounded) {
  EXPECT_TRUE(Passes(MakeFanOut(10, 2)));
  EXPECT_FALSE(Passes(MakeFanOut(24, 2)));
  EXPECT_FALSE(Passes(MakeFanOut(60, 14)));
}

TEST(PlistGuardTest, SharedDataCountsAtEveryReference) {
  // 1000 references to one string of 64 KiB: small here, 64 MiB as copies.
  std::string text = "\x5F\x12";
  text += std::string("\x00\x01\x00\x00", 4) + std::string(65536, 'x');
  std::string list = "\xAF\x11";
  list += std::string("\x03\xE8", 2);
  for (int i = 0; i < 1000; ++i) list += std::string("\x00\x01", 2);
  const std::string bytes = MakeBinaryPlist({list, text});
  EXPECT_TRUE(Passes(bytes));
  EXPECT_FALSE(Passes(bytes, {.expanded_bytes_max = 1'000'000}));
}

TEST(PlistGuardTest, CyclesAreRefused) {
  EXPECT_FALSE(Passes(MakeBinaryPlist({std::string("\xA1\x00\x00", 3)})));
  EXPECT_FALSE(
      Passes(MakeBinaryPlist({std::string("\xA1\x00\x01", 3), std::string("\xA1\x00\x00", 3)})));
}

TEST(PlistGuardTest, LyingNumbersAreRefused) {
  // A reference beyond the objects, a root beyond them, a count beyond the bytes.
  EXPECT_FALSE(Passes(MakeBinaryPlist({std::string("\xA1\x00\x05", 3)})));
  EXPECT_FALSE(Passes(MakeBinaryPlist({"\x08"}, 1)));
  EXPECT_FALSE(Passes(MakeBinaryPlist({std::string("\x5F\x13") + std::string(8, '\xFF')})));
  EXPECT_FALSE(Passes(MakeBinaryPlist({std::string("\x4F\x13") + std::string(8, '\x7F')})));
  EXPECT_FALSE(Passes(MakeBinaryPlist({"\x08"}, 0, 0)));
  EXPECT_FALSE(Passes(MakeBinaryPlist({"\x08"}, 0, 9)));
  // Offsets and counts of 2^64 - 1 in the trailer.
  std::string trailer = MakeBinaryPlist({"\x08"});
  for (const std::size_t field : {24U, 16U, 8U}) {
    std::string lie = trailer;
    lie.replace(lie.size() - field, 8, std::string(8, '\xFF'));
    EXPECT_FALSE(Passes(lie)) << field;
  }
}

TEST(PlistGuardTest, KeysMustBeStringsAndDatesFinite) {
  EXPECT_FALSE(Passes(MakeBinaryPlist({std::string("\xD1\x00\x01\x00\x01", 5), "\x08"})));
  EXPECT_TRUE(Passes(MakeBinaryPlist({std::string("\xD1\x00\x01\x00\x01", 5), "\x51k"})));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  std::uint64_t bits = 0;
  std::memcpy(&bits, &nan, 8);
  std::string date = "\x33";
  for (int shift = 56; shift >= 0; shift -= 8) date += static_cast<char>((bits >> shift) & 0xFF);
  EXPECT_FALSE(Passes(MakeBinaryPlist({date})));
}

TEST(PlistGuardTest, XmlTricksAreRefused) {
  EXPECT_FALSE(Passes("<!DOCTYPE plist [<!ENTITY a \"b\">]><plist><string>&a;</string></plist>"));
  EXPECT_FALSE(Passes("<plist><string>&a;</string></plist>"));
  EXPECT_FALSE(Passes("<plist><array></dict></plist>"));
  EXPECT_FALSE(Passes("<plist><array>"));
  EXPECT_FALSE(Passes("<plist><script/></plist>"));
  EXPECT_FALSE(Passes("<plist><![CDATA[x]]></plist>"));
  EXPECT_FALSE(Passes("{ key = value; }"));
  EXPECT_FALSE(Passes(""));
  EXPECT_TRUE(Passes("<plist><string>&amp;&lt;&#x41;</string></plist>"));
}

TEST(PlistGuardTest, SizeIsBoundedFirst) {
  EXPECT_FALSE(Passes(std::string(1000, ' '), {.bytes_max = 999}));
}

TEST(SanitizeTextTest, KeepsTextAndDropsTheRest) {
  EXPECT_EQ(SanitizeText("Ann's iPhone"), "Ann's iPhone");
  EXPECT_EQ(SanitizeText("a\x1b[31mb\r\nc"), "a[31mbc");
  EXPECT_EQ(SanitizeText("Zo\xC3\xAB \xF0\x9F\x93\xB1"), "Zo\xC3\xAB \xF0\x9F\x93\xB1");
  EXPECT_EQ(SanitizeText("\xE2\x80\xAE"
                         "evil\xC2\x85"),
            "evil");
  EXPECT_EQ(SanitizeText("a\xFF\xC0\xAF"
                         "b\xED\xA0\x80"),
            "ab");
  // Never cuts a character in two.
  EXPECT_EQ(SanitizeText("\xC3\xAB\xC3\xAB", 3), "\xC3\xAB");
}

}  // namespace
}  // namespace mooring::agent
