#include "server/config/server_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/subprocess.h"

namespace mooring::server {
namespace {

using ::testing::HasSubstr;

class ServerConfigTest : public ::testing::Test {
 protected:
  absl::StatusOr<config::v1::ServerConfig> Load(const std::string& yaml) {
    const absl::Status written = WriteFileDurably(RealFileSystem(), dir_.config(), AsBytes(yaml));
    EXPECT_TRUE(written.ok()) << written;
    return LoadServerConfig(RealFileSystem(), dir_.config(), dir_);
  }
  std::string Error(const std::string& yaml) { return std::string(Load(yaml).status().message()); }

  mooring::testing::TempDir temp_;
  StateDir dir_{temp_.path()};
};

TEST_F(ServerConfigTest, FillsInWhatIsLeftOut) {
  const auto config = Load("organization: Example\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->listen().agents(), "0.0.0.0:7443");
  EXPECT_EQ(config->listen().enrollment(), "0.0.0.0:7444");
  EXPECT_EQ(config->listen().metrics(), "127.0.0.1:9464");
  EXPECT_EQ(config->limits().sessions_max(), 50U);
  EXPECT_EQ(config->limits().queue_max(), 1000U);
  EXPECT_EQ(config->limits().lease_seconds(), 1800U);
  EXPECT_EQ(config->repository(), dir_.repository());
  EXPECT_EQ(config->kek_file(), dir_.kek());
}

TEST_F(ServerConfigTest, AnUnknownKeyIsNamedWithFileAndLine) {
  const std::string error = Error("organization: Example\nlisten:\n  agent: 0.0.0.0:1\n");
  EXPECT_THAT(error, HasSubstr("mooringd.yaml"));
  EXPECT_THAT(error, HasSubstr("line 3"));
  EXPECT_THAT(error, HasSubstr("unknown key \"agent\""));
  EXPECT_THAT(error, HasSubstr("did you mean \"agents\"?"));
}

TEST_F(ServerConfigTest, ValuesThatMeanNothingAreRefused) {
  EXPECT_THAT(Error("organization: E\nlisten: {agents: nowhere}\n"), HasSubstr("listen.agents"));
  EXPECT_THAT(Error("organization: E\nlisten: {agents: 'h:70000'}\n"), HasSubstr("HOST:PORT"));
  EXPECT_THAT(Error("organization: E\nlimits: {lease_seconds: 1}\n"),
              HasSubstr("limits.lease_seconds"));
  EXPECT_THAT(Error("organization: E\nlimits: {sessions_max: 1000000}\n"),
              HasSubstr("limits.sessions_max"));
  EXPECT_THAT(Error("organization: E\nrepository: s3://Bucket\n"), HasSubstr("bucket"));
  EXPECT_THAT(Error("organization: E\nrepository: s3:bucket\n"), HasSubstr("s3://BUCKET"));
  EXPECT_THAT(Error("organization: E\nrepository: s3://bucket\ns3: {endpoint: rgw.example}\n"),
              HasSubstr("endpoint"));
  EXPECT_THAT(Error("organization: E\nrepository: s3://bucket\ns3: {addressing: both}\n"),
              HasSubstr("s3.addressing"));
  EXPECT_THAT(Error("organization: E\ns3: {region: eu}\n"), HasSubstr("directory"));
  EXPECT_THAT(Error("organization: E\nobject_lock_days: 30\n"), HasSubstr("bucket"));
  EXPECT_THAT(Error("single_admin: true\n"), HasSubstr("organization"));
}

TEST(CollectionConfigTest, WhatIsNotSetHasItsDefault) {
  config::v1::Collection collection;
  const storage::CollectionOptions standard = CollectionOptionsOf(collection);
  EXPECT_EQ(standard.condemned_for, absl::Hours(72));
  EXPECT_EQ(standard.removed_percent_a_day, 5u);
  collection.set_condemned_hours(1);
  collection.set_small_pack_mib(2);
  const storage::CollectionOptions options = CollectionOptionsOf(collection);
  EXPECT_EQ(options.condemned_for, absl::Hours(1));
  EXPECT_EQ(options.doomed_for, absl::Hours(24));
  collection.set_doomed_hours(0);
  EXPECT_EQ(CollectionOptionsOf(collection).doomed_for, absl::ZeroDuration());
  EXPECT_EQ(options.small_pack_bytes, std::uint64_t{2} << 20);
}

TEST_F(ServerConfigTest, AMissingFileSaysToRunInit) {
  const auto config = LoadServerConfig(RealFileSystem(), dir_.config(), dir_);
  EXPECT_EQ(config.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(config.status().message()), HasSubstr("mooringd init"));
}

TEST(HostPortTest, TakesNamesAndBothKindsOfAddress) {
  EXPECT_EQ(ParseHostPort("host.example:7443")->host, "host.example");
  EXPECT_EQ(ParseHostPort("[::1]:7443")->host, "::1");
  EXPECT_EQ(ParseHostPort("[::1]:7443")->port, 7443);
  EXPECT_EQ(JoinHostPort("::1", 1), "[::1]:1");
  for (const char* bad : {"", "host", ":1", "host:", "host:x", "host:-1", "::1:7443"}) {
    EXPECT_FALSE(ParseHostPort(bad).ok()) << bad;
  }
}

TEST(StateLockTest, OnlyOneProcessUsesADirectory) {
  const mooring::testing::TempDir temp;
  const StateDir dir(temp.path());
  const auto lock = StateLock::Take(dir);
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_EQ(StateLock::Take(dir).status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace mooring::server
