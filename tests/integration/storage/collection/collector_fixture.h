// CollectorTest: a repository with a collector whose clocks a test moves.

#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/collection_store.h"
#include "storage/collection/collector.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/key_custody.h"
#include "tests/integration/storage/repository/repository_fixture.h"

namespace mooring::testing {

// PostgreSQL's clock, had it been moved along with the server's.
class FollowingClock final : public storage::DatabaseClock {
 public:
  explicit FollowingClock(Clock& clock) : clock_(clock) {}
  absl::StatusOr<absl::Time> Now(const OpContext&) override { return clock_.Now() + ahead; }

  absl::Duration ahead = absl::ZeroDuration();

 private:
  Clock& clock_;
};

class CollectorTest : public RepositoryTest {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    if (HasFatalFailure()) return;
    storage::KeyCustody custody(catalog(), memory_, *kek_, time_, system_random_);
    auto key = custody.OrganizationKey({}, storage::KeyPurpose::kPackIndexKey);
    ASSERT_TRUE(key.ok()) << key.status();
    pack_index_key_ = *std::move(key);
    parts_ = MakeParts();
  }

  std::unique_ptr<storage::CollectionParts> MakeParts() {
    return std::unique_ptr<storage::CollectionParts>(new storage::CollectionParts{
        *faulty_catalog_, store_, time_, system_random_, pack_index_key_, database_clock_});
  }

  // Everything as soon as it may be.
  static storage::CollectionOptions AtOnce() {
    storage::CollectionOptions options;
    options.pack_age_min = absl::ZeroDuration();
    options.condemned_for = absl::ZeroDuration();
    options.marks_min = 0;
    options.doomed_for = absl::ZeroDuration();
    options.orphan_age_min = absl::ZeroDuration();
    return options;
  }
  static storage::CollectionOptions WithoutCompaction(storage::CollectionOptions options) {
    options.compact_below_percent = 0;
    options.small_pack_bytes = 0;
    return options;
  }

  absl::StatusOr<v1::CollectionReport> TryCollect() {
    return storage::Collector(*parts_, options_)
        .Collect({}, run_, [](std::string_view, std::uint64_t, std::uint64_t) {});
  }
  v1::CollectionReport Collect() {
    absl::StatusOr<v1::CollectionReport> report = TryCollect();
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *std::move(report) : v1::CollectionReport();
  }
  v1::CollectionReport Plan() {
    absl::StatusOr<v1::CollectionReport> report =
        storage::Collector(*parts_, options_)
            .Plan({}, [](std::string_view, std::uint64_t, std::uint64_t) {});
    EXPECT_TRUE(report.ok()) << report.status();
    return report.ok() ? *std::move(report) : v1::CollectionReport();
  }
  v1::CollectionReport CollectAfter(absl::Duration time) {
    time_.Advance(time);
    return Collect();
  }
  absl::Status ClearStop() {
    return storage::Collector(*parts_, options_).ClearStop({}, "account:root", "looked at it");
  }

  void Delete(const v1::Receipt& receipt) {
    const absl::Status deleted =
        repository().Delete({}, SnapshotOf(receipt), "account:root", "a test");
    EXPECT_TRUE(deleted.ok()) << deleted;
  }
  // Every chunk of the snapshot is there and hashes to its id.
  void ExpectWhole(const v1::Receipt& receipt, const Files& files) {
    const auto verified =
        repository().Verify({}, SnapshotOf(receipt), [](const storage::VerifyResult&) {});
    ASSERT_TRUE(verified.ok()) << verified.status();
    EXPECT_TRUE(verified->damaged.empty());
    EXPECT_EQ(verified->chunks_checked, verified->chunks_total);
    ExpectHolds(receipt, files);
  }
  // Accounting closes: every byte of the store is for something.
  void ExpectAddsUp() {
    const v1::CollectionReport plan = Plan();
    EXPECT_TRUE(plan.stock().adds_up()) << plan.stock().DebugString();
    EXPECT_EQ(plan.notes_size(), 0) << plan.notes(0);
  }

  template <typename T, typename Body>
  T Read(Body body) {
    T value{};
    const absl::Status read = catalog().Run({}, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(value, body(tx));
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
    return value;
  }
  storage::CollectionState State() {
    return Read<storage::CollectionState>(
        [](storage::Transaction& tx) { return tx.collection().Get(); });
  }
  storage::ChunkTotals Totals() {
    return Read<storage::ChunkTotals>(
        [](storage::Transaction& tx) { return tx.chunks().Totals(); });
  }
  std::vector<storage::PackRecord> Packs(storage::PackState state) {
    return Read<std::vector<storage::PackRecord>>(
        [&](storage::Transaction& tx) { return tx.packs().List(state); });
  }
  // Files that share nothing with those of another number.
  static Files FilesOf(std::uint64_t number) {
    return {{"full/00/a" + std::to_string(number), SyntheticContent(number * 2 + 5000, 150'000)},
            {"apps/b/base.apk", SyntheticContent(number * 2 + 5001, 70'000)}};
  }

  SecretBytes pack_index_key_;
  FollowingClock database_clock_{time_};
  std::unique_ptr<storage::CollectionParts> parts_;
  storage::CollectionOptions options_;
  storage::RunOptions run_;
};

}  // namespace mooring::testing
