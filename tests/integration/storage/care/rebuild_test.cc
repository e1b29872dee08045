// A catalog is lost and comes back from the object store and the key alone.

#include "storage/care/rebuild.h"

#include <map>
#include <set>

#include "mooring/format/v1/commit_record.pb.h"
#include "storage/catalog/catalog_dump.h"
#include "storage/catalog/organization_store.h"
#include "storage/catalog/policy_store.h"
#include "storage/catalog/session_store.h"
#include "storage/repository/chunk_set.h"
#include "storage/repository/epoch.h"
#include "tests/integration/storage/care/care_fixture.h"

namespace mooring::testing {
namespace {

// All rows of a catalog by table and column, as text.
class MemoryDump final : public storage::DumpSink {
 public:
  absl::Status Table(const storage::DumpTable& table) override {
    table_ = table.name;
    columns_ = table.columns;
    tables[table_];
    return absl::OkStatus();
  }
  absl::Status Row(const storage::DumpValues& values) override {
    std::map<std::string, std::string> row;
    for (std::size_t i = 0; i < values.size(); ++i) row[columns_[i]] = values[i].value_or("NULL");
    tables[table_].push_back(std::move(row));
    return absl::OkStatus();
  }
  absl::Status Number(const storage::DumpNumber& number) override {
    numbers[number.table + "." + number.column] = number.last;
    return absl::OkStatus();
  }

  std::map<std::string, std::vector<std::map<std::string, std::string>>> tables;
  std::map<std::string, std::int64_t> numbers;

 private:
  std::string table_;
  std::vector<std::string> columns_;
};

Bytes FromHexColumn(const std::string& text) {
  return FromHex(std::string_view(text).substr(2)).value_or(Bytes());
}

// What a rebuild cannot know: deploy/docs/repository-care.md. Numbers that only
// the catalog has are put in the words of what they stand for.
std::map<std::string, std::multiset<std::string>> Comparable(const MemoryDump& dump) {
  static const std::set<std::string> kTables = {"schema_migration", "care_state", "repository"};
  static const std::set<std::string> kColumns = {
      "pack.no",  "pack.scrubbed_at",    "pack.replicated_at",
      "chunk.no", "key_slot.created_at", "device.attached_agent_id"};
  std::map<std::string, std::string> packs, domains, chunks;
  for (const auto& row : dump.tables.at("pack")) packs[row.at("no")] = row.at("id");
  for (const auto& row : dump.tables.at("domain")) domains[row.at("no")] = row.at("id");
  for (const auto& row : dump.tables.at("chunk")) {
    chunks[row.at("no")] = domains[row.at("domain_no")] + row.at("id");
  }
  std::map<std::string, std::multiset<std::string>> comparable;
  for (const auto& [table, rows] : dump.tables) {
    if (kTables.contains(table)) continue;
    comparable[table];
    for (const auto& row : rows) {
      std::string text;
      for (const auto& [column, value] : row) {
        if (kColumns.contains(table + "." + column)) continue;
        std::string said = value;
        if (column == "pack_no") said = packs[value];
        if (column == "chunk_no") said = chunks[value];
        if (table == "snapshot" && column == "refs" && value != "\\x") {
          const auto set = storage::ChunkSet::Parse(FromHexColumn(value));
          EXPECT_TRUE(set.ok());
          std::set<std::string> ids;
          EXPECT_TRUE(set->ForEachBatch(100,
                                        [&](const std::vector<std::uint64_t>& numbers) {
                                          for (const auto no : numbers)
                                            ids.insert(chunks[std::to_string(no)]);
                                          return absl::OkStatus();
                                        })
                          .ok());
          said.clear();
          for (const std::string& id : ids) said += id;
        }
        text += column + "=" + said + ";";
      }
      comparable[table].insert(text);
    }
  }
  return comparable;
}

// Row by row, so that a failure names the row.
void ExpectSameRows(const std::map<std::string, std::multiset<std::string>>& original,
                    const std::map<std::string, std::multiset<std::string>>& rebuilt) {
  for (const auto& [table, rows] : original) {
    ASSERT_TRUE(rebuilt.contains(table)) << table;
    for (const std::string& row : rows) {
      EXPECT_EQ(rebuilt.at(table).count(row), rows.count(row)) << table << ": " << row;
    }
    EXPECT_EQ(rebuilt.at(table).size(), rows.size()) << table;
  }
  EXPECT_EQ(original.size(), rebuilt.size());
}

class RebuildTest : public CareTest {
 protected:
  void SetUp() override {
    CareTest::SetUp();
    if (HasFatalFailure()) return;
    const absl::Status filled = catalog().Run({}, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_RETURN_IF_ERROR(tx.organization().Create({"Test Inc.", false, time_.Now()}));
      v1::Policy policy;
      policy.set_group("default");
      return tx.policies().Apply(policy, "account:eve", time_.Now()).status();
    });
    ASSERT_TRUE(filled.ok()) << filled;
  }

