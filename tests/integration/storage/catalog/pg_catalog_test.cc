// What PgCatalog does when PostgreSQL does not do what it should.

#include "storage/catalog/pg_catalog.h"

#include <atomic>
#include <new>
#include <thread>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/person_store.h"
#include "storage/catalog/sql.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::storage {
namespace {

class PgCatalogTest : public testing::PostgresTest {
 protected:
  PersonRecord Person(const std::string& handle) {
    PersonRecord record;
    record.id = PersonId::Make(random());
    record.handle = handle;
    record.created_at = clock().Now();
    return record;
  }
  std::uint64_t People() {
    std::uint64_t count = 0;
    EXPECT_TRUE(catalog()
                    .Run(ctx(),
                         [&count](Transaction& tx) {
                           const auto people = tx.people().Count();
                           count = people.value_or(0);
                           return people.status();
                         })
                    .ok());
    return count;
  }
  std::unique_ptr<PgCatalog> Open(const PgCatalogOptions& options) {
    auto opened = PgCatalog::Open(ctx(), options, clock(), random());
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : nullptr;
  }
  // A statement over a connection of its own; the number of its first column.
  std::int64_t Admin(const std::string& statement) {
    auto sql = SqlSession::Connect(url());
    EXPECT_TRUE(sql.ok()) << sql.status();
    auto result = (*sql)->Exec(statement);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() && !result->empty() ? SqlReader(*result, 0).Int64() : 0;
  }
  std::int64_t KillOthers(const std::string& where = "true") {
    return Admin(
        fmt::format("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    " AND backend_type = 'client backend' AND {}",
                    where));
  }
};

TEST_F(PgCatalogTest, AConnectionThatDiedWhileIdleIsReplaced) {
  EXPECT_EQ(People(), 0u);
  EXPECT_GE(KillOthers(), 1);
  EXPECT_EQ(People(), 0u);
}

TEST_F(PgCatalogTest, ABodyThatRunsOutOfMemoryLeavesNothingOpen) {
  PgCatalogOptions options;
  options.url = url();
  options.connections_max = 1;
  const auto single = Open(options);
  ASSERT_NE(single, nullptr);
  const auto throwing = [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.people().Create(Person("anna")));
    throw std::bad_alloc();
  };
  EXPECT_THROW(single->Run(ctx(), throwing).IgnoreError(), std::bad_alloc);
  EXPECT_EQ(Admin("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                  " AND state LIKE 'idle in transaction%'"),
            0);
  // On the same connection.
  EXPECT_TRUE(
      single->Run(ctx(), [&](Transaction& tx) { return tx.people().Create(Person("bert")); }).ok());
  EXPECT_EQ(People(), 1u);
}

TEST_F(PgCatalogTest, ATransactionWhoseConnectionDiesRunsAgain) {
  int runs = 0;
  const absl::Status status = catalog().Run(ctx(), [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.people().Create(Person("anna")));
    if (++runs == 1) {
      EXPECT_EQ(KillOthers(), 1);
    }
    return tx.people().Create(Person("bert"));
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(People(), 2u);
}

TEST_F(PgCatalogTest, ACommitWhoseConnectionDiesIsInDoubt) {
  // A deferred trigger keeps COMMIT busy for long enough to be shot.
  auto sql = SqlSession::Connect(url());
  ASSERT_TRUE(sql.ok());
  ASSERT_TRUE(
      (*sql)
          ->ExecScript("CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS"
                       " $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;"
                       "CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON person"
                       " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION dawdle()")
          .ok());
  std::jthread killer([this] {
    for (int i = 0; i < 600 && KillOthers("query ILIKE 'COMMIT%' AND state = 'active'") == 0; ++i) {
      clock().Sleep(absl::Milliseconds(50), {});
    }
  });
  int runs = 0;
  const absl::Status status = catalog().Run(ctx(), [&](Transaction& tx) {
    ++runs;
    return tx.people().Create(Person("anna"));
  });
  EXPECT_TRUE(IsInDoubt(status)) << status;
  EXPECT_EQ(runs, 1);  // Never blindly again: it may have worked.
}

TEST_F(PgCatalogTest, ADeadlineEndsAWaitForALock) {
  DeviceId device = DeviceId::Make(random());
  auto sql = SqlSession::Connect(url());
  ASSERT_TRUE(sql.ok());
  ASSERT_TRUE((*sql)->Begin(absl::Minutes(1)).ok());
  ASSERT_TRUE((*sql)->Exec("LOCK TABLE device").ok());
  const absl::Status status =
      catalog().Run(OpContext{clock().Now() + absl::Milliseconds(300), {}},
                    [&](Transaction& tx) { return tx.devices().Get(device).status(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  (*sql)->Rollback();
}

TEST_F(PgCatalogTest, OfTwoThatDeadlockBothEndWell) {
  ASSERT_TRUE(catalog()
                  .Run(ctx(),
                       [&](Transaction& tx) -> absl::Status {
                         MOORING_RETURN_IF_ERROR(tx.people().Create(Person("anna")));
                         return tx.people().Create(Person("bert"));
                       })
                  .ok());
  Admin(
      "INSERT INTO device (id, platform, serial, name, model, os_version, first_seen_at,"
      " last_seen_at) SELECT decode(repeat(n::text, 32), 'hex'), 1, n::text, '', '', '', now(),"
      " now() FROM generate_series(1, 2) n");
  std::atomic<int> inside = 0;
  const auto lock_both = [&](std::vector<std::string> serials) {
    return catalog().Run(ctx(), [&](Transaction& tx) -> absl::Status {
      std::vector<DeviceId> ids;
      for (const std::string& serial : serials) {
        auto device = tx.devices().FindBySerial(serial);
        MOORING_RETURN_IF_ERROR(device.status());
        ids.push_back((*device)->id);
      }
      MOORING_RETURN_IF_ERROR(tx.devices().Get(ids[0], RowLock::kExclusive).status());
      ++inside;
      // Both hold their first row before either asks for its second.
      for (int i = 0; i < 200 && inside < 2; ++i) clock().Sleep(absl::Milliseconds(10), {});
      return tx.devices().Get(ids[1], RowLock::kExclusive).status();
    });
  };
  absl::Status first, second;
  {
    std::jthread other([&] { first = lock_both({"1", "2"}); });
    second = lock_both({"2", "1"});
  }
  EXPECT_TRUE(first.ok()) << first;
  EXPECT_TRUE(second.ok()) << second;
  EXPECT_GT(inside, 2);  // One of them was turned back once.
}

TEST_F(PgCatalogTest, ABusyPoolTurnsCallersAwayAndRecovers) {
  PgCatalogOptions options;
  options.url = url();
  options.connections_max = 1;
  options.wait_max = absl::Milliseconds(50);
  const std::unique_ptr<PgCatalog> small = Open(options);
  const auto count = [](Transaction& tx) { return tx.people().Count().status(); };
  absl::Status busy, late, stopped;
  std::stop_source source;
  ASSERT_TRUE(
      small
          ->Run(
              ctx(),
              [&](Transaction&) {
                busy = small->Run(ctx(), count);
                late = small->Run(OpContext{clock().Now() + absl::Milliseconds(10), {}}, count);
                source.request_stop();
                stopped = small->Run(OpContext{absl::InfiniteFuture(), source.get_token()}, count);
                return absl::OkStatus();
              })
          .ok());
  EXPECT_EQ(busy.code(), absl::StatusCode::kUnavailable) << busy;
  EXPECT_EQ(late.code(), absl::StatusCode::kDeadlineExceeded) << late;
  EXPECT_EQ(stopped.code(), absl::StatusCode::kCancelled) << stopped;
  EXPECT_TRUE(small->Run(ctx(), count).ok());
}

TEST_F(PgCatalogTest, ThePoolOpensNoMoreConnectionsThanItMay) {
  PgCatalogOptions options;
  options.url = url();
  options.connections_max = 3;
  CloseCatalog();
  const std::unique_ptr<PgCatalog> small = Open(options);
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> callers;
    for (int i = 0; i < 12; ++i) {
      callers.emplace_back([&] {
        for (int n = 0; n < 10; ++n) {
          const absl::Status status =
              small->Run(ctx(), [](Transaction& tx) { return tx.people().Count().status(); });
          if (!status.ok()) ++failures;
        }
      });
    }
  }
  EXPECT_EQ(failures, 0);
  EXPECT_LE(Admin("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                  " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"),
            3);
}

TEST_F(PgCatalogTest, IsolationIsReadCommittedWhateverTheDatabasesDefault) {
  Admin(
      fmt::format("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() ||"
                  " ' SET default_transaction_isolation = serializable'; END $$"));
  PgCatalogOptions options;
  options.url = url();
  const std::unique_ptr<PgCatalog> fresh = Open(options);
  EXPECT_TRUE(fresh->Run(ctx(), [](Transaction& tx) { return tx.LockRepositoryShared(); }).ok());
}

TEST_F(PgCatalogTest, AFailedStatementCannotBeCommittedOver) {
  const absl::Status status = catalog().Run(ctx(), [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.people().Create(Person("anna")));
    AuditRecord record;
    record.at = clock().Now();
    record.detail_json = "no json";
    EXPECT_FALSE(tx.Audit(record).ok());
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_EQ(People(), 0u);
}

TEST_F(PgCatalogTest, NoDatabaseIsUnavailableAndNamesIt) {
  PgCatalogOptions options;
  options.url = "postgresql://someone:secret@127.0.0.1:1/nothing";
  const absl::Status status = PgCatalog::Open(ctx(), options, clock(), random()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_NE(status.message().find("nothing at 127.0.0.1:1"), absl::string_view::npos) << status;
  EXPECT_EQ(status.message().find("secret"), absl::string_view::npos) << status;
}

}  // namespace
}  // namespace mooring::storage
