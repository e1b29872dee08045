#include <absl/time/clock.h>
#include <gmock/gmock.h>

#include "storage/base/status.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/server_store.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kLong = absl::Minutes(10);

class PgServerStoreTest : public testing::PostgresTest {
 protected:
  void SetUp() override {
    PostgresTest::SetUp();
    agent_ = AddAgent(1);
    for (const ServerId& server : {a_, b_}) {
      ASSERT_TRUE(Run([&](ServerStore& servers) {
                    return servers.Beat({.id = server,
                                         .name = server == a_ ? "a" : "b",
                                         .agents = "host:1",
                                         .enrollment = "host:2",
                                         .version = "1",
                                         .heard_at = {},
                                         .is_alive = false},
                                        kLong);
                  }).ok());
    }
  }

  absl::Status Run(absl::FunctionRef<absl::Status(ServerStore&)> body) {
    return catalog().Run(ctx(), [&](Transaction& tx) { return body(tx.servers()); });
  }
  AgentId AddAgent(std::uint8_t number) {
    AgentRecord agent;
    agent.id = AgentId::Make(random());
    agent.hostname = "desk";
    agent.hpke_public_key = Bytes(32, std::byte{number});
    agent.key_hash = Bytes(32, std::byte{number});
    agent.certificate_expires_at = clock().Now();
    agent.enrolled_at = clock().Now();
    EXPECT_TRUE(
        catalog().Run(ctx(), [&](Transaction& tx) { return tx.agents().Create(agent); }).ok());
    return agent.id;
  }
  std::vector<AgentPlace> Places() {
    std::vector<AgentPlace> places;
    EXPECT_TRUE(Run([&](ServerStore& servers) -> absl::Status {
                  MOORING_ASSIGN_OR_RETURN(places, servers.Places());
                  return absl::OkStatus();
                }).ok());
    return places;
  }
  bool Unplace(const ServerId& server, std::uint64_t connection) {
    bool was_placed = false;
    EXPECT_TRUE(Run([&](ServerStore& servers) -> absl::Status {
                  MOORING_ASSIGN_OR_RETURN(was_placed, servers.Unplace(agent_, server, connection));
                  return absl::OkStatus();
                }).ok());
    return was_placed;
  }
  std::vector<std::string> Take(const ServerId& server, absl::Duration age_max) {
    std::vector<std::string> taken;
    EXPECT_TRUE(Run([&](ServerStore& servers) -> absl::Status {
                  taken.clear();
                  MOORING_ASSIGN_OR_RETURN(const auto orders,
                                           servers.TakeOrders(server, age_max, 10));
                  for (const ServerOrder& order : orders) taken.push_back(ToString(order.message));
                  return absl::OkStatus();
                }).ok());
    return taken;
  }
  absl::Status Post(const ServerId& to, std::string_view text) {
    return Run([&](ServerStore& servers) {
      return servers.PostOrder(to, {.agent = agent_, .message = ToBytes(text)});
    });
  }

  SystemRandom system_random_;
  const ServerId a_ = ServerId::Make(system_random_);
  const ServerId b_ = ServerId::Make(system_random_);
  AgentId agent_;
};

TEST_F(PgServerStoreTest, AServerIsAliveForAsLongAsItsLastBeatSays) {
  const auto alive = [&] {
    std::vector<bool> result;
    EXPECT_TRUE(Run([&](ServerStore& servers) -> absl::Status {
                  result.clear();
                  MOORING_ASSIGN_OR_RETURN(const auto list, servers.List());
                  for (const ServerRecord& server : list) result.push_back(server.is_alive);
                  return absl::OkStatus();
                }).ok());
    return result;
  };
  EXPECT_THAT(alive(), ElementsAre(true, true));
  ASSERT_TRUE(Run([&](ServerStore& servers) { return servers.Leave(b_); }).ok());
  EXPECT_THAT(alive(), ElementsAre(true, false));
  ASSERT_TRUE(Run([&](ServerStore& servers) { return servers.Forget(kLong); }).ok());
  EXPECT_THAT(alive(), ElementsAre(true, false));
  absl::SleepFor(absl::Milliseconds(20));
  ASSERT_TRUE(
      Run([&](ServerStore& servers) { return servers.Forget(absl::Milliseconds(1)); }).ok());
  EXPECT_THAT(alive(), IsEmpty());
}

