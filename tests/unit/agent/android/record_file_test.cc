#include "agent/android/record_file.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "agent/android/vcard.h"

namespace mooring::agent {
namespace {

std::string Write(const std::vector<std::vector<std::optional<std::string>>>& rows) {
  std::string text;
  RecordWriter writer("test/1", [&](ByteView bytes) {
    text += AsText(bytes);
    return absl::OkStatus();
  });
  for (const auto& row : rows) EXPECT_TRUE(writer.Add({"_id", "body"}, row).ok());
  EXPECT_TRUE(writer.Finish().ok());
  return text;
}

absl::Status Read(const std::string& text, std::size_t piece, std::vector<RecordFields>& rows) {
  RecordReader reader("test/1");
  for (std::size_t at = 0; at < text.size(); at += piece) {
    const absl::Status fed = reader.Feed(AsBytes(std::string_view(text).substr(at, piece)),
                                         [&](const RecordFields& fields) {
                                           rows.push_back(fields);
                                           return absl::OkStatus();
                                         });
    if (!fed.ok()) return fed;
  }
  return reader.Finish();
}

TEST(RecordFile, ComesBackAsItWasWritten) {
  const std::string body =
      "line\nquote\" back\\ tab\t nul" + std::string(1, '\0') + " \xF0\x9F\x98\x80";
  const std::string text = Write({{"7", body}, {"8", std::nullopt}, {"9", ""}});
  for (const std::size_t piece : {1U, 13U, 4096U}) {
    std::vector<RecordFields> rows;
    ASSERT_TRUE(Read(text, piece, rows).ok());
    ASSERT_EQ(rows.size(), 3U);
    EXPECT_EQ(rows[0].at("body"), body);
    EXPECT_EQ(rows[1].at("body"), std::nullopt);
    EXPECT_EQ(rows[2].at("body"), "");
  }
}

TEST(RecordFile, OfNothingIsAListOfNothing) {
  std::vector<RecordFields> rows;
  EXPECT_TRUE(Read(Write({}), 100, rows).ok());
  EXPECT_TRUE(rows.empty());
}

TEST(RecordFile, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(ToValidUtf8("a\xFF\xC3(\xED\xA0\x80z"),
            "a\xEF\xBF\xBD\xEF\xBF\xBD(\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBDz");
  EXPECT_EQ(ToValidUtf8("\xE2\x82\xAC\xF0\x9F\x98\x80"), "\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST(RecordFile, RefusesWhatIsNoList) {
  const std::string good = Write({{"7", "x"}});
  for (const std::string& bad :
       {good.substr(0, good.size() - 4), std::string("{}"), good + "more\n",
        std::string("{\"format\":\"other/1\",\"records\":[\n]}\n")}) {
    std::vector<RecordFields> rows;
    EXPECT_EQ(Read(bad, 7, rows).code(), absl::StatusCode::kDataLoss) << bad;
  }
}

TEST(FlatJson, ReadsEscapesAndRefusesTheRest) {
  EXPECT_EQ(ParseFlatJson(R"({"a":"\u00e9\ud83d\ude00\n"})")->at("a"),
            "\xC3\xA9\xF0\x9F\x98\x80\n");
  EXPECT_TRUE(ParseFlatJson("{}")->empty());
  for (const char* bad : {"", "{", R"({"a":1})", R"({"a":"\ud83d"})", R"({"a":"x"}x)",
                          R"({"a":"\u12"})", R"({"a" "x"})", R"({"a":"x",})", R"({"a":"\q"})"}) {
    EXPECT_FALSE(ParseFlatJson(bad)) << bad;
  }
}

TEST(VCard, CountsWholeCardsOfAnyVersion) {
  EXPECT_EQ(CountCards("BEGIN:VCARD\r\nVERSION:2.1\r\nFN:A\r\nEND:VCARD\r\n"
                       "BEGIN:VCARD\nVERSION:3.0\nFN:B\nEND:VCARD\n"),
            2U);
  EXPECT_EQ(CountCards(""), 0U);
  EXPECT_FALSE(CountCards("BEGIN:VCARD\r\nFN:A\r\n"));
  EXPECT_FALSE(CountCards("error\nBEGIN:VCARD\nEND:VCARD\n"));
}

TEST(VCard, OfOursEscapesWhatAContactHolds) {
  const std::string card =
      MakeCard({{"vnd.android.cursor.item/name", {"Ann; \"Q\"", "Ann", "Q,\nEND:VCARD"}},
                {"vnd.android.cursor.item/phone_v2", {"+49 30 1", "2"}},
                {"vnd.android.cursor.item/unknown", {"x"}}});
  EXPECT_EQ(card,
            "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ann\\; \"Q\"\r\nN:Q\\,\\nEND:VCARD;Ann;;;\r\n"
            "TEL;TYPE=CELL:+49 30 1\r\nEND:VCARD\r\n");
  EXPECT_EQ(CountCards(card), 1U);
}

}  // namespace
}  // namespace mooring::agent
