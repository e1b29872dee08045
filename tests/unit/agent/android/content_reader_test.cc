#include "agent/android/content_reader.h"

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "storage/base/clock.h"
#include "tests/support/recording_progress.h"
#include "tests/unit/agent/android/fake_adb_device.h"
#include "tests/unit/agent/android/fake_provider.h"

namespace mooring::agent {
namespace {

using mooring::testing::FakePhone;
using mooring::testing::FakeProvider;
using mooring::testing::RecordingProgress;

class ContentReaderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    phone_.answer = [this](const std::string& command) { return sms_.Answer(command); };
    ASSERT_TRUE(line_.Open(ctx_).ok());
  }

  // Bodies by id.
  std::map<std::string, std::optional<std::string>> Read(std::uint64_t unread = 0) {
    std::map<std::string, std::optional<std::string>> bodies;
    ContentReader reader(line_);
    const auto read = reader.Read(ctx_, table_, [&](const ContentValues& values) {
      EXPECT_EQ(values.size(), 4U);
      EXPECT_TRUE(bodies.emplace(*values[0], values[3]).second);
      addresses_[*values[0]] = values[2];
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read.status();
    EXPECT_EQ(*read, unread);
    return bodies;
  }
  void Add(std::int64_t id, const std::optional<std::string>& body,
           const std::string& address = "+49") {
    sms_.rows[id] = {{"date", std::to_string(1000 + id)}, {"address", address}, {"body", body}};
  }

  OpContext ctx_;
  ManualClock clock_{absl::FromUnixSeconds(1'700'000'000)};
  RecordingProgress progress_;
  FakePhone phone_;
  FakeProvider sms_{"content://sms"};
  PhoneLine line_{clock_,
                  {absl::Minutes(1), absl::Minutes(1), absl::ZeroDuration()},
                  phone_.Finder(),
                  progress_};
  const ContentTable table_{"content://sms", {"_id", "date"}, {"address", "body"}, "body"};
  std::map<std::string, std::optional<std::string>> addresses_;
};

TEST_F(ContentReaderTest, ReadsAHundredThousandRowsInFewQueries) {
  for (int i = 1; i <= 100'000; ++i) Add(i, "text " + std::to_string(i));
  EXPECT_EQ(Read().size(), 100'000U);
  EXPECT_LT(sms_.queries, 60U);
}

TEST_F(ContentReaderTest, RowsThatForgeRowsAndColumnsComeOutWhole) {
  const std::string forged_row = "hi\nRow: 2 _id=3, date=1, address=evil, body=forged";
  const std::string forged_columns = "x, body=y, address=z";
  const std::string anchors = "a\nRow: 1 _id=2, date=2, address=q, body=w\nRow: 2 _id=3";
  Add(1, "first");
  Add(2, forged_row);
  Add(3, "real");
  Add(4, forged_columns, "a, body=b");
  Add(5, anchors);
  Add(6, "\n\nRow: 5 _id=6\n");
  Add(7, "");
  const auto bodies = Read();
  ASSERT_EQ(bodies.size(), 7U);
  EXPECT_EQ(bodies.at("1"), "first");
  EXPECT_EQ(bodies.at("2"), forged_row);
  EXPECT_EQ(bodies.at("3"), "real");
  EXPECT_EQ(bodies.at("4"), forged_columns);
  EXPECT_EQ(addresses_.at("4"), "a, body=b");
  EXPECT_EQ(bodies.at("5"), anchors);
  EXPECT_EQ(bodies.at("6"), "\n\nRow: 5 _id=6\n");
  EXPECT_EQ(bodies.at("7"), "");
}

TEST_F(ContentReaderTest, TellsTheTextNullFromNothing) {
  Add(1, "NULL");
  Add(2, std::nullopt);
  const auto bodies = Read();
  EXPECT_EQ(bodies.at("1"), "NULL");
  EXPECT_EQ(bodies.at("2"), std::nullopt);
}

TEST_F(ContentReaderTest, NothingIsNoError) {
  EXPECT_TRUE(Read().empty());
}

TEST_F(ContentReaderTest, SaysWhichWayItFailed) {
  ContentReader reader(line_);
  const auto sink = [](const ContentValues&) { return absl::OkStatus(); };
  sms_.lacks = "address";
  Add(1, "x");
  EXPECT_EQ(reader.Read(ctx_, table_, sink).status().code(), absl::StatusCode::kFailedPrecondition);
  phone_.answer = [](const std::string&) {
    return mooring::testing::FakeReply{
        "", 1,
        "Error while accessing provider:sms\njava.lang.SecurityException: Permission Denial"};
  };
  EXPECT_EQ(reader.Read(ctx_, table_, sink).status().code(), absl::StatusCode::kPermissionDenied);
  // Older versions say so on stdout and end well.
  phone_.answer = [](const std::string&) {
    return mooring::testing::FakeReply{
        "Error while accessing provider:sms\njava.lang.SecurityException: no\n", 0, ""};
  };
  EXPECT_EQ(reader.Read(ctx_, table_, sink).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST(ProviderFailure, IsNotMadeOfWarningsBesideAnAnswer) {
  const char* const warning = "WARNING: linker: libfoo.so not found\n";
  EXPECT_TRUE(ProviderFailure("Row: 0 _id=1\n", warning).ok());
  EXPECT_TRUE(ProviderFailure("No result found.\n", warning).ok());
  EXPECT_EQ(ProviderFailure("", "[ERROR] Could not find provider: sms\n").code(),
            absl::StatusCode::kUnimplemented);
}

TEST_F(ContentReaderTest, GoesOnThroughAnUnplug) {
  for (int i = 1; i <= 3000; ++i) Add(i, "text");
  phone_.bytes_until_pulled = 100'000;
  EXPECT_EQ(Read().size(), 3000U);
  EXPECT_EQ(line_.returns(), 1);
}

}  // namespace
}  // namespace mooring::agent