  void TearDown() override { repository_.reset(); }

  storage::CatalogExporter NewExporter() {
    return storage::CatalogExporter({.catalog = *faulty_catalog_,
                                     .database_url = url(),
                                     .objects = store_,
                                     .organization_key = organization_key_,
                                     .clock = time_,
                                     .random = system_random_,
                                     .program_version = "test"});
  }
  storage::ExportInfo Export(std::size_t keep = 10) {
    time_.Advance(absl::Seconds(1));
    const auto summary = NewExporter().Run(ctx(), keep);
    EXPECT_TRUE(summary.ok()) << summary.status();
    return summary.ok() ? summary->info : storage::ExportInfo();
  }

  absl::StatusOr<storage::RebuildSummary> TryRebuild(const std::string& url) {
    return storage::RebuildCatalog(ctx(),
                                   {.objects = store_,
                                    .kek = *kek_,
                                    .database_url = url,
                                    .clock = time_,
                                    .random = system_random_,
                                    .organization = "From the kit",
                                    .single_admin = false},
                                   [](const storage::RebuildProgress&) {});
  }

  // The catalog is gone, and the repository stands on the rebuilt one.
  storage::RebuildSummary Rebuild() {
    auto database = TestDatabase::MakeEmpty();
    EXPECT_TRUE(database.ok()) << database.status();
    repository_.reset();
    rebuilt_.reset();
    rebuilt_database_ = *std::move(database);
    const auto summary = TryRebuild(rebuilt_database_->url());
    EXPECT_TRUE(summary.ok()) << summary.status();
    OpenRebuilt();
    return summary.ok() ? *summary : storage::RebuildSummary();
  }
  void OpenRebuilt() {
    storage::PgCatalogOptions options;
    options.url = rebuilt_database_->url();
    options.refuse_unsafe = false;
    auto opened = storage::PgCatalog::Open(ctx(), options, clock(), random());
    ASSERT_TRUE(opened.ok()) << opened.status();
    rebuilt_ = *std::move(opened);
    auto repository =
        storage::Repository::Open({}, *rebuilt_, store_, *kek_, time_, system_random_);
    ASSERT_TRUE(repository.ok()) << repository.status();
    repository_ = *std::move(repository);
  }
  std::optional<storage::SnapshotRecord> RebuiltRow(const SnapshotId& id) {
    std::optional<storage::SnapshotRecord> record;
    const absl::Status read = rebuilt_->Run({}, [&](storage::Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(const auto view, tx.snapshots().Get(id));
      if (view) record = view->snapshot;
      return absl::OkStatus();
    });
    EXPECT_TRUE(read.ok()) << read;
    return record;
  }

  MemoryDump Dump(const std::string& url) {
    MemoryDump dump;
    const absl::Status dumped = storage::DumpCatalog(ctx(), url, clock(), {}, dump);
    EXPECT_TRUE(dumped.ok()) << dumped;
    return dump;
  }