TEST_F(PgServerStoreTest, AnAgentIsWhereItWasPlacedLast) {
  const auto place = [&](const ServerId& server, std::uint64_t connection) {
    return Run([&](ServerStore& servers) { return servers.Place(agent_, server, connection); });
  };
  ASSERT_TRUE(place(a_, 1).ok());
  ASSERT_TRUE(place(b_, 1).ok());
  EXPECT_FALSE(Unplace(a_, 1)) << "the end of an old stream changes nothing";
  ASSERT_TRUE(place(b_, 2).ok());
  EXPECT_FALSE(Unplace(b_, 1));
  ASSERT_EQ(Places().size(), 1U);
  EXPECT_EQ(Places()[0].server, b_);
  EXPECT_EQ(Places()[0].connection, 2U);
  EXPECT_TRUE(Places()[0].server_is_alive);
  EXPECT_FALSE(Places()[0].is_revoked);
  ASSERT_TRUE(
      catalog()
          .Run(ctx(),
               [&](Transaction& tx) { return tx.agents().Revoke(agent_, "lost", clock().Now()); })
          .ok());
  EXPECT_TRUE(Places()[0].is_revoked);
  EXPECT_TRUE(Unplace(b_, 2));
  EXPECT_THAT(Places(), IsEmpty());
}

TEST_F(PgServerStoreTest, AServerThatLeavesHasNoAgents) {
  ASSERT_TRUE(Run([&](ServerStore& servers) { return servers.Place(agent_, b_, 1); }).ok());
  ASSERT_TRUE(Run([&](ServerStore& servers) { return servers.Leave(a_); }).ok());
  EXPECT_EQ(Places().size(), 1U);
  ASSERT_TRUE(Run([&](ServerStore& servers) { return servers.Leave(b_); }).ok());
  EXPECT_THAT(Places(), IsEmpty());
}

TEST_F(PgServerStoreTest, OrdersAreTakenOnceInOrderAndNotWhenTheyAreOld) {
  ASSERT_TRUE(Post(a_, "one").ok());
  ASSERT_TRUE(Post(b_, "other").ok());
  ASSERT_TRUE(Post(a_, "two").ok());
  EXPECT_THAT(Take(a_, kLong), ElementsAre("one", "two"));
  EXPECT_THAT(Take(a_, kLong), IsEmpty());
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_THAT(Take(b_, absl::Milliseconds(1)), IsEmpty());
  EXPECT_THAT(Take(b_, kLong), IsEmpty()) << "dropped for good";
  EXPECT_TRUE(absl::IsNotFound(Post(ServerId::Make(random()), "nobody")));
}

TEST_F(PgServerStoreTest, ATurnComesOncePerPeriod) {
  const auto begins = [&](absl::Duration period) {
    bool begun = false;
    EXPECT_TRUE(Run([&](ServerStore& servers) -> absl::Status {
                  MOORING_ASSIGN_OR_RETURN(begun, servers.BeginTurn("job", period));
                  return absl::OkStatus();
                }).ok());
    return begun;
  };
  EXPECT_TRUE(begins(kLong));
  EXPECT_FALSE(begins(kLong));
  EXPECT_TRUE(begins(absl::ZeroDuration()));
}

TEST_F(PgServerStoreTest, ThereIsOneAuthority) {
  const AuthorityRecord first{.certificate = "pem", .wrapped_key = ToBytes("key")};
  ASSERT_TRUE(Run([&](ServerStore& servers) { return servers.CreateAuthority(first); }).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Run([&](ServerStore& servers) {
    return servers.CreateAuthority({.certificate = "other", .wrapped_key = {}});
  })));
  ASSERT_TRUE(Run([&](ServerStore& servers) -> absl::Status {
                MOORING_ASSIGN_OR_RETURN(const auto authority, servers.Authority());
                EXPECT_EQ(authority->certificate, "pem");
                EXPECT_EQ(authority->wrapped_key, first.wrapped_key);
                return absl::OkStatus();
              }).ok());
}

}  // namespace
}  // namespace mooring::storage
