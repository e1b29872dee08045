// A catalog that has traveled back in time: a restored copy, or a standby that lagged.

#include <cstdlib>

#include "storage/collection/doom_journal.h"
#include "storage/repository/epoch.h"
#include "tests/integration/storage/collection/collector_fixture.h"

namespace mooring::testing {
namespace {

class RecoveryTest : public CollectorTest {
 protected:
  std::string copy() const { return directory_.path() + "/catalog.sql"; }
  void Run(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }
  void SaveCatalog() {
    Run("pg_dump --clean --if-exists --file='" + copy() + "' --dbname='" + url() + "'");
  }
  void RestoreCatalog() {
    Run("psql --quiet --set=ON_ERROR_STOP=1 --output=/dev/null --file='" + copy() + "' --dbname='" +
        url() + "'");
  }

  static void ExpectRecovery(const absl::Status& status) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_NE(status.message().find("mooring repository rebuild --reconcile"),
              absl::string_view::npos)
        << status;
  }
};

TEST_F(RecoveryTest, AnOlderCatalogTakesNoBackupAndCollectsNothing) {
  options_ = WithoutCompaction(AtOnce());
  const v1::Receipt kept = BackUp(phone_, desk_, FilesOf(1));
  const v1::Receipt doomed = BackUp(phone_, desk_, FilesOf(2));
  // A session that is open at that time.
  const storage::BegunSession session = *Begin(second_phone_, desk_);
  const SealedTree tree = *SealFiles(session, FilesOf(9), time_, system_random_);
  ASSERT_TRUE(UploadTree(repository(), {}, session, desk_, tree).ok());
  SaveCatalog();
  Delete(doomed);
  const std::size_t packs = Keys("packs/").size();
  Collect();
  ASSERT_LT(Keys("packs/").size(), packs);

  RestoreCatalog();
  // The server that runs notices at the next session, or the next commit.
  std::vector<ChunkId> ids;
  for (const SealedForDomain& sealed : tree.chunks) {
    if (sealed.domain == session.person_domain.id) ids.push_back(sealed.chunk.id);
  }
  ExpectRecovery(repository().Commit({}, desk_, tree.request).status());
  ExpectRecovery(Begin(phone_, desk_).status());
  ExpectRecovery(repository().Find({}, session.session, session.person_domain.id, ids).status());
  ExpectRecovery(TryCollect().status());
  EXPECT_FALSE(State().recovery_reason.empty());
  // One that starts anew opens, reads what is there, and does no more than that.
  Reopen();
  ExpectRecovery(Begin(phone_, desk_).status());
  ExpectHolds(kept, FilesOf(1));
  const auto keys = Keys("packs/");
  ExpectRecovery(TryCollect().status());
  EXPECT_EQ(Keys("packs/"), keys);

  // What reconciliation ends with.
  ASSERT_TRUE(storage::LeaveRecovery({}, catalog(), memory_, time_, "account:root").ok());
  EXPECT_TRUE(State().recovery_reason.empty());
  EXPECT_TRUE(storage::GuardEpoch({}, catalog(), memory_, time_).ok());
  BackUp(phone_, desk_, FilesOf(3));
}

TEST_F(RecoveryTest, ARoundWithoutGarbageIsSeenToo) {
  BackUp(phone_, desk_, FilesOf(1));
  SaveCatalog();
  Collect();
  RestoreCatalog();
  ExpectRecovery(Begin(phone_, desk_).status());
}

TEST_F(RecoveryTest, ASnapshotThatTheCatalogForgotWithinAnEpochKeepsItsChunks) {
  options_ = WithoutCompaction(AtOnce());
  BackUp(phone_, desk_, FilesOf(1));
  Collect();
  SaveCatalog();
  const v1::Receipt forgotten = BackUp(phone_, desk_, FilesOf(2));
  RestoreCatalog();
  time_.Advance(absl::Hours(1));
  const auto packs = Keys("packs/");
  // No round was made since, so nothing was removed that the catalog still believes in.
  const v1::CollectionReport report = Collect();
  EXPECT_EQ(report.records_without_snapshot(), 1u);
  EXPECT_GT(report.notes_size(), 0);
  for (int i = 0; i < 3; ++i) CollectAfter(absl::Hours(1000));
  EXPECT_EQ(Keys("packs/"), packs);
  EXPECT_FALSE(Keys(storage::CommitRecordObjectKey(SnapshotOf(forgotten))).empty());
}

TEST_F(RecoveryTest, AnEpochIsNeverPendingTwice) {
  options_ = AtOnce();
  Collect();
  const std::uint64_t epoch = State().epoch;
  // The round breaks off with its epoch pending.
  for (std::uint64_t n = 1;; ++n) {
    ASSERT_LT(n, 100u);
    store_.FailCall(n, storage::ObjectFault::kFailBefore);
    TryCollect().status().IgnoreError();
    store_.Heal();
    if (State().pending_epoch) break;
  }
  const std::uint64_t pending = *State().pending_epoch;
  EXPECT_GT(pending, epoch);
  SaveCatalog();
  Collect();
  EXPECT_GT(State().epoch, pending);
  EXPECT_FALSE(State().pending_epoch.has_value());
  RestoreCatalog();
  ExpectRecovery(storage::GuardEpoch({}, catalog(), memory_, time_));
}

TEST_F(RecoveryTest, AJournalReadsBackAndADamagedOneIsRefused) {
  storage::DoomJournal journal{.epoch = 7, .generation = 9, .packs = {}};
  for (int i = 0; i < 3; ++i) journal.packs.push_back(PackId::Make(system_random_));
  const Bytes bytes = storage::EncodeDoomJournal(pack_index_key_, journal);
  const auto read = storage::DecodeDoomJournal(pack_index_key_, bytes);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, journal);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes bad = bytes;
    bad[i] ^= std::byte{1};
    EXPECT_FALSE(storage::DecodeDoomJournal(pack_index_key_, bad).ok()) << i;
    EXPECT_FALSE(storage::DecodeDoomJournal(pack_index_key_, ByteView(bytes).first(i)).ok()) << i;
  }
  const SecretBytes other = SecretBytes::Make(system_random_, 32);
  EXPECT_FALSE(storage::DecodeDoomJournal(other, bytes).ok());
}

}  // namespace
}  // namespace mooring::testing
