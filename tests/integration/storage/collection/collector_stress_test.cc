// Rounds without any delay against sessions that upload, commit and delete the
// same chunks, all at once.

#include <atomic>
#include <thread>

#include "tests/integration/storage/collection/collector_fixture.h"

namespace mooring::testing {
namespace {

class CollectorStressTest : public CollectorTest {
 protected:
  struct Kept {
    v1::Receipt receipt;
    Files files;
  };

  // Backs up, checks what it was promised, deletes some of it, again and again.
  void Churn(std::uint64_t worker, const DeviceId& device, int rounds, std::vector<Kept>& kept) {
    SeededRandom dice(worker);
    int committed = 0;
    for (int attempt = 0; committed < rounds && attempt < rounds * 20; ++attempt) {
      // Few contents, so that all workers meet at the same chunks.
      Files files = FilesOf(dice.Below(3));
      files["full/00/b"] = SyntheticContent(9000 + dice.Below(3), 100'000);
      BackupOptions options;
      options.device = device;
      options.agent = desk_;
      const absl::StatusOr<v1::Receipt> receipt =
          Backup(repository(), {}, options, files, time_, system_random_);
      // A chunk that went meanwhile is asked for again, three times at most here.
      if (!receipt.ok()) continue;
      ++committed;
      ExpectWhole(*receipt, files);
      kept.push_back({*receipt, files});
      if (kept.size() > 2) {
        const std::size_t victim = dice.Below(kept.size());
        Delete(kept[victim].receipt);
        kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(victim));
      }
    }
    EXPECT_EQ(committed, rounds);
  }
};

TEST_F(CollectorStressTest, NothingThatASnapshotNeedsEverGoes) {
  options_ = AtOnce();
  constexpr int kWorkers = 6;
  constexpr int kRounds = 12;
  std::vector<DeviceId> devices;
  for (int i = 0; i < kWorkers; ++i) {
    devices.push_back(AddDevice("WORKER-" + std::to_string(i), desk_, alice_));
  }
  std::vector<std::vector<Kept>> kept(kWorkers);
  std::atomic<bool> done = false;
  std::atomic<int> complete_rounds = 0;
  std::atomic<std::uint64_t> removed = 0;
  {
    // Two collectors, as if a lease had been lost.
    std::vector<std::jthread> collectors;
    for (int i = 0; i < 2; ++i) {
      collectors.emplace_back([&] {
        while (!done) {
          const absl::StatusOr<v1::CollectionReport> report = TryCollect();
          const absl::Status& status = report.status();
          EXPECT_FALSE(absl::IsDataLoss(status)) << status;
          EXPECT_TRUE(status.ok() || absl::IsFailedPrecondition(status)) << status;
          if (!report.ok()) continue;
          ++complete_rounds;
          removed += report->packs_removed().objects();
        }
      });
    }
    std::vector<std::jthread> workers;
    for (std::size_t i = 0; i < devices.size(); ++i) {
      workers.emplace_back([&, i] { Churn(i + 1, devices[i], kRounds, kept[i]); });
    }
    workers.clear();
    done = true;
  }
  EXPECT_TRUE(State().stop_reason.empty()) << State().stop_reason;
  for (int i = 0; i < 3; ++i) CollectAfter(absl::Minutes(1));
  EXPECT_GT(complete_rounds, 0);
  EXPECT_GT(removed, 0u);  // While they were at it.
  for (const std::vector<Kept>& of_worker : kept) {
    for (const Kept& snapshot : of_worker) ExpectWhole(snapshot.receipt, snapshot.files);
  }
  EXPECT_EQ(Totals().lost.count, 0u);
  ExpectAddsUp();
}

}  // namespace
}  // namespace mooring::testing
