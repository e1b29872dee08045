#include "storage/retention/pause.h"

#include <gtest/gtest.h>

#include "tests/unit/storage/retention/test_facts.h"

namespace mooring::storage {
namespace {

class PauseTest : public ::testing::Test {
 protected:
  // A session that makes one capture and carries the other over.
  v1::SnapshotFacts& Take(v1::CaptureKind kind, std::uint64_t files, std::uint64_t bytes) {
    const auto number = static_cast<std::uint64_t>(input_.snapshots_size() + 1);
    const absl::Time at = absl::FromUnixSeconds(1'790'000'000) + number * absl::Hours(24);
    v1::SnapshotFacts snapshot = TestSnapshot(number, at);
    AddCapture(snapshot, kind, number, at);
    snapshot.mutable_captures(0)->set_file_count(files);
    snapshot.mutable_captures(0)->set_logical_bytes(bytes);
    if (input_.snapshots_size() > 0) {
      for (const v1::CaptureFacts& capture :
           input_.snapshots(input_.snapshots_size() - 1).captures()) {
        if (capture.kind() != kind) *snapshot.add_captures() = capture;
      }
    }
    return *input_.add_snapshots() = snapshot;
  }
  void Full(std::uint64_t files, std::uint64_t bytes) { Take(v1::CAPTURE_KIND_FULL, files, bytes); }
  std::vector<v1::PruningPause> Pauses() { return JudgePauses(input_.snapshots(), memories_); }

  v1::RetentionInput input_;
  PauseMemories memories_;
};

TEST_F(PauseTest, GrowthAndSmallLossesAreNormal) {
  EXPECT_TRUE(Pauses().empty());
  for (const std::uint64_t files : {10, 400, 390, 1000, 500, 5000}) Full(files, files * 1000);
  Full(250, 5'000'000);  // Half of the median of the last five, 400 to 5000, is 250.
  EXPECT_TRUE(Pauses().empty());
}

TEST_F(PauseTest, FewerThanHalfOfTheUsualFilesPauses) {
  for (int i = 0; i < 3; ++i) Full(1000, 1'000'000);
  Full(499, 1'000'000);
  const auto pauses = Pauses();
  ASSERT_EQ(pauses.size(), 1u);
  EXPECT_EQ(pauses[0].cause(), v1::PAUSE_CAUSE_SHRUNK);
  EXPECT_EQ(pauses[0].snapshot_id(), TestId('s', 4));
  EXPECT_EQ(pauses[0].detail(), "full has 499 files, where 1000 were usual");
  EXPECT_EQ(pauses[0].normal_since(), 0u);
}

TEST_F(PauseTest, FewerThanHalfOfTheUsualBytesPauses) {
  Full(1000, 1'000'000);
  Full(1000, 499'999);
  ASSERT_EQ(Pauses().size(), 1u);
  EXPECT_EQ(Pauses()[0].detail(), "full has 499999 bytes, where 1000000 were usual");
}

TEST_F(PauseTest, OneOutlierUpwardsDoesNotMakeTheNextOnesShrink) {
  for (int i = 0; i < 4; ++i) Full(1000, 1'000'000);
  Full(1'000'000, 1'000'000'000);
  Full(1000, 1'000'000);
  EXPECT_TRUE(Pauses().empty());
}

TEST_F(PauseTest, ThreeNormalOnesInARowEndIt) {
  for (int i = 0; i < 3; ++i) Full(1000, 1'000'000);
  Full(10, 10'000);
  Full(1000, 1'000'000);
  Full(1000, 1'000'000);
  ASSERT_EQ(Pauses().size(), 1u);
  EXPECT_EQ(Pauses()[0].normal_since(), 2u);
  Full(10, 10'000);
  ASSERT_EQ(Pauses().size(), 1u);
  EXPECT_EQ(Pauses()[0].normal_since(), 0u);
  EXPECT_EQ(Pauses()[0].snapshot_id(), TestId('s', 4)) << "the pause is still the first one's";
  for (int i = 0; i < 3; ++i) Full(900, 900'000);
  EXPECT_TRUE(Pauses().empty());
}

TEST_F(PauseTest, APersonAcceptsTheNewNormal) {
  for (int i = 0; i < 3; ++i) Full(1000, 1'000'000);
  Full(10, 10'000);
  memories_[1].accepted = 3;
  EXPECT_EQ(Pauses().size(), 1u) << "accepted before it came";
  memories_[1].accepted = 4;
  EXPECT_TRUE(Pauses().empty());
  Full(9, 9000);
  EXPECT_TRUE(Pauses().empty()) << "held against the accepted one";
  Full(2, 2000);
  EXPECT_EQ(Pauses().size(), 1u);
}

TEST_F(PauseTest, WhatThePrunerSettledStaysSettledAndIsNoNewNormal) {
  Full(1000, 1'000'000);
  Full(10, 10'000);
  for (int i = 0; i < 3; ++i) Full(1000, 1'000'000);
  EXPECT_TRUE(Pauses().empty());
  // Two of the three that ended it are pruned.
  input_.mutable_snapshots()->DeleteSubrange(2, 2);
  EXPECT_EQ(Pauses().size(), 1u);
  memories_[1].settled = 5;
  EXPECT_TRUE(Pauses().empty());
  Take(v1::CAPTURE_KIND_FULL, 10, 10'000).set_sequence(6);
  EXPECT_EQ(Pauses().size(), 1u);
}

TEST_F(PauseTest, EachCaptureIsWatchedByItself) {
  Full(1000, 1'000'000);
  Take(v1::CAPTURE_KIND_PHOTOS, 300, 300'000);
  EXPECT_TRUE(Pauses().empty()) << "photos are fewer than everything";
  Take(v1::CAPTURE_KIND_PHOTOS, 3, 3000);
  ASSERT_EQ(Pauses().size(), 1u);
  EXPECT_EQ(Pauses()[0].capture(), v1::CAPTURE_KIND_PHOTOS);
  for (int i = 0; i < 3; ++i) Full(1000, 1'000'000);
  EXPECT_EQ(Pauses().size(), 1u) << "full captures say nothing of photos";
  for (int i = 0; i < 3; ++i) Take(v1::CAPTURE_KIND_PHOTOS, 300, 300'000);
  EXPECT_TRUE(Pauses().empty());
}

TEST_F(PauseTest, ACategoryThatCannotBeReadAnyMorePauses) {
  const auto with = [this](const std::vector<std::string>& available) {
    v1::SnapshotFacts& snapshot = Take(v1::CAPTURE_KIND_FULL, 1000, 1'000'000);
    for (const std::string& name : available) snapshot.add_available(name);
  };
  with({"contacts"});
  with({"contacts", "sms"});
  with({});  // Says nothing.
  EXPECT_TRUE(Pauses().empty());
  with({"contacts", "calendar"});
  ASSERT_EQ(Pauses().size(), 1u);
  EXPECT_EQ(Pauses()[0].cause(), v1::PAUSE_CAUSE_LOST_CATEGORIES);
  EXPECT_EQ(Pauses()[0].detail(), "full lost sms");
  memories_[1].accepted = 4;
  with({"contacts", "calendar"});
  EXPECT_TRUE(Pauses().empty());
}

TEST_F(PauseTest, AnotherOwnersPhoneBeginsAnew) {
  Full(1000, 1'000'000);
  Full(10, 10'000);
  input_.mutable_snapshots(1)->set_lineage(2);
  EXPECT_TRUE(Pauses().empty());
}

}  // namespace
}  // namespace mooring::storage
