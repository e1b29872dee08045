#include "server/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/rpc_status.h"
#include "server/log/json_text.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/session_desk.h"
#include "storage/base/random.h"

namespace mooring::server {
namespace {

using ::testing::HasSubstr;

TEST(JsonTextTest, EscapesEverythingThatCouldForgeALine) {
  EXPECT_EQ(JsonText("plain"), "\"plain\"");
  EXPECT_EQ(JsonText("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(JsonText("a\nb\r\t\x1b[31m"), "\"a\\u000ab\\u000d\\u0009\\u001b[31m\"");
  EXPECT_EQ(JsonText(std::string("a\0b", 3)), "\"a\\u0000b\"");
  EXPECT_EQ(JsonText("\xe2\x80\xae"), "\"\\u202e\"");             // Right-to-left override.
  EXPECT_EQ(JsonText("\xf0\x9f\x93\xb1"), "\"\\ud83d\\udcf1\"");  // Above the basic plane.
  EXPECT_EQ(JsonText("\xff\xc0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
  EXPECT_EQ(JsonText("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\"");  // A surrogate alone.
}

TEST(JsonTextTest, IsCut) {
  EXPECT_EQ(JsonText(std::string(1000, 'x'), 3), "\"xxx...\"");
  EXPECT_EQ(JsonText("xxx", 3), "\"xxx\"");
}

TEST(LogTest, OneEventIsOneJsonObject) {
  EXPECT_EQ(FormatLogLine(absl::FromUnixSeconds(1'800'000'000), LogLevel::kWarning, "session.end",
                          {{"count", std::uint64_t{7}},
                           {"ok", true},
                           {"name", std::string("a\nb")},
                           {"ratio", 0.5}}),
            "{\"time\":\"2027-01-15T08:00:00.000000Z\",\"level\":\"warning\","
            "\"event\":\"session.end\",\"count\":7,\"ok\":true,\"name\":\"a\\u000ab\","
            "\"ratio\":0.5}");
}

TEST(ForOutsidersTest, TextsOfOurInsidesBecomeAnIncident) {
  SeededRandom random(1);
  for (const absl::Status& inside :
       {absl::InternalError("secret path /srv"), absl::DataLossError("secret chunk"),
        absl::UnavailableError("secret host"), absl::UnknownError("secret commit")}) {
    std::string incident;
    const absl::Status shown = ForOutsiders(inside, random, incident);
    EXPECT_EQ(shown.code(), inside.code());
    EXPECT_EQ(std::string(shown.message()).find("secret"), std::string::npos) << shown;
    EXPECT_THAT(std::string(shown.message()), HasSubstr(incident));
    EXPECT_EQ(ErrorDetailOf(shown)->incident(), incident);
    EXPECT_EQ(ErrorDetailOf(shown)->in_doubt(), absl::IsUnknown(inside));
  }
}

TEST(ForOutsidersTest, TextsForPeopleStay) {
  SeededRandom random(1);
  std::string incident;
  const absl::Status shown = ForOutsiders(absl::NotFoundError("no device"), random, incident);
  EXPECT_EQ(shown.message(), "no device");
  EXPECT_EQ(incident, "");
}

TEST(CleanMessageTest, IsOneBoundedLine) {
  EXPECT_EQ(CleanMessage("a\nb\tc\x7f"), "a b c ");
  EXPECT_EQ(CleanMessage(std::string(1000, 'x')).size(), 300U);
}

}  // namespace
}  // namespace mooring::server
