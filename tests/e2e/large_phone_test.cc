// Android phones of the size that people have, with the shipped programs: a 6 GB
// file, and 200,000 small ones. Contents are made from a seed while they are read.

#include <algorithm>
#include <sstream>

#include <gtest/gtest.h>

#include "tests/e2e/android_phones.h"

namespace mooring::testing {
namespace {

// What a session may take, at 200,000 files and whatever their bytes.
constexpr std::uint64_t kSessionMemoryMax = 90'000'000;
constexpr absl::Duration kPatience = absl::Minutes(20);

class LargePhoneTest : public ::testing::Test {
 protected:
  void Plug(const std::vector<std::string>& words) {
    phones_ = std::make_unique<AndroidPhones>(d_, "usb", words);
    serial_ = phones_->Serials().at(0);
    d_.Enroll("desk");
    d_.StartAgent("desk", "usb");
    d_.AwaitDevice(serial_);
    d_.Assign(serial_, "alice");
  }

  void ExpectRun(const std::vector<std::string>& argv) {
    const std::string out = d_.path() + "/command";
    Background command(argv, d_.FarmEnvironment("usb"), out, out);
    EXPECT_EQ(command.Wait(kPatience), 0) << ReadText(out);
  }
  void ExpectBackup() {
    ExpectRun({Deployment::Binary("mooring-agent"), "backup", "--device", serial_, "--state-dir",
               d_.agent_dir("desk")});
  }
  void ExpectVerified() {
    const std::string snapshot = d_.LatestSnapshot(serial_).value("id", "");
    const RunResult verified = d_.Mooring({"snapshot", "verify", snapshot}, kPatience);
    EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
  }
  std::uint64_t FileBytesSent() {
    return phones_->State(serial_).value("file_bytes_sent", std::uint64_t{0});
  }

  // The largest of the sessions that the agent's log tells of, which are so many.
  std::uint64_t PeakMemory(int sessions) {
    std::istringstream log(ReadText(d_.path() + "/agent-desk.log"));
    const std::string key = "peak_memory_bytes=";
    std::uint64_t peak = 0;
    int seen = 0;
    for (std::string line; std::getline(log, line);) {
      const std::size_t at = line.find(key);
      if (at == std::string::npos) continue;
      peak = std::max<std::uint64_t>(peak, std::stoull(line.substr(at + key.size())));
      ++seen;
    }
    EXPECT_EQ(seen, sessions);
    RecordProperty("session_peak_memory_bytes", std::to_string(peak));
    return peak;
  }

  Deployment d_;
  std::unique_ptr<AndroidPhones> phones_;
  std::string serial_;
};

TEST_F(LargePhoneTest, AFileOfSixGigabytes) {
  Plug({"--phones", "1", "--seed", "91", "--files", "20", "--bytes", "4M", "--big-file", "6G"});
  ExpectBackup();
  EXPECT_GT(FileBytesSent(), std::uint64_t{6} << 30);
  EXPECT_GT(std::stoull(d_.LatestSnapshot(serial_).value("logical_bytes", "0")),
            std::uint64_t{6} << 30);
  ExpectVerified();

  const std::string spare = phones_->ControlJson({"add", "empty"}).value("serial", "");
  d_.AwaitDevice(spare);
  const RunResult restored = d_.Restore(serial_, spare, "latest", kPatience);
  EXPECT_EQ(restored.exit_code, 0) << restored.out << restored.err;
  EXPECT_EQ(phones_->Content(spare), phones_->Content(serial_));
  EXPECT_LE(PeakMemory(2), kSessionMemoryMax);
}

TEST_F(LargePhoneTest, TwoHundredThousandSmallFiles) {
  Plug({"--phones", "1", "--seed", "92", "--files", "200000", "--bytes", "600M"});
  ExpectBackup();
  EXPECT_GT(FileBytesSent(), 500'000'000U);
  EXPECT_GT(std::stoull(d_.LatestSnapshot(serial_).value("file_count", "0")), 190'000U);
  const std::string first = d_.LatestSnapshot(serial_).value("id", "-");
  ExpectVerified();

  const std::uint64_t before = FileBytesSent();
  ExpectBackup();
  EXPECT_EQ(d_.LatestSnapshot(serial_).value("parent_id", ""), first);
  // What the file service says of the volumes, and nothing of any file.
  EXPECT_LT(FileBytesSent() - before, 1000U);
  ExpectVerified();
  EXPECT_LE(PeakMemory(2), kSessionMemoryMax);
}

}  // namespace
}  // namespace mooring::testing
