// Every call to the store and every transaction of a backup fails once, in
// every way. After each: a fresh start, a retry that succeeds, earlier
// snapshots bit-exact, nothing that was acknowledged lost, nothing twice.

#include <functional>

#include "mooring/format/v1/commit_record.pb.h"
#include "storage/base/status.h"
#include "storage/catalog/key_store.h"
#include "storage/objects/object_layout.h"
#include "storage/seal/digest.h"
#include "tests/integration/storage/repository/repository_fixture.h"

namespace mooring::testing {
namespace {

using storage::BegunSession;
using storage::ObjectFault;

class RepositoryFaultTest : public RepositoryTest {
 protected:
  // One backup as an agent does it, which survives its server.
  struct Agent {
    Files files;
    Bytes begin_key;
    std::optional<BegunSession> session;
    std::optional<SealedTree> tree;
    bool commit_sent = false;
    std::optional<v1::Receipt> receipt;
  };

  Agent NewAgent(std::uint64_t number) {
    const SessionId key = SessionId::Make(system_random_);
    Agent agent;
    agent.files = Changed(files_, number);
    agent.begin_key = Bytes(key.view().begin(), key.view().end());
    return agent;
  }

  absl::Status Try(Agent& agent) {
    if (!agent.commit_sent) {
      MOORING_ASSIGN_OR_RETURN(BegunSession session,
                               repository().Begin({}, {.idempotency_key = agent.begin_key,
                                                       .device = phone_,
                                                       .agent = desk_,
                                                       .captures = {v1::CAPTURE_KIND_FULL},
                                                       .lease = absl::Hours(1)}));
      if (agent.session) {
        EXPECT_EQ(agent.session->session, session.session);
      }
      if (!agent.tree) {
        MOORING_ASSIGN_OR_RETURN(agent.tree,
                                 SealFiles(session, agent.files, time_, system_random_));
      }
      agent.session = std::move(session);
      MOORING_RETURN_IF_ERROR(UploadTree(repository(), {}, *agent.session, desk_, *agent.tree));
    }
    for (int i = 0; i < 3; ++i) {
      agent.commit_sent = true;
      MOORING_ASSIGN_OR_RETURN(const storage::CommitOutcome outcome,
                               repository().Commit({}, desk_, agent.tree->request));
      if (outcome.receipt) {
        agent.receipt = outcome.receipt;
        return absl::OkStatus();
      }
      MOORING_RETURN_IF_ERROR(UploadTree(repository(), {}, *agent.session, desk_, *agent.tree));
    }
    return absl::InternalError("asked for chunks again and again");
  }

  // Runs a backup with the n-th call failing, for each n until no call fails.
  void FailEachCall(const std::function<void(std::uint64_t n)>& inject,
                    const std::function<std::uint64_t()>& calls,
                    const std::function<void()>& heal) {
    const Files first_files = Changed(files_, 1'000'000);
    const v1::Receipt first = BackUp(phone_, desk_, first_files);
    std::optional<std::pair<v1::Receipt, Files>> previous;
    std::uint64_t n = 1;
    for (;; ++n) {
      SCOPED_TRACE("call " + std::to_string(n));
      ASSERT_LT(n, 500u);
      Agent agent = NewAgent(n);
      const std::uint64_t before = calls();
      inject(n);
      const absl::Status tried = Try(agent);
      const bool struck = calls() - before >= n;
      heal();
      Reopen();
      if (tried.ok()) {
        ExpectHolds(*agent.receipt, agent.files);
      }
      const std::optional<v1::Receipt> acknowledged = agent.receipt;
      const absl::Status again = Try(agent);
      // An agent that has its receipt does not ask; if it does, it is told the same.
      ASSERT_TRUE(again.ok()) << again << "; the failed attempt said: " << tried;
      if (acknowledged) {
        EXPECT_EQ(acknowledged->SerializeAsString(), agent.receipt->SerializeAsString());
      }
      ExpectHolds(*agent.receipt, agent.files);
      ExpectRebuildable(*agent.receipt);
      if (previous) ExpectHolds(previous->first, previous->second);
      if (HasFailure()) return;
      previous = {*agent.receipt, agent.files};
      if (!struck) break;
    }
    EXPECT_GT(n, 5u);
    ExpectHolds(first, first_files);
    // One snapshot and one record each, none twice.
    EXPECT_EQ(Keys("snapshots/").size(), n + 1);
    EXPECT_EQ(*repository().CountOrphanRecords({}), 0u);
  }

