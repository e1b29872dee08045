#include "server/services/session_board.h"

#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace mooring::server {
namespace {

class SessionBoardTest : public ::testing::Test {
 protected:
  v1::Session New() {
    v1::Session session;
    session.set_id(SessionId::Make(random_).bytes());
    session.set_agent_id(agent_.bytes());
    session.set_serial("phone");
    session.set_state(v1::SESSION_STATE_OPEN);
    board_.Put(session);
    return session;
  }
  static SessionId IdOf(const v1::Session& session) { return *SessionId::FromBytes(session.id()); }
  std::vector<v1::Session> Changed(std::uint64_t& seen) {
    return board_.ChangedSince(seen, absl::ZeroDuration(), {});
  }

  SeededRandom random_{7};
  ManualClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  SessionBoard board_{clock_};
  const AgentId agent_ = AgentId::Make(random_);
};

TEST_F(SessionBoardTest, AWatcherSeesWhatRunsThenEveryChangeOnce) {
  const v1::Session session = New();
  std::uint64_t seen = 0;
  EXPECT_EQ(Changed(seen).size(), 1U);
  EXPECT_EQ(Changed(seen).size(), 0U);
  v1::Progress progress;
  progress.set_phase(v1::PHASE_CAPTURING);
  EXPECT_TRUE(board_.SetProgress(IdOf(session), agent_, progress));
  auto changed = Changed(seen);
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed[0].progress().phase(), v1::PHASE_CAPTURING);
  EXPECT_EQ(changed[0].progress().updated_at().seconds(), 1'800'000'000);
  board_.End(IdOf(session), v1::SESSION_STATE_ABORTED, v1::CAUSE_UNPLUGGED, "gone");
  changed = Changed(seen);
  ASSERT_EQ(changed.size(), 1U);
  EXPECT_EQ(changed[0].cause(), v1::CAUSE_UNPLUGGED);
  EXPECT_EQ(changed[0].progress().phase(), v1::PHASE_FAILED);
  EXPECT_EQ(Changed(seen).size(), 0U);
  std::uint64_t later = 0;
  EXPECT_EQ(Changed(later).size(), 0U) << "what ended before is no news";
}

TEST_F(SessionBoardTest, OfASessionThatGoesOnElsewhereNothingIsSaid) {
  const v1::Session session = New();
  std::uint64_t seen = 0;
  EXPECT_EQ(Changed(seen).size(), 1U);
  EXPECT_TRUE(board_.SetProgress(IdOf(session), agent_, {}));
  board_.Forget(IdOf(session));
  EXPECT_TRUE(board_.Running().empty());
  EXPECT_TRUE(board_.TakeUnstored().empty());
  EXPECT_EQ(Changed(seen).size(), 0U);
  EXPECT_FALSE(board_.SetProgress(IdOf(session), agent_, {}));
}

TEST_F(SessionBoardTest, OnlyTheSessionsAgentSpeaksForIt) {
  const v1::Session session = New();
  EXPECT_FALSE(board_.SetProgress(IdOf(session), AgentId::Make(random_), {}));
  EXPECT_TRUE(board_.TakeUnstored().empty());
  EXPECT_TRUE(board_.SetProgress(IdOf(session), agent_, {}));
  EXPECT_EQ(board_.TakeUnstored().size(), 1U);
  EXPECT_TRUE(board_.TakeUnstored().empty());
}

TEST_F(SessionBoardTest, CountsByPhaseAndWaitingFor) {
  v1::Progress progress;
  progress.set_phase(v1::PHASE_PREPARING);
  progress.set_waiting_for(v1::WAITING_FOR_PASSCODE);
  for (int i = 0; i < 3; ++i) board_.SetProgress(IdOf(New()), agent_, progress);
  SessionFigures figures;
  board_.Count(figures);
  const std::pair<std::string, std::string> key{"preparing", "passcode"};
  EXPECT_EQ(figures.sessions[key], 3U);
}

}  // namespace
}  // namespace mooring::server
