#include "server/services/agent_hub.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace mooring::server {
namespace {

class Link final : public AgentLink {
 public:
  bool Send(const v1::ControlResponse& order) override {
    sent.push_back(order);
    return true;
  }
  void Close(const absl::Status& why) override { closed = why; }

  std::vector<v1::ControlResponse> sent;
  std::optional<absl::Status> closed;
};

class AgentHubTest : public ::testing::Test {
 protected:
  AgentHubTest() {
    hub_.SetForward(
        [this](const ServerId& server, const AgentId& agent, const v1::ControlResponse&) {
          forwarded_.emplace_back(server, agent);
          return absl::OkStatus();
        });
  }
  std::uint64_t Connect(const std::shared_ptr<Link>& link) {
    const std::uint64_t connection = hub_.NewConnection();
    hub_.Connect(agent_, link, connection);
    return connection;
  }

  SeededRandom random_{3};
  const AgentId agent_ = AgentId::Make(random_);
  const ServerId other_ = ServerId::Make(random_);
  AgentHub hub_;
  std::vector<std::pair<ServerId, AgentId>> forwarded_;
};

TEST_F(AgentHubTest, AnOrderGoesToTheStreamThatIsHereAndElseToTheOtherServer) {
  EXPECT_TRUE(absl::IsUnavailable(hub_.Send(agent_, {})));
  hub_.SetElsewhere({{agent_, other_}});
  EXPECT_TRUE(hub_.IsOnline(agent_));
  EXPECT_TRUE(hub_.IsElsewhere(agent_));
  EXPECT_TRUE(hub_.Send(agent_, {}).ok());
  ASSERT_EQ(forwarded_.size(), 1U);
  EXPECT_EQ(forwarded_[0], std::pair(other_, agent_));
  EXPECT_TRUE(absl::IsUnavailable(hub_.SendHere(agent_, {})));
  const auto link = std::make_shared<Link>();
  Connect(link);
  EXPECT_FALSE(hub_.IsElsewhere(agent_)) << "a stream that is here counts more";
  EXPECT_EQ(hub_.online(), 1U);
  EXPECT_TRUE(hub_.Send(agent_, {}).ok());
  EXPECT_EQ(link->sent.size(), 1U);
  EXPECT_EQ(forwarded_.size(), 1U);
}

TEST_F(AgentHubTest, AStreamThatWasReplacedIsClosedAndSaysNothingMore) {
  const auto first = std::make_shared<Link>();
  const auto second = std::make_shared<Link>();
  const std::uint64_t before = Connect(first);
  const std::uint64_t after = Connect(second);
  EXPECT_TRUE(absl::IsAborted(first->closed.value_or(absl::OkStatus())));
  EXPECT_FALSE(hub_.Disconnect(agent_, first.get()).has_value());
  // What was decided of the old one does not end the new one.
  hub_.CloseConnection({agent_, before}, absl::PermissionDeniedError("revoked"));
  EXPECT_FALSE(second->closed.has_value());
  hub_.CloseConnection({agent_, after}, absl::PermissionDeniedError("revoked"));
  EXPECT_TRUE(second->closed.has_value());
  EXPECT_EQ(hub_.Disconnect(agent_, second.get()), after);
  EXPECT_FALSE(hub_.IsOnline(agent_));
}

}  // namespace
}  // namespace mooring::server