  std::unique_ptr<TestDatabase> rebuilt_database_;
  std::unique_ptr<storage::PgCatalog> rebuilt_;
};

TEST_F(RebuildTest, EqualsTheOriginal) {
  const v1::Receipt first = BackUp(phone_, desk_, files_);
  const v1::Receipt second = BackUp(phone_, desk_, Changed(files_, 1));
  const v1::Receipt bobs = BackUp(bobs_phone_, other_desk_, Changed(files_, 2));
  const v1::Receipt deleted = BackUp(second_phone_, desk_, Changed(files_, 3));
  ASSERT_TRUE(repository().Delete({}, SnapshotOf(deleted), "account:eve", "no need").ok());
  Scrub();
  Export();
  MemoryDump original = Dump(url());
  const storage::RebuildSummary summary = Rebuild();
  EXPECT_EQ(summary.snapshots, 3u);
  EXPECT_EQ(summary.snapshots_newer, 0u);
  EXPECT_EQ(summary.snapshots_damaged + summary.snapshots_lost + summary.snapshots_incomplete, 0u);
  EXPECT_EQ(summary.tombstones, 1u);
  EXPECT_TRUE(summary.remarks.empty()) << summary.remarks.front();
  MemoryDump rebuilt = Dump(rebuilt_database_->url());
  // The export itself and the rebuild have a row each that the other lacks.
  const auto take = [](MemoryDump& dump, const std::string& action) {
    auto& audit = dump.tables["audit"];
    const auto before = audit.size();
    std::erase_if(audit, [&](const auto& row) { return row.at("action") == action; });
    EXPECT_EQ(before - audit.size(), 1u) << action;
  };
  take(original, "catalog.export");
  take(rebuilt, "repository.rebuild");
  // A deleted snapshot has nothing left to read: its content is not kept twice.
  for (auto& row : original.tables["snapshot"]) {
    if (row["deleted_at"] == "NULL") continue;
    for (const char* column : {"root", "refs", "base_ids"}) row[column] = "\\x";
  }
  // Until a person has confirmed the holds.
  for (auto& row : rebuilt.tables["prune_state"]) {
    EXPECT_NE(row["stopped"], "");
    row["stopped"] = "";
  }
  // Owners are known by what their snapshots reference, deleted ones apart.
  original.tables.erase("chunk_owner");
  rebuilt.tables.erase("chunk_owner");
  ExpectSameRows(Comparable(original), Comparable(rebuilt));
  for (const auto& [column, last] : original.numbers) {
    if (column == "pack.no") continue;
    EXPECT_GE(rebuilt.numbers[column], last) << column;
  }
  EXPECT_GT(rebuilt.numbers["chunk.no"], original.numbers["chunk.no"]);
  for (const auto& row : rebuilt.tables["chunk"]) {
    EXPECT_GT(std::stoll(row.at("no")), original.numbers["chunk.no"]);
  }
  ExpectHolds(first, files_);
  ExpectHolds(second, Changed(files_, 1));
  ExpectHolds(bobs, Changed(files_, 2));
  // And the fleet goes on where it was.
  BackupOptions options;
  options.device = phone_;
  options.agent = desk_;
  const auto next = Backup(repository(), {}, options, Changed(files_, 1), time_, system_random_);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->sequence(), second.sequence() + 1);
  EXPECT_EQ(next->stored_bytes(), 0u);
  const auto shared =
      Backup(repository(), {}, {.device = bobs_phone_, .agent = other_desk_, .idempotency_key = {}},
             Changed(files_, 2), time_, system_random_);
  ASSERT_TRUE(shared.ok()) << shared.status();
  EXPECT_EQ(shared->stored_bytes(), 0u);
}

TEST_F(RebuildTest, NothingIsDeletedBeforeItIsConfirmed) {
  BackUp(phone_, desk_, files_);
  Export();
  Rebuild();
  storage::CareState state;
  ASSERT_TRUE(rebuilt_
                  ->Run({},
                        [&](storage::Transaction& tx) -> absl::Status {
                          MOORING_ASSIGN_OR_RETURN(state, tx.care().State());
                          return absl::OkStatus();
                        })
                  .ok());
  EXPECT_TRUE(state.holds_unconfirmed());
}

