// Transactions: all or nothing, the audit row included.

#pragma once

#include <atomic>
#include <thread>

#include "tests/contract/storage/catalog/catalog_contract.h"

namespace mooring::storage {

class TransactionContract : public CatalogContract {
 protected:
  AuditRecord Audited(const std::string& subject) {
    AuditRecord record;
    record.at = now_;
    record.actor = "account:anna";
    record.action = "person.create";
    record.subject = subject;
    record.detail_json = R"({"group": "default"})";
    return record;
  }
  PersonRecord Person(const std::string& handle) {
    PersonRecord record;
    record.id = NewId<PersonId>();
    record.handle = handle;
    record.created_at = now_;
    return record;
  }
  std::vector<NumberedAuditRecord> AuditLog() {
    return Must(In([](Transaction& tx) { return tx.AuditSince(0, 100); }));
  }
  std::uint64_t People() {
    return Must(In([](Transaction& tx) { return tx.people().Count(); }));
  }
};

TEST_P(TransactionContract, ChangeAndAuditRowAreKeptTogether) {
  Must(In([&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.people().Create(Person("anna")));
    return tx.Audit(Audited("anna"));
  }));

  EXPECT_EQ(People(), 1u);
  const std::vector<NumberedAuditRecord> log = AuditLog();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log[0].record.at, now_);
  EXPECT_EQ(log[0].record.actor, "account:anna");
  EXPECT_EQ(log[0].record.action, "person.create");
  EXPECT_EQ(log[0].record.subject, "anna");
  EXPECT_EQ(log[0].record.detail_json, R"({"group": "default"})");
}

TEST_P(TransactionContract, AnErrorOfTheBodyDropsChangeAndAuditRow) {
  const absl::Status status = In([&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.people().Create(Person("anna")));
    MOORING_RETURN_IF_ERROR(tx.Audit(Audited("anna")));
    return absl::PermissionDeniedError("no");
  });

  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(People(), 0u);
  EXPECT_TRUE(AuditLog().empty());
}

TEST_P(TransactionContract, AnExpectedConflictLeavesTheTransactionUsable) {
  AddPerson("anna");
  Must(In([&](Transaction& tx) -> absl::Status {
    EXPECT_EQ(tx.people().Create(Person("anna")).code(), absl::StatusCode::kAlreadyExists);
    return tx.people().Create(Person("bert"));
  }));
  EXPECT_EQ(People(), 2u);
}

TEST_P(TransactionContract, AuditRecordsComeInOrderAndFromTheOneAskedFor) {
  for (const char* subject : {"a", "b", "c"}) {
    Must(In([&](Transaction& tx) { return tx.Audit(Audited(subject)); }));
  }
  const std::vector<NumberedAuditRecord> all = AuditLog();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_LT(all[0].no, all[1].no);
  const auto rest = Must(In([&](Transaction& tx) { return tx.AuditSince(all[0].no, 1); }));
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].record.subject, "b");
}

TEST_P(TransactionContract, AbortedBodiesRunAgainABoundedNumberOfTimes) {
  int runs = 0;
  const absl::Status second_works = catalog().Run({}, [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.people().Create(Person("anna")));
    return ++runs == 2 ? absl::OkStatus() : absl::AbortedError("again");
  });
  EXPECT_TRUE(second_works.ok()) << second_works;
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(People(), 1u);

  runs = 0;
  const absl::Status never_works = catalog().Run({}, [&](Transaction&) -> absl::Status {
    ++runs;
    return absl::AbortedError("again");
  });
  EXPECT_EQ(never_works.code(), absl::StatusCode::kAborted);
  EXPECT_GT(runs, 1);
  EXPECT_LT(runs, 20);
}

TEST_P(TransactionContract, AStoppedOperationIsCancelled) {
  std::stop_source source;
  source.request_stop();
  const absl::Status status =
      catalog().Run(OpContext{absl::InfiniteFuture(), source.get_token()},
                    [](Transaction& tx) { return tx.people().Count().status(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
}

TEST_P(TransactionContract, ADeadlineThatHasPassedIsKept) {
  const absl::Status status = catalog().Run(OpContext{absl::UnixEpoch(), {}}, [](Transaction& tx) {
    return tx.people().Count().status();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_P(TransactionContract, TheRepositoryLockIsSharedOrAlone) {
  std::atomic<bool> held = false;
  std::atomic<bool> overlapped = false;
  std::jthread writer;
  Must(In([&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.LockRepositoryShared());
    // Another sharer gets it at once, or this would never end.
    MOORING_RETURN_IF_ERROR(
        catalog().Run({}, [](Transaction& other) { return other.LockRepositoryShared(); }));
    held = true;
    writer = std::jthread([&] {
      const absl::Status status = catalog().Run({}, [&](Transaction& other) -> absl::Status {
        MOORING_RETURN_IF_ERROR(other.LockRepositoryExclusive());
        overlapped = held.load();
        return absl::OkStatus();
      });
      EXPECT_TRUE(status.ok()) << status;
    });
    // Work under the lock, for the writer to come and wait.
    for (int i = 0; i < 100; ++i) MOORING_RETURN_IF_ERROR(tx.people().Count().status());
    held = false;
    return absl::OkStatus();
  }));
  writer.join();
  EXPECT_FALSE(overlapped);
}

}  // namespace mooring::storage
