// Drills decrypt what is stored, say what they found, and leave evidence.

#include "storage/care/drill.h"

#include <algorithm>
#include <set>

#include "tests/integration/storage/care/care_fixture.h"

namespace mooring::testing {
namespace {

using storage::DrillRecord;
using storage::DrillResult;

class DrillTest : public CareTest {
 protected:
  storage::DrillRunner NewRunner() {
    return storage::DrillRunner({.catalog = *faulty_catalog_,
                                 .repository = repository(),
                                 .clock = time_,
                                 .random = system_random_});
  }
  std::vector<DrillRecord> Drill(std::size_t count,
                                 const std::optional<DeviceId>& device = std::nullopt) {
    time_.Advance(absl::Seconds(1));
    const auto records =
        NewRunner().Run({}, count, device, "account:eve", [](const storage::DrillProgress&) {});
    EXPECT_TRUE(records.ok()) << records.status();
    return records.ok() ? *records : std::vector<DrillRecord>();
  }
  std::vector<storage::DrillView> Stored() {
    std::vector<storage::DrillView> drills;
    const absl::Status read = catalog().Run({}, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(drills, tx.drills().List(std::nullopt, 100));
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
    return drills;
  }
  std::vector<std::string> AuditActions() {
    std::vector<std::string> actions;
    const absl::Status read = catalog().Run({}, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto records, tx.AuditSince(0, 1000));
      for (const auto& record : records) actions.push_back(record.record.action);
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
    return actions;
  }
};

TEST_F(DrillTest, AWholeSnapshotPassesAndLeavesEvidence) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  const auto records = Drill(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].result, DrillResult::kPassed);
  EXPECT_EQ(records[0].file_count, files_.size());
  EXPECT_EQ(records[0].damaged_count, 0u);
  EXPECT_GT(records[0].bytes, 270'000u);
  ASSERT_EQ(Stored().size(), 1u);
  EXPECT_EQ(Stored()[0].drill.snapshot, SnapshotOf(receipt));
  EXPECT_EQ(Stored()[0].drill.requested_by, "account:eve");
  EXPECT_EQ(Stored()[0].serial, "PHONE-1");
  const auto actions = AuditActions();
  EXPECT_NE(std::find(actions.begin(), actions.end(), "snapshot.drill"), actions.end());
}

TEST_F(DrillTest, EveryBadChunkIsFound) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  const std::string pack = Keys("packs/").front();
  ASSERT_TRUE(memory_.FlipByte(pack, 70'000));
  const auto records = Drill(1);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].result, DrillResult::kFailed);
  EXPECT_EQ(records[0].damaged_count, 1u);
  EXPECT_EQ(records[0].message.find("full/"), std::string::npos) << "a path is content";
  EXPECT_EQ(DamageOf(receipt), 1u);
  ASSERT_EQ(Findings().size(), 1u);
  EXPECT_EQ(Findings()[0].kind, storage::FindingKind::kSnapshot);
  // Healed by the next backup, and shown to be.
  BackUp(phone_, desk_, files_);
  const auto healed =
      NewRunner().RunOne({}, SnapshotOf(receipt), "server", [](const storage::DrillProgress&) {});
  ASSERT_TRUE(healed.ok()) << healed.status();
  EXPECT_EQ(healed->result, DrillResult::kPassed);
  EXPECT_TRUE(Findings().empty());
}

TEST_F(DrillTest, ALostKeyOrRootFails) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  const absl::Status destroyed = catalog().Run({}, [&](storage::Transaction& tx) {
    return tx.keys().Delete(storage::KeyPurpose::kSnapshotKey, SnapshotOf(receipt).view());
  });
  ASSERT_TRUE(destroyed.ok()) << destroyed;
  EXPECT_EQ(Drill(1)[0].result, DrillResult::kFailed);
}

TEST_F(DrillTest, EachSnapshotHasItsTurn) {
  std::set<SnapshotId> all;
  for (std::uint64_t i = 0; i < 3; ++i) {
    all.insert(SnapshotOf(BackUp(phone_, desk_, Changed(files_, i))));
  }
  const SnapshotId bobs = SnapshotOf(BackUp(bobs_phone_, desk_, Changed(files_, 9)));
  EXPECT_EQ(Drill(10).size(), 4u);
  const auto only = Drill(5, bobs_phone_);
  ASSERT_EQ(only.size(), 1u);
  EXPECT_EQ(only[0].snapshot, bobs);
  EXPECT_EQ(NewRunner()
                .RunOne({}, SnapshotId::Make(system_random_), "server",
                        [](const storage::DrillProgress&) {})
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_F(DrillTest, AStoreThatIsAwaySaysNothingAboutTheSnapshot) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  SeededRandom random(1);
  store_.FailAtRandom(random, 1000);
  const auto records = Drill(1);
  store_.Heal();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].result, DrillResult::kIncomplete);
  EXPECT_EQ(DamageOf(receipt), 0u);
  EXPECT_EQ(Drill(1)[0].result, DrillResult::kPassed);
}

}  // namespace
}  // namespace mooring::testing