TEST_F(RebuildTest, WhatIsNewerThanTheExportIsThereToo) {
  const v1::Receipt before = BackUp(phone_, desk_, files_);
  Export();
  const PersonId carol = AddPerson("carol");
  const AgentId new_desk = AddAgent("new-desk");
  const DeviceId carols_phone = AddDevice("PHONE-9", new_desk, carol);
  const v1::Receipt carols = BackUp(carols_phone, new_desk, Changed(files_, 1));
  const v1::Receipt after = BackUp(phone_, desk_, Changed(files_, 2));
  const storage::RebuildSummary summary = Rebuild();
  EXPECT_EQ(summary.snapshots, 3u);
  EXPECT_EQ(summary.snapshots_newer, 2u);
  ExpectHolds(before, files_);
  ExpectHolds(carols, Changed(files_, 1));
  ExpectHolds(after, Changed(files_, 2));
  const auto row = RebuiltRow(SnapshotOf(carols));
  const auto original = SnapshotRow(SnapshotOf(carols));
  ASSERT_TRUE(row && original);
  EXPECT_EQ(row->sequence, original->sequence);
  EXPECT_EQ(row->created_at, original->created_at);
  EXPECT_EQ(row->captured_at, original->captured_at);
  EXPECT_EQ(row->referenced_bytes, original->referenced_bytes);
  EXPECT_EQ(row->chunk_count, original->chunk_count);
  // The same device goes on with the next number.
  BackupOptions options;
  options.device = phone_;
  options.agent = desk_;
  const auto next = Backup(repository(), {}, options, files_, time_, system_random_);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->sequence(), after.sequence() + 1);
}

TEST_F(RebuildTest, WithoutAnyExportSnapshotsAreThere) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  const storage::RebuildSummary summary = Rebuild();
  EXPECT_TRUE(summary.export_name.empty());
  EXPECT_FALSE(summary.remarks.empty());
  EXPECT_EQ(summary.snapshots_newer, 1u);
  ExpectHolds(receipt, files_);
}

TEST_F(RebuildTest, ADamagedExportIsPassedOver) {
  BackUp(phone_, desk_, files_);
  const storage::ExportInfo old = Export();
  const storage::ExportInfo newest = Export();
  for (const std::uint64_t at : {std::uint64_t{10}, std::uint64_t{100}, newest.bytes - 5}) {
    SCOPED_TRACE(at);
    const Bytes good = Get(memory_, newest.name);
    ASSERT_TRUE(memory_.FlipByte(newest.name, at));
    const storage::RebuildSummary summary = Rebuild();
    EXPECT_EQ(summary.export_name, old.name);
    EXPECT_EQ(summary.exports_unreadable, 1u);
    Set(memory_, newest.name, good);
  }
  ASSERT_TRUE(memory_.Truncate(newest.name, newest.bytes - 40));
  EXPECT_EQ(Rebuild().export_name, old.name);
}

TEST_F(RebuildTest, OnlySoManyExportsAreKept) {
  BackUp(phone_, desk_, files_);
  for (int i = 0; i < 5; ++i) Export(3);
  const auto exports = storage::ListExports({}, memory_);
  ASSERT_TRUE(exports.ok());
  EXPECT_EQ(exports->size(), 3u);
  EXPECT_GT((*exports)[0].made_at, (*exports)[1].made_at);
}

TEST_F(RebuildTest, WhatWasDeletedStaysDeleted) {
  const v1::Receipt deleted = BackUp(phone_, desk_, files_);
  const v1::Receipt kept = BackUp(phone_, desk_, Changed(files_, 1));
  const std::string key = storage::SnapshotKeyObjectKey(SnapshotOf(deleted));
  const Bytes wrapped = Get(memory_, key);
  Export();
  ASSERT_TRUE(repository().Delete({}, SnapshotOf(deleted), "account:eve", "no need").ok());
  // Even where an old backup of the store brought the key object back.
  Set(memory_, key, wrapped);
  const storage::RebuildSummary summary = Rebuild();
  EXPECT_EQ(summary.snapshots, 1u);
  const auto row = RebuiltRow(SnapshotOf(deleted));
  ASSERT_TRUE(row.has_value());
  EXPECT_TRUE(row->deleted_at.has_value());
  EXPECT_TRUE(absl::IsNotFound(memory_.Stat({}, key).status())) << "its key came back";
  ExpectHolds(kept, Changed(files_, 1));
}

