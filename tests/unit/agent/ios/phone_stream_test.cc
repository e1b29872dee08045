#include "agent/ios/phone_stream.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "agent/device/cause.h"
#include "agent/ios/phone_failure.h"
#include "agent/ios/phone_restore.h"

namespace mooring::agent {
namespace {

class PhoneStreamTest : public ::testing::Test {
 protected:
  PhoneStreamTest() {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets_.data()), 0);
    stream_ = *SocketPhoneStream::Make(clock_, sockets_[0], absl::Seconds(20));
  }
  ~PhoneStreamTest() override {
    for (const int socket : sockets_) {
      if (socket >= 0) close(socket);
    }
  }
  void Send(std::string_view text) {
    ASSERT_EQ(write(sockets_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  void Hangup() {
    close(sockets_[1]);
    sockets_[1] = -1;
  }

  SystemClock clock_;
  std::array<int, 2> sockets_{-1, -1};
  std::unique_ptr<SocketPhoneStream> stream_;
};

TEST_F(PhoneStreamTest, APartialReadIsKeptOverAStall) {
  Send("first ");
  bool was_told = false;
  stream_->SetQuietListener([&](absl::Duration) {
    if (!was_told) Send("second");
    was_told = true;
    return absl::OkStatus();
  });
  Bytes out(12);
  ASSERT_TRUE(stream_->Read({}, out).ok());
  EXPECT_EQ(AsText(out), "first second");
  EXPECT_TRUE(was_told);
}

TEST_F(PhoneStreamTest, TheEndOfTheConnectionIsAnUnplug) {
  Send("abc");
  Hangup();
  Bytes out(4);
  EXPECT_EQ(CauseOf(stream_->Read({}, out)), v1::CAUSE_UNPLUGGED);
  EXPECT_EQ(CauseOf(stream_->Write({}, out)), v1::CAUSE_UNPLUGGED);
}

TEST_F(PhoneStreamTest, StopEndsReadAndWrite) {
  std::stop_source stop;
  OpContext ctx;
  ctx.stop = stop.get_token();
  stop.request_stop();
  Bytes out(4);
  EXPECT_EQ(CauseOf(stream_->Read(ctx, out)), v1::CAUSE_CANCELLED);
  // More than any socket buffer takes.
  EXPECT_EQ(CauseOf(stream_->Write(ctx, Bytes(std::size_t{64} << 20))), v1::CAUSE_CANCELLED);
}

TEST_F(PhoneStreamTest, SilenceHasALimit) {
  const auto impatient = SocketPhoneStream::Make(clock_, sockets_[0], absl::ZeroDuration());
  Bytes out(4);
  EXPECT_EQ(CauseOf((*impatient)->Read({}, out)), v1::CAUSE_PHONE_STALLED);
}

TEST_F(PhoneStreamTest, TheListenerMayEndTheWait) {
  stream_->SetQuietListener([](absl::Duration) { return absl::AbortedError("enough"); });
  Bytes out(4);
  EXPECT_TRUE(absl::IsAborted(stream_->Read({}, out)));
}

TEST_F(PhoneStreamTest, HasInputDoesNotWait) {
  EXPECT_FALSE(stream_->HasInput());
  Send("x");
  EXPECT_TRUE(stream_->HasInput());
}

TEST(PhoneResponseFailureTest, TakesNumbersAndNothingElseFromThePhonesText) {
  const absl::Status full = PhoneResponseFailure(
      PhoneTask::kRestore, 105, "Not enough space for secret-name.jpg: 123456789 of 99999");
  EXPECT_EQ(CauseOf(full), v1::CAUSE_PHONE_FULL);
  const std::string text(ToStdView(full.message()));
  EXPECT_NE(text.find("123456789 and 99999"), std::string::npos) << text;
  EXPECT_EQ(text.find("secret"), std::string::npos);
  EXPECT_EQ(CauseOf(PhoneResponseFailure(PhoneTask::kBackup, 105, "")), v1::CAUSE_SERVER_FULL);
  const absl::Status unread = PhoneResponseFailure(PhoneTask::kBackup, 104, "secret-name.jpg");
  EXPECT_EQ(std::string(ToStdView(unread.message())).find("secret"), std::string::npos);
}

TEST(CompareVersionsTest, ComparesNumberByNumber) {
  EXPECT_LT(CompareVersions("17.5", "17.10"), 0);
  EXPECT_EQ(CompareVersions("17", "17.0.0"), 0);
  EXPECT_GT(CompareVersions("18.0", "17.6.1"), 0);
  EXPECT_LT(CompareVersions("", "1"), 0);
}

}  // namespace
}  // namespace mooring::agent
