// CareTest: a repository with a replica, and what keeps both good.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "storage/base/status.h"
#include "storage/care/catalog_export.h"
#include "storage/care/healer.h"
#include "storage/care/record_check.h"
#include "storage/care/replica.h"
#include "storage/care/scrub.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/key_store.h"
#include "storage/collection/doom_journal.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/damage.h"
#include "storage/repository/key_custody.h"
#include "tests/integration/storage/repository/repository_fixture.h"

namespace mooring::testing {

class CareTest : public RepositoryTest {
 protected:
  void SetUp() override {
    RepositoryTest::SetUp();
    if (HasFatalFailure()) return;
    storage::KeyCustody keys(catalog(), memory_, *kek_, time_, system_random_);
    auto pack_index = keys.OrganizationKey({}, storage::KeyPurpose::kPackIndexKey);
    auto organization = keys.OrganizationKey({}, storage::KeyPurpose::kOrganizationKey);
    ASSERT_TRUE(pack_index.ok() && organization.ok());
    pack_index_key_ = *std::move(pack_index);
    organization_key_ = *std::move(organization);
  }

  storage::Scrubber NewScrubber(bool with_replica) {
    return storage::Scrubber({.catalog = *faulty_catalog_,
                              .objects = store_,
                              .replica = with_replica ? &replica_store_ : nullptr,
                              .pack_index_key = pack_index_key_,
                              .clock = time_,
                              .random = system_random_},
                             {});
  }
  absl::StatusOr<storage::ScrubProgress> TryScrub(bool with_replica = false, bool all = true) {
    return NewScrubber(with_replica).Run({}, all, [](const storage::ScrubProgress&) {});
  }
  storage::ScrubProgress Scrub(bool with_replica = false, bool all = true) {
    time_.Advance(absl::Seconds(1));  // A pass covers what was scrubbed before it.
    const auto progress = TryScrub(with_replica, all);
    EXPECT_TRUE(progress.ok()) << progress.status();
    return progress.ok() ? *progress : storage::ScrubProgress();
  }

  absl::StatusOr<storage::ReplicaProgress> TrySync(bool full = false) {
    storage::ReplicaSync sync({.catalog = *faulty_catalog_,
                               .primary = store_,
                               .replica = replica_store_,
                               .pack_index_key = pack_index_key_,
                               .clock = time_},
                              0);
    return sync.Run({}, full, [](const storage::ReplicaProgress&) {});
  }
  storage::ReplicaProgress Sync(bool full = false) {
    const auto progress = TrySync(full);
    EXPECT_TRUE(progress.ok()) << progress.status();
    EXPECT_TRUE(!progress.ok() || progress->is_complete);
    return progress.ok() ? *progress : storage::ReplicaProgress();
  }

  storage::CareTotals Totals() {
    storage::CareTotals totals;
    const absl::Status read = catalog().Run({}, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(totals, tx.care().Totals());
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
    return totals;
  }
  std::vector<storage::Finding> Findings(bool with_resolved = false) {
    std::vector<storage::Finding> findings;
    const absl::Status read = catalog().Run({}, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(findings, tx.care().Findings(with_resolved, 100));
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
    return findings;
  }

  static Bytes Get(storage::MemoryObjectStore& store, const std::string& key) {
    const auto info = store.Stat({}, key);
    EXPECT_TRUE(info.ok()) << key;
    Bytes bytes(info.ok() ? info->size_bytes : 0);
    EXPECT_TRUE(bytes.empty() || store.ReadAt({}, key, 0, bytes).ok());
    return bytes;
  }
  static void Set(storage::MemoryObjectStore& store, std::string_view key, ByteView bytes) {
    store.Lose(key);
    EXPECT_TRUE(store.Put({}, key, bytes, absl::InfinitePast()).ok());
  }
  static std::vector<std::string> KeysOf(storage::ObjectStore& store, std::string_view prefix) {
    std::vector<std::string> keys;
    EXPECT_TRUE(store
                    .List({}, prefix,
                          [&keys](const storage::ObjectInfo& info) {
                            keys.push_back(info.key);
                            return absl::OkStatus();
                          })
                    .ok());
    return keys;
  }

  // A doom journal of the store, as the collector writes it.
  void PutJournal(std::uint64_t generation, std::vector<PackId> packs) {
    const Bytes journal = storage::EncodeDoomJournal(
        pack_index_key_, {.epoch = 0, .generation = generation, .packs = std::move(packs)});
    Set(memory_, storage::DoomJournalObjectKey(generation), journal);
  }

  std::uint64_t DamageOf(const v1::Receipt& receipt) {
    return SnapshotRow(SnapshotOf(receipt))->damaged_chunks;
  }

  SecretBytes pack_index_key_;
  SecretBytes organization_key_;
  storage::MemoryObjectStore replica_{time_};
  storage::FaultyObjectStore replica_store_{replica_};
};

}  // namespace mooring::testing
