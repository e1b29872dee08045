// An Android phone that is unplugged at every tenth of a backup whose session is
// then gone: killed with its agent, or ended because the phone stayed away. What
// was acknowledged by then is not uploaded by the next session.

#include <signal.h>

#include <fstream>
#include <map>
#include <sstream>

#include <gmock/gmock.h>

#include "storage/repository/repository.h"
#include "tests/e2e/android_phones.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;

// A pack is closed by the chunk that fills it: 4 MiB of content, sealed and padded.
constexpr std::uint64_t kUnacknowledgedMax = storage::kPackCloseBytes + (std::uint64_t{5} << 20);

class ResumeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    serial_ = phones_.Serials().at(0);
    d_.Enroll("desk");
  }

  std::uint64_t WireBytes() { return phones_.State(serial_).value("bytes_sent", std::uint64_t{0}); }

  // Chunk bytes that have arrived at the server, known there or not.
  std::uint64_t UploadedBytes() {
    const std::string address =
        Json::parse(ReadText(d_.server_dir() + "/endpoints.json")).value("metrics", "");
    std::istringstream lines(RunProgram({"curl", "-s", "http://" + address + "/metrics"}).out);
    const std::string name = "mooring_ingest_bytes_total{kind=\"new\"} ";
    for (std::string line; std::getline(lines, line);) {
      if (line.compare(0, name.size(), name) != 0) continue;
      return static_cast<std::uint64_t>(std::stod(line.substr(name.size())));
    }
    ADD_FAILURE() << "no figure for uploaded bytes";
    return 0;
  }

  // Learns what a backup costs that nothing disturbs.
  void MeasureWhole() {
    d_.StartAgent("desk", "usb");
    d_.AwaitDevice(serial_);
    const std::uint64_t before = WireBytes();
    d_.Assign(serial_, "owner-0");
    ExpectBackup();
    EXPECT_EQ(UploadedBytes(), ReferencedBytes());
    whole_ = WireBytes() - before;
  }

  std::uint64_t ReferencedBytes() {
    return std::stoull(d_.LatestSnapshot(serial_).value("referenced_bytes", "0"));
  }

  void ExpectBackup() {
    const RunResult result = d_.Backup("desk", serial_);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  }

  // Gives the phone to a new person, for whom nothing is stored yet, and pulls its
  // cable once it has sent `bytes`. A backup of it runs then.
  std::unique_ptr<Background> BackUpUntil(std::uint64_t bytes, std::uint64_t tenth) {
    phones_.ControlJson({"fault", serial_, "unplug", "after=" + std::to_string(bytes)});
    d_.Assign(serial_, "owner-" + std::to_string(tenth));
    auto backup = std::make_unique<Background>(
        std::vector<std::string>{Deployment::Binary("mooring-agent"), "backup", "--device", serial_,
                                 "--state-dir", d_.agent_dir("desk")},
        d_.FarmEnvironment("usb"), d_.path() + "/backup.out", d_.path() + "/backup.err");
    EXPECT_TRUE(Eventually([&] { return !phones_.State(serial_).value("attached", true); }));
    return backup;
  }

  // The phone is back; a new session completes and has not sent what was acknowledged.
  void ExpectTheRest(std::uint64_t uploaded_before) {
    const std::uint64_t wire_before = WireBytes();
    phones_.ControlJson({"attach", serial_});
    ExpectBackup();
    // It reads the phone again, once: only the session that was lost could go on.
    EXPECT_LE(WireBytes() - wire_before, whole_ + (1U << 20));
    const Json snapshot = d_.LatestSnapshot(serial_);
    const std::uint64_t unique = ReferencedBytes();
    const std::uint64_t uploaded = UploadedBytes() - uploaded_before;
    EXPECT_GE(uploaded, unique);
    EXPECT_LE(uploaded, unique + kUnacknowledgedMax);
    const RunResult verified = d_.Mooring({"snapshot", "verify", snapshot.value("id", "")});
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
    // It was another session that made the snapshot, and a full one.
    EXPECT_EQ(snapshot.value("parent_id", ""), "");
    EXPECT_TRUE(Eventually([&] {
      const Json sessions = d_.MooringJson({"session", "list", "--device", serial_})["sessions"];
      return sessions.size() >= 2 && sessions[0].value("state", "") == "SESSION_STATE_COMMITTED" &&
             sessions[1].value("state", "") == "SESSION_STATE_ABORTED";
    }));
  }

  void ExpectItComesBack() {
    const std::string spare = phones_.ControlJson({"add", "empty"}).value("serial", "");
    d_.AwaitDevice(spare);
    const RunResult restored = d_.Restore(serial_, spare);
    EXPECT_EQ(restored.exit_code, 0) << restored.out << restored.err;
    EXPECT_EQ(phones_.Content(spare), phones_.Content(serial_));
  }

  Deployment d_;
  // More than two packs, so that a session that began anew would be seen.
  AndroidPhones phones_{
      d_,
      "usb",
      {"--phones", "1", "--seed", "81", "--files", "300", "--bytes", "80M", "--big-file", "20M"}};
  std::string serial_;
  // Bytes on the wire of a whole backup.
  std::uint64_t whole_ = 0;
};

TEST_F(ResumeTest, WhatAKilledAgentHadStoredIsNotSentAgain) {
  MeasureWhole();
  for (std::uint64_t tenth = 1; tenth < 10; ++tenth) {
    SCOPED_TRACE(tenth);
    const std::uint64_t uploaded = UploadedBytes();
    const auto backup = BackUpUntil(whole_ * tenth / 10, tenth);
    // The command first: without an agent it would be one itself.
    backup->Signal(SIGKILL);
    backup->Wait(absl::Seconds(10));
    d_.agent("desk").Signal(SIGKILL);
    d_.agent("desk").Wait(absl::Seconds(10));
    d_.StartAgent("desk", "usb");
    ExpectTheRest(uploaded);
  }
  ExpectItComesBack();
}

TEST_F(ResumeTest, WhatASessionThatWaitedInVainHadStoredIsNotSentAgain) {
  std::ofstream(d_.agent_dir("desk") + "/agent.yaml", std::ios::app)
      << "unplugged_wait_seconds: 1\n";
  MeasureWhole();
  for (std::uint64_t tenth = 1; tenth < 10; ++tenth) {
    SCOPED_TRACE(tenth);
    const std::uint64_t uploaded = UploadedBytes();
    const auto backup = BackUpUntil(whole_ * tenth / 10, tenth);
    EXPECT_NE(backup->Wait(absl::Seconds(60)), 0);
    EXPECT_THAT(ReadText(d_.path() + "/backup.err"), HasSubstr("did not come back"));
    ExpectTheRest(uploaded);
  }
  ExpectItComesBack();
}

}  // namespace
}  // namespace mooring::testing
