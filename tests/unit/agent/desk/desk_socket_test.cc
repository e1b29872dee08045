#include "agent/desk/desk_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gmock/gmock.h>

#include "storage/base/clock.h"
#include "tests/support/subprocess.h"

namespace mooring::testing {
namespace {

using session::v1::DeskRequest;
using session::v1::DeskResponse;

TEST(DeskSocketTest, CarriesARequestAndItsAnswers) {
  TempDir dir;
  const std::string path = dir.path() + "/agent.sock";
  auto server = agent::DeskServer::Start(
      path, [](const OpContext&, const DeskRequest& request, agent::DeskSend send) {
        DeskResponse response;
        for (int i = 0; i < 3; ++i) {
          response.mutable_progress()->set_message(request.backup().device());
          ASSERT_TRUE(send(response).ok());
        }
        response.mutable_finished()->set_succeeded(true);
        ASSERT_TRUE(send(response).ok());
      });
  ASSERT_TRUE(server.ok()) << server.status();
  struct stat info {};
  ASSERT_EQ(stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  for (int round = 0; round < 20; ++round) {
    DeskRequest request;
    request.mutable_backup()->set_device("phone");
    int progress = 0;
    bool finished = false;
    const absl::Status asked = agent::AskDesk(path, request, [&](const DeskResponse& response) {
      progress += response.progress().message() == "phone" ? 1 : 0;
      finished = response.has_finished();
    });
    ASSERT_TRUE(asked.ok()) << asked;
    EXPECT_EQ(progress, 3);
    EXPECT_TRUE(finished);
  }
  server->reset();
  EXPECT_TRUE(absl::IsUnavailable(agent::AskDesk(path, DeskRequest(), [](const DeskResponse&) {})));
}

TEST(DeskSocketTest, ADestructorEndsARequestThatRuns) {
  TempDir dir;
  const std::string path = dir.path() + "/agent.sock";
  auto server =
      agent::DeskServer::Start(path, [](const OpContext& ctx, const DeskRequest&, agent::DeskSend) {
        SystemClock().Sleep(absl::Hours(1), ctx.stop);
      });
  ASSERT_TRUE(server.ok());
  absl::Status asked;
  {
    std::jthread asking(
        [&] { asked = agent::AskDesk(path, DeskRequest(), [](const DeskResponse&) {}); });
    SystemClock().Sleep(absl::Milliseconds(100), {});
    server->reset();
  }
  EXPECT_FALSE(asked.ok());
}

TEST(DeskSocketTest, ASocketThatADeadAgentLeftIsTakenOver) {
  TempDir dir;
  const std::string path = dir.path() + "/agent.sock";
  for (int round = 0; round < 2; ++round) {
    auto server = agent::DeskServer::Start(
        path, [](const OpContext&, const DeskRequest&, agent::DeskSend) {});
    ASSERT_TRUE(server.ok()) << server.status();
    // As after SIGKILL: the file stays.
    ASSERT_EQ(link(path.c_str(), (path + ".kept").c_str()), 0);
    server->reset();
    ASSERT_EQ(rename((path + ".kept").c_str(), path.c_str()), 0);
  }
}

TEST(DeskSocketTest, OneAgentPerStateDirectory) {
  TempDir dir;
  auto lock = agent::StateLock::Take(dir.path());
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_TRUE(absl::IsAlreadyExists(agent::StateLock::Take(dir.path()).status()));
}

TEST(MessagePipeTest, RefusesAMessageThatIsTooLong) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  agent::MessagePipe pipe{agent::OwnedFd(pair[0])};
  const agent::OwnedFd other(pair[1]);
  const unsigned char four_gigabytes[4] = {0xff, 0xff, 0xff, 0xff};
  ASSERT_EQ(write(other.get(), four_gigabytes, 4), 4);
  DeskRequest request;
  EXPECT_TRUE(absl::IsDataLoss(pipe.Receive(request)));
}

TEST(MessagePipeTest, RefusesWhatIsNoMessage) {
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
  agent::MessagePipe pipe{agent::OwnedFd(pair[0])};
  agent::OwnedFd other(pair[1]);
  ASSERT_EQ(write(other.get(), "\x03\0\0\0\xff\xff\xff", 7), 7);
  DeskRequest request;
  EXPECT_TRUE(absl::IsDataLoss(pipe.Receive(request)));
  other = agent::OwnedFd();
  EXPECT_TRUE(absl::IsUnavailable(pipe.Receive(request)));
}

}  // namespace
}  // namespace mooring::testing
