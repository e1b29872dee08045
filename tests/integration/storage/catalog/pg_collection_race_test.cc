// The pairs of transactions on whose order garbage collection's safety rests, over
// two connections, statement by statement. tests/model assumes what is tested here.

#include <cstdint>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "storage/catalog/collection_store.h"
#include "storage/catalog/pg_transaction.h"
#include "storage/catalog/sql.h"
#include "tests/contract/storage/catalog/catalog_contract.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"

namespace mooring::storage {
namespace {

class PgUnderTest final : public CatalogUnderTest {
 public:
  static absl::StatusOr<std::unique_ptr<CatalogUnderTest>> Make() {
    auto made = std::make_unique<PgUnderTest>();
    MOORING_ASSIGN_OR_RETURN(made->database_, testing::TestDatabase::Make());
    PgCatalogOptions options;
    options.url = made->database_->url();
    MOORING_ASSIGN_OR_RETURN(made->catalog_,
                             PgCatalog::Open({}, options, made->clock_, made->random_));
    return absl::StatusOr<std::unique_ptr<CatalogUnderTest>>(std::move(made));
  }
  Catalog& catalog() override { return *catalog_; }
  const std::string& url() const { return database_->url(); }

 private:
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<testing::TestDatabase> database_;
  std::unique_ptr<PgCatalog> catalog_;
};

// One connection with a transaction that a test opens and ends itself.
class Side {
 public:
  explicit Side(const std::string& url) : sql_(Must(SqlSession::Connect(url))) {
    const SqlResult pid = Must(sql_->Exec("SELECT pg_backend_pid()"));
    pid_ = SqlReader(pid, 0).Int64();
  }

  Transaction& Begin() {
    Must(sql_->Begin(absl::Minutes(1)));
    tx_.emplace(*sql_);
    return *tx_;
  }
  Transaction& BeginLocked() {
    Transaction& tx = Begin();
    Must(tx.LockRepositoryExclusive());
    return tx;
  }
  void Commit() {
    tx_.reset();
    Must(sql_->Commit());
  }
  SqlSession& sql() { return *sql_; }
  std::int64_t pid() const { return pid_; }

 private:
  std::unique_ptr<SqlSession> sql_;
  std::optional<PgTransaction> tx_;
  std::int64_t pid_ = 0;
};

class CollectionRace : public CatalogContract {
 protected:
  void SetUp() override {
    CatalogContract::SetUp();
    anna_ = AddPerson("anna");
    agent_ = AddAgent("desk");
    phone_ = AddDevice("S1", agent_);
    Assign(phone_, anna_);
    domain_ = NewId<DomainId>();
    Must(In([&](Transaction& tx) { return tx.chunks().CreateDomain({domain_, anna_}); }));
  }

  // A new pack, staged; and one that holds `ids`.
  PackId Stage() {
    const PackId pack = NewId<PackId>();
    Must(In([&](Transaction& tx) { return tx.packs().Stage(pack, std::nullopt, now_); }));
    return pack;
  }
  absl::StatusOr<InsertOutcome> Enter(Transaction& tx, const PackId& pack,
                                      const std::vector<ChunkId>& ids) {
    std::vector<NewChunk> chunks;
    for (const ChunkId& id : ids) chunks.push_back({domain_, id, 16 + chunks.size() * 100, 100});
    MOORING_RETURN_IF_ERROR(tx.packs().MarkLive(pack, 1000, Blob(32)));
    return tx.chunks().Insert(pack, anna_, chunks);
  }
  PackId Put(const std::vector<ChunkId>& ids) {
    const PackId pack = Stage();
    Must(In([&](Transaction& tx) { return Enter(tx, pack, ids); }));
    return pack;
  }
  std::optional<ChunkLocation> Locate(const ChunkId& id) {
    return Must(In([&](Transaction& tx) {
      return tx.chunks().Locate(std::vector{domain_}, std::vector{id});
    }))[0];
  }
  std::uint64_t NumberOf(const ChunkId& id) { return Locate(id)->no; }
  void Condemn(const std::vector<std::uint64_t>& numbers) {
    Must(In([&](Transaction& tx) -> absl::Status {
      MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
      return tx.chunks().Condemn(numbers, 1, now_).status();
    }));
  }
  void CondemnAndDoom(const std::vector<std::uint64_t>& numbers) {
    Condemn(numbers);
    Must(In([&](Transaction& tx) -> absl::Status {
      MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
      return tx.chunks().Doom(numbers).status();
    }));
  }
  std::vector<std::int64_t> PackNumbers(const PackId& pack) {
    return {Must(In([&](Transaction& tx) { return tx.packs().Get(pack); }))->no};
  }
  bool Find(Transaction& tx, const ChunkId& id) {
    return Must(tx.chunks().FindAndTouch(anna_, domain_, std::vector{id}))[0].has_value();
  }
  // The statements of a commit up to the end of its transaction.
  void WriteSnapshot(Transaction& tx, const SessionRecord& session, const ChunkId& id) {
    Must(tx.LockRepositoryShared());
    ASSERT_TRUE(Must(tx.chunks().FindLive(anna_, domain_, std::vector{id}))[0].has_value());
    Must(tx.snapshots().Create(NewSnapshot(session), {Blob(100), Blob(20), {}}));
  }
  SessionRecord OpenSession() {
    const SessionRecord session = NewSession(phone_, anna_, agent_);
    Open(session);
    return session;
  }
  static std::size_t CommitsAfter(Transaction& tx, std::uint64_t mark_no) {
    return Must(tx.snapshots().ListRefs(mark_no, INT64_MAX, false, 10)).size();
  }

