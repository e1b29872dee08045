#include "storage/retention/duration.h"

#include <gtest/gtest.h>

namespace mooring::storage {
namespace {

TEST(DurationTest, ReadsANumberAndAUnit) {
  const std::pair<const char*, absl::Duration> cases[] = {
      {"0s", absl::ZeroDuration()},     {"45s", absl::Seconds(45)},
      {"90m", absl::Minutes(90)},       {"24h", absl::Hours(24)},
      {"7d", absl::Hours(7 * 24)},      {"4w", absl::Hours(28 * 24)},
      {"6mo", absl::Hours(180 * 24)},   {"2y", absl::Hours(730 * 24)},
      {"100y", absl::Hours(36500 * 24)}};
  for (const auto& [text, duration] : cases) {
    const absl::StatusOr<absl::Duration> parsed = ParseDuration(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, duration) << text;
  }
}

TEST(DurationTest, RefusesEverythingElseAndShowsWhatItWasGiven) {
  for (const char* text : {"", "7", "d", "-7d", "+7d", "7 d", " 7d", "7d ", "7D", "7days", "1.5h",
                           "1d12h", "101y", "36501d", "99999999999s", "0x10d", "7M", "7mon"}) {
    const absl::Status status = ParseDuration(text).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_NE(status.ToString().find(text), std::string::npos) << status;
  }
}

TEST(DurationTest, FormatsWhatItReadsBack) {
  const std::pair<absl::Duration, const char*> cases[] = {
      {absl::ZeroDuration(), "0s"},  {absl::Seconds(61), "61s"},      {absl::Minutes(90), "90m"},
      {absl::Hours(23), "23h"},      {absl::Hours(24), "1d"},         {absl::Hours(24 * 7), "1w"},
      {absl::Hours(24 * 30), "30d"}, {absl::Milliseconds(1500), "1s"}};
  for (const auto& [duration, text] : cases) EXPECT_EQ(DurationText(duration), text);
  for (std::int64_t seconds = 0; seconds < 3'000'000; seconds += 997) {
    EXPECT_EQ(*ParseDuration(DurationText(absl::Seconds(seconds))), absl::Seconds(seconds));
  }
}

}  // namespace
}  // namespace mooring::storage