  // What a rebuild of the catalog would need: key object and commit record, whole.
  void ExpectRebuildable(const v1::Receipt& receipt) {
    const SnapshotId id = SnapshotOf(receipt);
    std::optional<storage::KeySlot> slot;
    const absl::Status read = catalog().Run({}, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(slot, tx.keys().Get(storage::KeyPurpose::kSnapshotKey, id.view()));
      return absl::OkStatus();
    });
    ASSERT_TRUE(read.ok() && slot) << read;
    EXPECT_EQ(Object(storage::SnapshotKeyObjectKey(id)), slot->wrapped);
    format::v1::CommitRecord record;
    ASSERT_TRUE(record.ParseFromString(ToString(Object(storage::CommitRecordObjectKey(id)))));
    EXPECT_EQ(record.snapshot_id(), id.bytes());
    const auto row = SnapshotRow(id);
    EXPECT_EQ(record.created_unix_us(), absl::ToUnixMicros(row->created_at));
    EXPECT_EQ(ToString(storage::Sha256(AsBytes(record.root()))), ToString(row->root_hash));
    EXPECT_EQ(record.new_bytes(), row->new_bytes);
  }

  Bytes Object(const std::string& key) {
    const absl::StatusOr<storage::ObjectInfo> info = memory_.Stat({}, key);
    EXPECT_TRUE(info.ok()) << info.status();
    if (!info.ok()) return {};
    Bytes body(info->size_bytes);
    EXPECT_TRUE(memory_.ReadAt({}, key, 0, body).ok());
    return body;
  }

