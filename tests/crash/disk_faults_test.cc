// Faults of the disk under the shipped server: rows 9 to 14 of the fault matrix.

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/catalog/sql.h"
#include "tests/crash/fault_world.h"

namespace mooring::testing {
namespace {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

class DiskFaults : public FaultWorld {
 protected:
  // False, and the test is skipped, where there can be none.
  bool MakeDisk(const std::string& kind, std::uint64_t bytes,
                const std::vector<std::string>& mkfs_words = {}) {
    auto disk = LoopDisk::Make(kind, bytes, mkfs_words);
    if (disk.ok()) disk_ = *std::move(disk);
    return disk_ != nullptr;
  }
  void TearDown() override {
    FaultWorld::TearDown();
    disk_.reset();
  }
  // Backups go until one fails. What it said.
  absl::Status BackUpUntilItFails() {
    absl::Status status;
    for (int i = 0; i < 50 && status.ok(); ++i) status = world_->BackUp(0);
    return status;
  }

  std::unique_ptr<LoopDisk> disk_;
};

// Row 9.
TEST_F(DiskFaults, AnFsyncThatFailsOnceIsNotAcknowledgedAndNotTriedAgain) {
  SetUpWorld(1);
  Arm("sync@staging:1:eio");
  EXPECT_FALSE(world_->BackUp(0).ok());
  EXPECT_EQ(board_->acted(), 1U);
  // Another file, on the same server.
  EXPECT_TRUE(world_->BackUpUntilDone(0).ok());
  EXPECT_TRUE(server_->running());
  CheckEverything();
}

// Row 9.
TEST_F(DiskFaults, AfterAFailedFsyncOfADirectoryItReadsAndTheNextStartWrites) {
  SetUpWorld(1);
  Arm("sync-dir@packs:1:eio");
  EXPECT_FALSE(world_->BackUp(0).ok());
  EXPECT_FALSE(world_->BackUp(0).ok());
  EXPECT_EQ(board_->acted(), 1U);
  EXPECT_TRUE(world_->Check(false).ok());
  Restart();
  CheckEverything();
}

// Row 10.
TEST_F(DiskFaults, AReadThatFailsGivesNoWrongByteAndCondemnsNothing) {
  SetUpWorld(1);
  ASSERT_TRUE(world_->BackUp(0).ok());
  Arm("read@packs:1:eio-forever");
  const absl::Status restored = world_->Check(true);
  EXPECT_FALSE(restored.ok());
  EXPECT_GT(board_->acted(), 0U);
  board_->Disarm();
  CheckEverything();
}

// Row 11.
TEST_F(DiskFaults, AFullDiskRefusesCleanlyCollectsAndGoesOn) {
  if (!MakeDisk("tmpfs", 64 * kMiB)) GTEST_SKIP() << "no tmpfs can be mounted here";
  SetUpWorld(2, {.repository = disk_->path() + "/repository",
                 .configuration = "limits:\n  store_reserve_bytes: 1\n"});
  {
    Filler filler(disk_->path(), Filler::With::kBytes);
    EXPECT_FALSE(BackUpUntilItFails().ok());
    EXPECT_TRUE(server_->running());
    EXPECT_TRUE(world_->Check(false).ok());
  }
  const absl::Status collected = world_->Collect();
  EXPECT_TRUE(collected.ok()) << collected;
  EXPECT_TRUE(world_->BackUpUntilDone(0).ok());
  CheckEverything();
}

// Row 12.
TEST_F(DiskFaults, APostgresqlWithoutRoomForItsLogAcknowledgesNothingAndComesBack) {
  if (!MakeDisk("tmpfs", 192 * kMiB)) GTEST_SKIP() << "no tmpfs can be mounted here";
  SetUpWorld(2, {.database = disk_->path() + "/postgres"});
  {
    Filler filler(disk_->path(), Filler::With::kBytes);
    // The segments that there are could last for long.
    for (int i = 0; i < 64; ++i) {
      const auto sql = storage::SqlSession::Connect(postgres_->url());
      if (!sql.ok()) break;
      if (!(*sql)
               ->ExecScript("CREATE TABLE IF NOT EXISTS ballast (x int);"
                            "INSERT INTO ballast VALUES (1); SELECT pg_switch_wal()")
               .ok()) {
        break;
      }
    }
    EXPECT_FALSE(BackUpUntilItFails().ok());
    EXPECT_TRUE(server_->running());
  }
  EXPECT_TRUE(world_->BackUpUntilDone(0).ok());
  CheckEverything();
}

// Row 13.
TEST_F(DiskFaults, ADiskWithoutInodesRefusesCleanlyAndGoesOn) {
  if (!MakeDisk("ext4", 64 * kMiB, {"-N", "2048"})) GTEST_SKIP() << "no loop devices here";
  SetUpWorld(1, {.repository = disk_->path() + "/repository",
                 .configuration = "limits:\n  store_reserve_bytes: 1\n"});
  {
    Filler filler(disk_->path(), Filler::With::kInodes);
    EXPECT_FALSE(BackUpUntilItFails().ok());
    EXPECT_TRUE(server_->running());
    EXPECT_TRUE(world_->Check(false).ok());
  }
  EXPECT_TRUE(world_->BackUpUntilDone(0).ok());
  CheckEverything();
}

// Row 14.
TEST_F(DiskFaults, ADiskThatTurnsReadOnlyIsReadAndNothingElse) {
  if (!MakeDisk("ext4", 64 * kMiB)) GTEST_SKIP() << "no loop devices here";
  SetUpWorld(1, {.repository = disk_->path() + "/repository",
                 .configuration = "limits:\n  store_reserve_bytes: 1\n"});
  ASSERT_TRUE(disk_->Remount("ro").ok());
  EXPECT_FALSE(world_->BackUp(0).ok());
  EXPECT_TRUE(server_->running());
  const absl::Status restored = world_->Check(false);
  EXPECT_TRUE(restored.ok()) << restored;
  ASSERT_TRUE(disk_->Remount("rw").ok());
  Restart();
  CheckEverything();
}

}  // namespace
}  // namespace mooring::testing
