#include "storage/repository/capture_times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/random.h"

namespace mooring::storage {
namespace {

class CaptureTimesTest : public ::testing::Test {
 protected:
  CaptureTimesTest() {
    session_.id = SessionId::Make(random_);
    session_.started_at = now_ - absl::Minutes(10);
  }

  v1::Capture Capture(v1::CaptureKind kind, const SessionId& session, std::int64_t started,
                      std::int64_t completed) {
    v1::Capture capture;
    capture.set_kind(kind);
    capture.set_session_id(session.bytes());
    capture.mutable_started_at()->set_seconds(started);
    capture.mutable_completed_at()->set_seconds(completed);
    return capture;
  }

  SeededRandom random_{8};
  const absl::Time now_ = absl::FromUnixSeconds(1'000'000);
  SessionRecord session_;
  v1::CommitSnapshotRequest request_;
};

TEST_F(CaptureTimesTest, AnAgentFromTheFutureIsPutOnTheServersClock) {
  *request_.add_captures() =
      Capture(v1::CAPTURE_KIND_FULL, session_.id, 99'000'000, 99'000'000 + 120);
  const auto captures = CapturesAt(request_, session_, {}, now_);
  ASSERT_EQ(captures.size(), 1u);
  EXPECT_EQ(captures[0].completed_at().seconds(), 1'000'000);
  EXPECT_EQ(captures[0].started_at().seconds(), 1'000'000 - 120);
  EXPECT_EQ(CapturedAt(captures), now_);
}

TEST_F(CaptureTimesTest, ACaptureDidNotBeginBeforeItsSession) {
  *request_.add_captures() = Capture(v1::CAPTURE_KIND_FULL, session_.id, 0, 500'000);
  EXPECT_EQ(CapturesAt(request_, session_, {}, now_)[0].started_at().seconds(),
            absl::ToUnixSeconds(session_.started_at));
}

TEST_F(CaptureTimesTest, ACarriedCaptureKeepsTheTimesOfTheBase) {
  const SessionId older = SessionId::Make(random_);
  const v1::Capture full = Capture(v1::CAPTURE_KIND_FULL, older, 100, 200);
  // The agent claims that the full capture is younger than it is.
  *request_.add_captures() = Capture(v1::CAPTURE_KIND_FULL, older, 900'000, 900'001);
  *request_.add_captures() = Capture(v1::CAPTURE_KIND_PHOTOS, session_.id, 10, 20);
  const auto carried = CarriedCaptures(request_, session_, {full});
  ASSERT_TRUE(carried.ok()) << carried.status();
  const auto captures = CapturesAt(request_, session_, *carried, now_);
  ASSERT_EQ(captures.size(), 2u);
  EXPECT_EQ(captures[0].completed_at().seconds(), 200);
  EXPECT_EQ(captures[1].completed_at().seconds(), 1'000'000);
  // Fresh photos do not make the full capture younger.
  EXPECT_EQ(CapturedAt(captures), absl::FromUnixSeconds(200));
}

TEST_F(CaptureTimesTest, ACaptureThatTheBaseDoesNotHaveIsRefused) {
  *request_.add_captures() =
      Capture(v1::CAPTURE_KIND_FULL, SessionId::Make(random_), 900'000, 900'001);
  *request_.add_captures() = Capture(v1::CAPTURE_KIND_PHOTOS, session_.id, 10, 20);
  EXPECT_EQ(CarriedCaptures(request_, session_, {}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(CaptureTimesTest, ASnapshotHasACaptureOfItsOwn) {
  const v1::Capture full = Capture(v1::CAPTURE_KIND_FULL, SessionId::Make(random_), 100, 200);
  *request_.add_captures() = full;
  EXPECT_EQ(CarriedCaptures(request_, session_, {full}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace mooring::storage