  void FailEachObjectCall(ObjectFault fault) {
    FailEachCall([&](std::uint64_t n) { store_.FailCall(n, fault); },
                 [&] { return store_.calls(); }, [&] { store_.Heal(); });
  }
  void FailEachTransaction(CatalogFault fault) {
    FailEachCall([&](std::uint64_t n) { faulty_catalog_->FailCall(n, fault); },
                 [&] { return faulty_catalog_->calls(); }, [&] { faulty_catalog_->Heal(); });
  }
};

TEST_F(RepositoryFaultTest, StoreFailsBeforeItsEffect) {
  FailEachObjectCall(ObjectFault::kFailBefore);
}
TEST_F(RepositoryFaultTest, StoreFailsAfterItsEffect) {
  FailEachObjectCall(ObjectFault::kFailAfter);
}
TEST_F(RepositoryFaultTest, StoreKeepsHalfAndSaysOk) {
  FailEachObjectCall(ObjectFault::kShortStore);
}
TEST_F(RepositoryFaultTest, StoreGivesAWrongByteBack) {
  FailEachObjectCall(ObjectFault::kFlipByte);
}
TEST_F(RepositoryFaultTest, CatalogIsNotThere) {
  FailEachTransaction(CatalogFault::kUnavailable);
}
TEST_F(RepositoryFaultTest, CatalogGoesBeforeTheCommit) {
  FailEachTransaction(CatalogFault::kGoneAfterBody);
}
TEST_F(RepositoryFaultTest, CatalogCommittedButTheAnswerIsLost) {
  FailEachTransaction(CatalogFault::kInDoubtDone);
}
TEST_F(RepositoryFaultTest, CatalogDidNotCommitAndTheAnswerIsLost) {
  FailEachTransaction(CatalogFault::kInDoubtNotDone);
}
TEST_F(RepositoryFaultTest, TheServerDiesAtEachTransaction) {
  FailEachCall([&](std::uint64_t n) { faulty_catalog_->FailFrom(n); },
               [&] { return faulty_catalog_->calls(); }, [&] { faulty_catalog_->Heal(); });
}

TEST_F(RepositoryFaultTest, ADeletionThatIsInterruptedAnywhereIsCompleted) {
  const Files kept_files = Changed(files_, 77);
  const v1::Receipt kept = BackUp(phone_, desk_, kept_files);
  for (const bool in_store : {true, false}) {
    for (std::uint64_t n = 1;; ++n) {
      SCOPED_TRACE((in_store ? "store call " : "transaction ") + std::to_string(n));
      const v1::Receipt receipt = BackUp(phone_, desk_, files_);
      const SnapshotId id = SnapshotOf(receipt);
      const std::uint64_t before = in_store ? store_.calls() : faulty_catalog_->calls();
      if (in_store) {
        store_.FailCall(n, n % 2 == 0 ? ObjectFault::kFailBefore : ObjectFault::kFailAfter);
      } else {
        faulty_catalog_->FailCall(
            n, n % 2 == 0 ? CatalogFault::kInDoubtNotDone : CatalogFault::kUnavailable);
      }
      const absl::Status deleted = repository().Delete({}, id, "account:root", "a test");
      const std::uint64_t calls = (in_store ? store_.calls() : faulty_catalog_->calls()) - before;
      store_.Heal();
      faulty_catalog_->Heal();
      const bool is_certain = !Keys("snapshots/" + id.hex() + ".gone").empty();
      Reopen();
      if (deleted.ok() || is_certain) {
        EXPECT_TRUE(SnapshotRow(id)->deleted_at);
        EXPECT_TRUE(Keys("keys/snapshot/" + id.hex()).empty());
        EXPECT_TRUE(absl::IsNotFound(repository().OpenSnapshot({}, id).status()));
      } else {
        ExpectHolds(receipt, files_);
        EXPECT_TRUE(repository().Delete({}, id, "account:root", "a test").ok());
      }
      ExpectHolds(kept, kept_files);
      if (calls < n || HasFailure()) break;
    }
  }
}

// Its chunks may have been found and committed, before a failover undid its row.
TEST_F(RepositoryFaultTest, APackThatMayHaveBeenEnteredIsLeftToTheSweep) {
  Agent agent = NewAgent(9);
  agent.session = *repository().Begin({}, {.idempotency_key = agent.begin_key,
                                           .device = phone_,
                                           .agent = desk_,
                                           .captures = {v1::CAPTURE_KIND_FULL},
                                           .lease = absl::Hours(1)});
  agent.tree = *SealFiles(*agent.session, agent.files, time_, system_random_);
  const auto& chunk = agent.tree->chunks.front();
  const auto put_and_fail = [&](const std::function<void()>& inject) {
    auto upload = *repository().Upload({}, agent.session->session, desk_);
    EXPECT_TRUE(upload->Put({}, chunk.domain, chunk.chunk.bytes).ok());
    inject();
    EXPECT_FALSE(upload->Close({}).ok());
    store_.Heal();
    faulty_catalog_->Heal();
    return Keys("packs/").size();
  };
  EXPECT_EQ(put_and_fail([&] { store_.FailCall(1, ObjectFault::kFailBefore); }), 0u);
  EXPECT_EQ(put_and_fail([&] { faulty_catalog_->FailCall(1, CatalogFault::kUnavailable); }), 1u);
  const absl::Status again = Try(agent);
  ASSERT_TRUE(again.ok()) << again;
  ExpectHolds(*agent.receipt, agent.files);
}

TEST_F(RepositoryFaultTest, AFullStoreInTheMiddleOfAPackLosesNothing) {
  const v1::Receipt first = BackUp(phone_, desk_, files_);
  const std::size_t packs = Keys("packs/").size();
  Agent agent = NewAgent(5);
  store_.LimitSpace(50'000);
  const absl::Status full = Try(agent);
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_EQ(Keys("packs/").size(), packs);
  ExpectHolds(first, files_);
  // Deletion works on a full store (its tombstone is small).
  store_.LimitSpace(1000);
  const v1::Receipt other = first;
  EXPECT_TRUE(repository().Delete({}, SnapshotOf(other), "account:root", "room").ok());
  store_.Heal();
  const absl::Status again = Try(agent);
  ASSERT_TRUE(again.ok()) << again;
  ExpectHolds(*agent.receipt, agent.files);
}

TEST_F(RepositoryFaultTest, RandomFaultsNeverLoseAnAcknowledgedSnapshot) {
  SeededRandom faults(20261123);
  std::vector<std::pair<v1::Receipt, Files>> acknowledged;
  for (std::uint64_t i = 0; i < 25; ++i) {
    Agent agent = NewAgent(i);
    for (int attempt = 0; attempt < 60 && !agent.receipt; ++attempt) {
      store_.FailAtRandom(faults, attempt < 50 ? 80 : 0);
      Try(agent).IgnoreError();
      store_.Heal();
      if (attempt % 3 == 2) Reopen();
    }
    ASSERT_TRUE(agent.receipt) << "no attempt succeeded";
    acknowledged.emplace_back(*agent.receipt, agent.files);
  }
  Reopen();
  for (const auto& [receipt, files] : acknowledged) ExpectHolds(receipt, files);
}

}  // namespace
}  // namespace mooring::testing