TEST_F(RebuildTest, AnErasedPersonDoesNotComeBack) {
  const v1::Receipt alices = BackUp(phone_, desk_, files_);
  const v1::Receipt bobs = BackUp(bobs_phone_, desk_, Changed(files_, 1));
  Export();
  ASSERT_TRUE(memory_.Lose(storage::PersonKeyObjectKey(alice_)));
  const storage::RebuildSummary summary = Rebuild();
  EXPECT_EQ(summary.snapshots, 1u);
  EXPECT_GT(summary.snapshots_lost, 0u);
  EXPECT_FALSE(ReadSnapshot(repository(), {}, SnapshotOf(alices)).ok());
  ExpectHolds(bobs, Changed(files_, 1));
}

TEST_F(RebuildTest, AMissingPackDamagesWhatWasCommittedAndLeavesOutTheRest) {
  const Files one = {{"full/00/one", SyntheticContent(1, 200'000)}};
  const v1::Receipt committed = BackUp(phone_, desk_, one);
  const std::string pack = Keys("packs/").front();
  Export();
  const v1::Receipt newer = BackUp(phone_, desk_, one);  // References the same chunks.
  ASSERT_TRUE(memory_.Lose(pack));
  const storage::RebuildSummary summary = Rebuild();
  // The newer one references what is known to be lost, and nothing that is unknown.
  EXPECT_EQ(summary.snapshots_damaged, 2u);
  EXPECT_GT(RebuiltRow(SnapshotOf(committed))->damaged_chunks, 0u);
  EXPECT_GT(RebuiltRow(SnapshotOf(newer))->damaged_chunks, 0u);
  // The next backup heals what is needed.
  BackupOptions options;
  options.device = phone_;
  options.agent = desk_;
  const auto healing = Backup(repository(), {}, options, one, time_, system_random_);
  ASSERT_TRUE(healing.ok()) << healing.status();
  ASSERT_TRUE(storage::RefreshDamage({}, *rebuilt_).ok());
  ExpectHolds(*healing, one);
}

// A record that no export knows, without its chunks, may never have been acknowledged.
TEST_F(RebuildTest, AnIncompleteRecordThatNobodyKnowsIsLeftOut) {
  const v1::Receipt committed = BackUp(phone_, desk_, files_);
  const std::vector<std::string> before = Keys("packs/");
  Export();
  const v1::Receipt newer =
      BackUp(bobs_phone_, desk_, {{"full/00/x", SyntheticContent(9, 90'000)}});
  for (const std::string& key : Keys("packs/")) {
    if (key != before.front()) memory_.Lose(key);
  }
  const storage::RebuildSummary summary = Rebuild();
  EXPECT_EQ(summary.snapshots, 1u);
  EXPECT_EQ(summary.snapshots_incomplete, 1u);
  EXPECT_FALSE(RebuiltRow(SnapshotOf(newer)).has_value());
  ExpectHolds(committed, files_);
}

TEST_F(RebuildTest, ADamagedPackIsNamedAndTheRestIsThere) {
  const v1::Receipt alices = BackUp(phone_, desk_, files_);
  const std::string pack = Keys("packs/").front();
  const v1::Receipt bobs = BackUp(bobs_phone_, desk_, {{"full/00/x", SyntheticContent(9, 90'000)}});
  Export();
  ASSERT_TRUE(memory_.Truncate(pack, 1000));
  const storage::RebuildSummary summary = Rebuild();
  EXPECT_EQ(summary.packs_unreadable, 1u);
  EXPECT_EQ(summary.snapshots_damaged, 1u);
  ExpectHolds(bobs, {{"full/00/x", SyntheticContent(9, 90'000)}});
}

TEST_F(RebuildTest, RecordsThatWerePlayedBackAreRefused) {
  const v1::Receipt first = BackUp(phone_, desk_, files_);
  const v1::Receipt second = BackUp(phone_, desk_, Changed(files_, 1));
  Export();
  const std::string key = storage::CommitRecordObjectKey(SnapshotOf(second));
  const Bytes good = Get(memory_, key);
  // Another snapshot's record under this one's name.
  Set(memory_, key, Get(memory_, storage::CommitRecordObjectKey(SnapshotOf(first))));
  EXPECT_EQ(Rebuild().snapshots, 1u);
  // The same, with the name changed: its root tells.
  format::v1::CommitRecord record;
  const Bytes other = Get(memory_, storage::CommitRecordObjectKey(SnapshotOf(first)));
  ASSERT_TRUE(record.ParseFromArray(other.data(), static_cast<int>(other.size())));
  record.set_snapshot_id(SnapshotOf(second).bytes());
  Set(memory_, key, AsBytes(record.SerializeAsString()));
  EXPECT_EQ(Rebuild().snapshots, 1u);
  // A proposal of this very snapshot that was never committed: another root.
  ASSERT_TRUE(record.ParseFromArray(good.data(), static_cast<int>(good.size())));
  record.mutable_root()->back() = static_cast<char>(record.root().back() ^ 1);
  Set(memory_, key, AsBytes(record.SerializeAsString()));
  EXPECT_EQ(Rebuild().snapshots, 1u);
  Set(memory_, key, good);
  EXPECT_EQ(Rebuild().snapshots, 2u);
}

// Without the catalog that doomed it nobody removes it any more.
TEST_F(RebuildTest, AJournaledPackThatIsStillThereIsOfUse) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  const PackId doomed = *storage::PackOfObjectKey(Keys("packs/").front());
  PutJournal(1, {doomed});
  const storage::RebuildSummary summary = Rebuild();
  EXPECT_EQ(summary.packs, 1u);
  EXPECT_EQ(summary.journaled, std::vector<PackId>{doomed});
  ExpectHolds(receipt, files_);
}

// A catalog of yesterday over the store of today (here: one that was rebuilt then).
class ReconcileTest : public RebuildTest {
 protected:
  // From here on the original goes on, and the copy stays behind.
  void CopyCatalog() {
    Export();
    Rebuild();
    copy_ = std::move(rebuilt_);
    repository_.reset();
    auto original =
        storage::Repository::Open({}, *faulty_catalog_, store_, *kek_, time_, system_random_);
    ASSERT_TRUE(original.ok()) << original.status();
    repository_ = *std::move(original);
  }
  storage::RebuildSummary TravelBackAndReconcile() {
    repository_.reset();
    rebuilt_ = std::move(copy_);
    auto summary = storage::ReconcileCatalog(ctx(),
                                             {.objects = store_,
                                              .kek = *kek_,
                                              .database_url = rebuilt_database_->url(),
                                              .clock = time_,
                                              .random = system_random_,
                                              .organization = "",
                                              .single_admin = false},
                                             [](const storage::RebuildProgress&) {});
    EXPECT_TRUE(summary.ok()) << summary.status();
    if (!summary.ok()) return {};
    storage::Healer healer({.catalog = *rebuilt_,
                            .objects = store_,
                            .replica = nullptr,
                            .pack_index_key = pack_index_key_,
                            .clock = time_,
                            .random = system_random_});
    EXPECT_TRUE(storage::LeaveJournaledPacks({}, *rebuilt_, healer, *summary).ok());
    EXPECT_TRUE(storage::RefreshDamage({}, *rebuilt_).ok());
    EXPECT_TRUE(storage::LeaveRecovery({}, *rebuilt_, store_, time_, "account:eve").ok());
    OpenRebuilt();
    return *summary;
  }

  std::unique_ptr<storage::PgCatalog> copy_;
};

TEST_F(ReconcileTest, ForgottenSnapshotsComeBackAndForgottenDeletionsToo) {
  const v1::Receipt kept = BackUp(phone_, desk_, files_);
  const v1::Receipt deleted = BackUp(phone_, desk_, Changed(files_, 1));
  CopyCatalog();
  const PersonId carol = AddPerson("carol");
  const DeviceId carols_phone = AddDevice("PHONE-9", desk_, carol);
  const v1::Receipt carols = BackUp(carols_phone, desk_, Changed(files_, 2));
  const v1::Receipt newer = BackUp(phone_, desk_, Changed(files_, 3));
  ASSERT_TRUE(repository().Delete({}, SnapshotOf(deleted), "account:eve", "no need").ok());
  const storage::RebuildSummary summary = TravelBackAndReconcile();
  EXPECT_EQ(summary.snapshots_newer, 2u);
  EXPECT_EQ(summary.snapshots_deleted, 1u);
  EXPECT_EQ(summary.chunks_lost, 0u);
  ExpectHolds(kept, files_);
  ExpectHolds(carols, Changed(files_, 2));
  ExpectHolds(newer, Changed(files_, 3));
  EXPECT_TRUE(RebuiltRow(SnapshotOf(deleted))->deleted_at.has_value());
  EXPECT_FALSE(repository().OpenSnapshot({}, SnapshotOf(deleted)).ok());
  BackupOptions options;
  options.device = phone_;
  options.agent = desk_;
  const auto next = Backup(repository(), {}, options, Changed(files_, 3), time_, system_random_);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_EQ(next->sequence(), newer.sequence() + 1);
  EXPECT_EQ(next->stored_bytes(), 0u);
}

TEST_F(ReconcileTest, ChunksWhosePackIsGoneAreLost) {
  const v1::Receipt first = BackUp(phone_, desk_, files_);
  CopyCatalog();
  const std::vector<std::string> packs = Keys("packs/");
  ASSERT_EQ(packs.size(), 1u);
  PutJournal(1, {*storage::PackOfObjectKey(packs[0])});
  ASSERT_TRUE(memory_.Lose(packs[0]));
  const storage::RebuildSummary summary = TravelBackAndReconcile();
  EXPECT_GT(summary.chunks_lost, 0u);
  EXPECT_GT(RebuiltRow(SnapshotOf(first))->damaged_chunks, 0u);
  // Nobody is told that they are there: the next backup brings them.
  BackupOptions options;
  options.device = phone_;
  options.agent = desk_;
  const auto next = Backup(repository(), {}, options, files_, time_, system_random_);
  ASSERT_TRUE(next.ok()) << next.status();
  EXPECT_GT(next->stored_bytes(), 0u);
  ExpectHolds(first, files_);
}

// Its collector did not know that the catalog had traveled back.
TEST_F(ReconcileTest, WhatAJournaledPackStillHoldsIsCopiedOutOfIt) {
  const v1::Receipt known = BackUp(phone_, desk_, files_);
  CopyCatalog();
  const v1::Receipt forgotten =
      BackUp(bobs_phone_, desk_, {{"full/00/x", SyntheticContent(9, 90'000)}});
  const std::vector<std::string> packs = Keys("packs/");
  ASSERT_EQ(packs.size(), 2u);
  PutJournal(1, {*storage::PackOfObjectKey(packs[0]), *storage::PackOfObjectKey(packs[1])});
  const storage::RebuildSummary summary = TravelBackAndReconcile();
  EXPECT_EQ(summary.journaled.size(), 2u);
  EXPECT_EQ(summary.chunks_lost, 0u);
  // The collector wakes up and does what its journal says.
  for (const std::string& pack : packs) ASSERT_TRUE(memory_.Lose(pack));
  ExpectHolds(known, files_);
  ExpectHolds(forgotten, {{"full/00/x", SyntheticContent(9, 90'000)}});
}

TEST_F(ReconcileTest, SessionsThatWereOpenAreOver) {
  BackUp(phone_, desk_, files_);
  const auto open = Begin(second_phone_, desk_);
  ASSERT_TRUE(open.ok()) << open.status();
  CopyCatalog();
  const storage::RebuildSummary summary = TravelBackAndReconcile();
  const absl::Status read = rebuilt_->Run({}, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const std::uint64_t count, tx.sessions().CountOpen());
    EXPECT_EQ(count, 0u);
    MOORING_ASSIGN_OR_RETURN(const auto state, tx.care().State());
    EXPECT_TRUE(state.holds_unconfirmed());
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
  EXPECT_EQ(summary.snapshots_newer, 0u);
}

TEST_F(RebuildTest, AnotherKeyOrAFullDatabaseIsRefused) {
  BackUp(phone_, desk_, files_);
  EXPECT_TRUE(absl::IsFailedPrecondition(TryRebuild(url()).status()));
  const std::string path = directory_.path() + "/another-kek";
  ASSERT_TRUE(storage::FileKekProvider::Create(RealFileSystem(), system_random_, path).ok());
  auto kek = storage::FileKekProvider::Load(RealFileSystem(), system_random_, time_, path);
  ASSERT_TRUE(kek.ok());
  kek_ = *std::move(kek);
  auto database = TestDatabase::MakeEmpty();
  ASSERT_TRUE(database.ok());
  const absl::Status refused = TryRebuild((*database)->url()).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(refused)) << refused;
  EXPECT_NE(refused.ToString().find("recovery kit"), std::string::npos) << refused;
}

// Whatever call fails, nothing of the catalog is there, and the next attempt
// makes all of it in the same database.
TEST_F(RebuildTest, EveryCallOfTheStoreFailsOnce) {
  const v1::Receipt receipt = BackUp(phone_, desk_, files_);
  BackUp(bobs_phone_, desk_, Changed(files_, 1));
  Export();
  auto database = TestDatabase::MakeEmpty();
  ASSERT_TRUE(database.ok()) << database.status();
  rebuilt_database_ = *std::move(database);
  for (std::uint64_t n = 1;; ++n) {
    ASSERT_LT(n, 300u);
    const std::uint64_t faults = store_.faults();
    store_.FailCall(n, storage::ObjectFault::kFailBefore);
    const auto summary = TryRebuild(rebuilt_database_->url());
    const bool struck = store_.faults() > faults;
    store_.Heal();
    if (!struck) {
      ASSERT_TRUE(summary.ok()) << summary.status();
      EXPECT_EQ(summary->snapshots, 2u);
      break;
    }
    EXPECT_FALSE(summary.ok()) << "call " << n;
  }
  OpenRebuilt();
  ExpectHolds(receipt, files_);
}

TEST_F(RebuildTest, EveryCallOfAnExportFailsOnce) {
  BackUp(phone_, desk_, files_);
  for (const auto fault : {storage::ObjectFault::kFailBefore, storage::ObjectFault::kFailAfter,
                           storage::ObjectFault::kShortStore, storage::ObjectFault::kFlipByte}) {
    for (std::uint64_t n = 1;; ++n) {
      SCOPED_TRACE(std::to_string(static_cast<int>(fault)) + " at " + std::to_string(n));
      ASSERT_LT(n, 100u);
      time_.Advance(absl::Seconds(1));
      const std::uint64_t faults = store_.faults();
      store_.FailCall(n, fault);
      const auto tried = NewExporter().Run(ctx(), 2);
      const bool struck = store_.faults() > faults;
      store_.Heal();
      // What says that it is there can be read.
      if (tried.ok()) {
        EXPECT_TRUE(
            storage::ReadExport({}, memory_, organization_key_, tried->info, [](const auto&) {
              return absl::OkStatus();
            }).ok());
      }
      if (!struck) break;
    }
  }
  Export(2);
  EXPECT_EQ(Rebuild().exports_unreadable, 0u);
}

}  // namespace
}  // namespace mooring::testing