  // Whether that connection comes to wait for a lock.
  bool IsBlocked(const Side& side) {
    Side observer(url());
    for (int i = 0; i < 1000; ++i) {
      const SqlResult found = Must(observer.sql().Exec(
          "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'",
          side.pid()));
      if (SqlReader(found, 0).Int64() == 1) return true;
      clock_.Sleep(absl::Milliseconds(10), {});
    }
    return false;
  }
  // Runs `body`, which must come to wait; the result is there once it need not.
  template <typename Body>
  auto Blocked(const Side& side, Body body) {
    auto result = std::async(std::launch::async, std::move(body));
    EXPECT_TRUE(IsBlocked(side));
    return result;
  }
  const std::string& url() { return static_cast<PgUnderTest&>(under_test()).url(); }

  PersonId anna_;
  AgentId agent_;
  DeviceId phone_;
  DomainId domain_;

 private:
  SystemClock clock_;
};

TEST_P(CollectionRace, WhatAFindHasRevivedIsNotDoomed) {
  const ChunkId id = NewId<ChunkId>();
  const PackId pack = Put({id});
  const std::vector<std::uint64_t> numbers = {NumberOf(id)};
  Condemn(numbers);
  Side session(url()), collector(url());
  EXPECT_TRUE(Find(session.Begin(), id));
  Transaction& round = collector.BeginLocked();
  auto doomed = Blocked(collector, [&] { return round.chunks().Doom(numbers); });
  session.Commit();
  EXPECT_EQ(Must(doomed.get()), 0u);
  EXPECT_TRUE(Must(round.packs().DoomEmpty(PackNumbers(pack), 1, now_)).empty());
  collector.Commit();
  EXPECT_EQ(Locate(id)->state, ChunkState::kLive);
}

TEST_P(CollectionRace, AFindDoesNotReviveWhatIsBeingDoomed) {
  const ChunkId id = NewId<ChunkId>();
  Put({id});
  const std::vector<std::uint64_t> numbers = {NumberOf(id)};
  Condemn(numbers);
  Side session(url()), collector(url());
  EXPECT_EQ(Must(collector.BeginLocked().chunks().Doom(numbers)), 1u);
  Transaction& tx = session.Begin();
  auto found = Blocked(session, [&] { return Find(tx, id); });
  collector.Commit();
  EXPECT_FALSE(found.get());
  session.Commit();
  EXPECT_EQ(Locate(id)->state, ChunkState::kDoomed);
}

TEST_P(CollectionRace, APackIsNotDoomedWhileAFindRevivesAChunkOfIt) {
  const ChunkId found = NewId<ChunkId>(), other = NewId<ChunkId>();
  const PackId pack = Put({found, other});
  Condemn({NumberOf(found), NumberOf(other)});
  const std::vector<std::uint64_t> others = {NumberOf(other)};
  const std::vector<std::int64_t> packs = PackNumbers(pack);
  Side session(url()), collector(url());
  EXPECT_TRUE(Find(session.Begin(), found));
  Transaction& round = collector.BeginLocked();
  EXPECT_EQ(Must(round.chunks().Doom(others)), 1u);
  EXPECT_TRUE(Must(round.packs().DoomEmpty(packs, 1, now_)).empty());
  collector.Commit();
  session.Commit();
  EXPECT_EQ(Locate(found)->state, ChunkState::kLive);
}

TEST_P(CollectionRace, TheLockWaitsForACommitInFlightAndThenSeesIt) {
  const ChunkId id = NewId<ChunkId>();
  Put({id});
  const SessionRecord session = OpenSession();
  Side agent(url()), collector(url());
  WriteSnapshot(agent.Begin(), session, id);
  Transaction& round = collector.Begin();
  auto locked = Blocked(collector, [&] { return round.LockRepositoryExclusive(); });
  agent.Commit();
  Must(locked.get());
  // CONDEMN's look at newer commits, and mark_no of a round that begins here.
  EXPECT_EQ(CommitsAfter(round, 0), 1u);
  EXPECT_EQ(Must(round.snapshots().MaxCommitNo()), 1u);
  collector.Commit();
}

TEST_P(CollectionRace, ACommitWaitsForCondemnAndThenSeesIt) {
  const ChunkId id = NewId<ChunkId>();
  Put({id});
  const std::vector<std::uint64_t> numbers = {NumberOf(id)};
  Side agent(url()), collector(url());
  EXPECT_EQ(Must(collector.BeginLocked().chunks().Condemn(numbers, 1, now_)), 1u);
  Transaction& commit = agent.Begin();
  auto locked = Blocked(agent, [&] { return commit.LockRepositoryShared(); });
  collector.Commit();
  Must(locked.get());
  EXPECT_FALSE(Must(commit.chunks().FindLive(anna_, domain_, std::vector{id}))[0].has_value());
  agent.Commit();
}

TEST_P(CollectionRace, TwoCommitsDoNotWaitForEachOther) {
  Side one(url()), other(url());
  Must(one.Begin().LockRepositoryShared());
  Must(other.Begin().LockRepositoryShared());
  one.Commit();
  other.Commit();
}

// Why the next test is there: the snapshot is taken before the lock is granted.
TEST_P(CollectionRace, UnderRepeatableReadTheCommitIsNotSeen) {
  const ChunkId id = NewId<ChunkId>();
  Put({id});
  const SessionRecord session = OpenSession();
  Side agent(url()), collector(url());
  WriteSnapshot(agent.Begin(), session, id);
  Must(collector.sql().ExecScript("BEGIN ISOLATION LEVEL REPEATABLE READ"));
  auto locked = Blocked(collector, [&] {
    return collector.sql().ExecScript("SELECT pg_advisory_xact_lock(1297043282)");
  });
  agent.Commit();
  Must(locked.get());
  const SqlResult seen = Must(collector.sql().Exec("SELECT count(*) FROM snapshot"));
  EXPECT_EQ(SqlReader(seen, 0).Int64(), 0);
  Must(collector.sql().ExecScript("ROLLBACK"));
}

TEST_P(CollectionRace, AnotherIsolationLevelIsRefused) {
  for (const char* const level : {"repeatable read", "serializable"}) {
    Side side(url());
    Must(side.sql().ExecScript(std::string("SET default_transaction_isolation = '") + level + "'"));
    EXPECT_EQ(side.sql().Begin(absl::Minutes(1)).code(), absl::StatusCode::kFailedPrecondition)
        << level;
    Must(side.sql().ExecScript("SET default_transaction_isolation = 'read committed'"));
    Must(side.sql().Begin(absl::Minutes(1)));
    EXPECT_FALSE(side.sql().Exec(std::string("SET TRANSACTION ISOLATION LEVEL ") + level).ok());
    side.sql().Rollback();
  }
}

TEST_P(CollectionRace, TheLockIsTheFirstStatementOrTheProgramEnds) {
  Side side(url());
  Transaction& tx = side.Begin();
  Must(tx.snapshots().MaxCommitNo());
  EXPECT_DEATH(tx.LockRepositoryExclusive().IgnoreError(), "");
  EXPECT_DEATH(tx.LockRepositoryShared().IgnoreError(), "");
}

TEST_P(CollectionRace, ARowThatAnUploadTakesOverIsNotDeletedWithItsOldPack) {
  const ChunkId id = NewId<ChunkId>();
  const PackId old = Put({id});
  const std::uint64_t number = NumberOf(id);
  CondemnAndDoom({number});
  const PackId fresh = Stage();
  Side session(url()), collector(url());
  Must(Enter(session.Begin(), fresh, {id}));
  Transaction& round = collector.Begin();
  auto deleted = Blocked(collector, [&] { return round.chunks().DeleteRowsOfPack(old); });
  session.Commit();
  const DeletedRows rows = Must(deleted.get());
  EXPECT_EQ(rows.deleted, 0u);
  EXPECT_EQ(rows.left, 0u);
  collector.Commit();
  EXPECT_EQ(Locate(id)->pack, fresh);
  EXPECT_EQ(Locate(id)->no, number);
}

TEST_P(CollectionRace, AnUploadAfterTheRowIsDeletedGivesANewNumber) {
  const ChunkId id = NewId<ChunkId>();
  const PackId old = Put({id});
  const std::uint64_t number = NumberOf(id);
  CondemnAndDoom({number});
  const PackId fresh = Stage();
  Side session(url()), collector(url());
  EXPECT_EQ(Must(collector.Begin().chunks().DeleteRowsOfPack(old)).deleted, 1u);
  Transaction& tx = session.Begin();
  auto entered = Blocked(session, [&] { return Enter(tx, fresh, {id}); });
  collector.Commit();
  EXPECT_EQ(Must(entered.get()).inserted, 1u);
  session.Commit();
  EXPECT_EQ(Locate(id)->pack, fresh);
  EXPECT_GT(Locate(id)->no, number);
}

TEST_P(CollectionRace, CompactionDoesNotMoveWhatAnUploadTakesOver) {
  const ChunkId id = NewId<ChunkId>();
  const PackId old = Put({id});
  const std::uint64_t number = NumberOf(id);
  Condemn({number});
  const PackId fresh = Stage(), compacted = Stage();
  const std::vector<MovedChunk> moves = {{number, 16}};
  Side session(url()), compactor(url());
  Must(Enter(session.Begin(), fresh, {id}));
  Transaction& round = compactor.BeginLocked();
  auto moved = Blocked(compactor, [&] { return round.chunks().Repoint(old, compacted, moves); });
  session.Commit();
  EXPECT_EQ(Must(moved.get()), 0u);
  compactor.Commit();
  EXPECT_EQ(Locate(id)->pack, fresh);
  EXPECT_EQ(Locate(id)->state, ChunkState::kLive);
}

TEST_P(CollectionRace, ScrubDoesNotCallLostWhatCompactionIsMoving) {
  const ChunkId id = NewId<ChunkId>();
  const PackId old = Put({id});
  const std::vector<std::uint64_t> numbers = {NumberOf(id)};
  const PackId compacted = Stage();
  const std::vector<MovedChunk> moves = {{numbers[0], 16}};
  Side scrub(url()), compactor(url());
  EXPECT_EQ(Must(compactor.BeginLocked().chunks().Repoint(old, compacted, moves)), 1u);
  Transaction& tx = scrub.Begin();
  auto marked = Blocked(scrub, [&] { return tx.chunks().MarkLost(old, numbers); });
  compactor.Commit();
  Must(marked.get());
  scrub.Commit();
  EXPECT_EQ(Locate(id)->state, ChunkState::kLive);
}

TEST_P(CollectionRace, OfAPackThatIsSweptAndEnteredOneWins) {
  const ChunkId id = NewId<ChunkId>();
  const PackId swept = Stage(), entered = Stage();
  {
    Side session(url()), sweep(url());
    Must(sweep.Begin().packs().Discard(swept));
    Transaction& tx = session.Begin();
    auto outcome = Blocked(session, [&] { return Enter(tx, swept, {id}); });
    sweep.Commit();
    EXPECT_EQ(outcome.get().status().code(), absl::StatusCode::kFailedPrecondition);
    session.sql().Rollback();
    EXPECT_FALSE(Locate(id).has_value());
  }
  Side session(url()), sweep(url());
  Must(Enter(session.Begin(), entered, {id}));
  Transaction& tx = sweep.Begin();
  auto discarded = Blocked(sweep, [&] { return tx.packs().Discard(entered); });
  session.Commit();
  Must(discarded.get());
  sweep.Commit();
  EXPECT_EQ(Must(In([&](Transaction& in) { return in.packs().Get(entered); }))->state,
            PackState::kLive);
}

const CatalogMaker kPg{"Pg", PgUnderTest::Make};
INSTANTIATE_TEST_SUITE_P(Pg, CollectionRace, ::testing::Values(kPg), MakerName);

}  // namespace
}  // namespace mooring::storage
