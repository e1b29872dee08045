// What repository status, scrub, replica, export, rebuild and drill ask and say.

#include <string>

#include "tests/unit/admin/cli_test.h"

namespace mooring::testing {
namespace {

class CareCommandsTest : public CliTest {
 protected:
  FakeState& state() { return server_.state(); }
  static bool Holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }
};

TEST_F(CareCommandsTest, StatusExitsByHowBadItIs) {
  state().health.set_packs(12);
  CliResult result = Run({"repository", "health"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(Holds(result.out, "none")) << "no replica";
  v1::CareFinding* const finding = state().health.add_findings();
  finding->set_kind(v1::FINDING_KIND_PACK_FOOTER);
  finding->set_subject("packs/aa/aabb");
  finding->set_message("damaged header or footer");
  result = Run({"repository", "health"});
  EXPECT_EQ(result.code, 8);
  EXPECT_TRUE(Holds(result.out, "packs/aa/aabb")) << result.out;
  finding->mutable_resolved_at()->set_seconds(1);
  finding->set_resolution("healed");
  EXPECT_EQ(Run({"repository", "health", "--resolved"}).code, 0);
  state().health.set_damaged_snapshots(1);
  EXPECT_EQ(Run({"repository", "health"}).code, 9);
  EXPECT_EQ(Run({"repository", "health", "-o", "json"}).code, 9);
  state().health.mutable_unconfirmed_rebuild_at()->set_seconds(1);
  EXPECT_TRUE(Holds(Run({"repository", "health"}).out, "--confirm"));
}

TEST_F(CareCommandsTest, ScrubSaysWhatItFound) {
  v1::ScrubRepositoryResponse progress;
  progress.set_packs_done(3);
  progress.set_chunks(40);
  state().scrub = {progress, progress};
  state().scrub.back().set_complete(true);
  EXPECT_EQ(Run({"repository", "scrub"}).code, 0);
  EXPECT_FALSE(state().last_scrub.all());
  state().scrub.back().set_packs_bad(1);
  state().scrub.back().set_chunks_healed(5);
  EXPECT_EQ(Run({"repository", "scrub", "--all"}).code, 8);
  EXPECT_TRUE(state().last_scrub.all());
  state().scrub.back().set_chunks_lost(1);
  const CliResult lost = Run({"repository", "scrub"});
  EXPECT_EQ(lost.code, 9);
  EXPECT_TRUE(Holds(lost.out, "1 chunk LOST")) << lost.out;
  state().scrub = {progress};
  EXPECT_EQ(Run({"repository", "scrub"}).code, 3) << "it was stopped";
}

TEST_F(CareCommandsTest, TheReplicaIsShownAndSynced) {
  state().health.mutable_replica()->set_location("/mnt/second");
  EXPECT_EQ(Run({"repository", "replica"}).code, 0);
  state().health.mutable_replica()->set_packs_behind(2);
  const CliResult behind = Run({"repository", "replica", "status"});
  EXPECT_EQ(behind.code, 8);
  EXPECT_TRUE(Holds(behind.out, "/mnt/second")) << behind.out;
  v1::SyncReplicaResponse done;
  done.set_packs_copied(2);
  done.set_complete(true);
  state().sync = {done};
  EXPECT_EQ(Run({"repository", "replica", "sync", "--full"}).code, 0);
  EXPECT_TRUE(state().last_sync.full());
  state().sync[0].set_packs_bad(1);
  EXPECT_EQ(Run({"repository", "replica", "sync"}).code, 8);
  EXPECT_EQ(Run({"repository", "replica", "resync"}).code, 2);
}

TEST_F(CareCommandsTest, ExportsAreMadeAndListed) {
  state().catalog_export.mutable_export_()->set_name("catalog/20261123t080102.123456z-0");
  state().catalog_export.set_rows(17);
  EXPECT_TRUE(Holds(Run({"repository", "export"}).out, "17 rows"));
  state().catalog_exports.add_exports()->set_name("catalog/one");
  EXPECT_TRUE(Holds(Run({"repository", "export", "--list"}).out, "catalog/one"));
}

TEST_F(CareCommandsTest, ARebuildIsConfirmedAndNeverStarted) {
  EXPECT_EQ(Run({"repository", "rebuild"}).code, 2);
  EXPECT_TRUE(state().calls.empty());
  EXPECT_EQ(Run({"repository", "rebuild", "--confirm"}).code, 0);
  EXPECT_EQ(state().calls.back(), "ConfirmRebuild");
}

TEST_F(CareCommandsTest, AReconciliationSaysWhatItFound) {
  v1::ReconcileRepositoryResponse done;
  done.set_complete(true);
  done.set_snapshots_recovered(2);
  state().reconciliation = {done};
  const CliResult good = Run({"repository", "rebuild", "--reconcile"});
  EXPECT_EQ(good.code, 0) << good.err;
  EXPECT_TRUE(Holds(good.out, "2 snapshots came back")) << good.out;
  state().reconciliation[0].set_chunks_lost(1);
  EXPECT_EQ(Run({"repository", "rebuild", "--reconcile"}).code, 9);
  EXPECT_EQ(Run({"repository", "rebuild", "--reconcile", "--confirm"}).code, 2);
}

TEST_F(CareCommandsTest, DrillsExitByTheirResult) {
  v1::RunDrillResponse done;
  v1::Drill* const drill = done.add_drills();
  drill->set_snapshot_id(FakeId('s'));
  drill->set_result(v1::DRILL_RESULT_PASSED);
  state().drill = {done};
  EXPECT_EQ(Run({"drill", "run", "--count", "4"}).code, 0);
  EXPECT_EQ(state().last_drill.count(), 4U);
  state().drill[0].mutable_drills(0)->set_result(v1::DRILL_RESULT_INCOMPLETE);
  EXPECT_EQ(Run({"drill", "run"}).code, 3);
  state().drill[0].mutable_drills(0)->set_result(v1::DRILL_RESULT_FAILED);
  EXPECT_EQ(Run({"drill", "run"}).code, 9);
  EXPECT_EQ(Run({"drill", "run", "--count", "0"}).code, 2);
  *state().drills.add_drills() = *drill;
  const CliResult list = Run({"drill", "list"});
  EXPECT_EQ(list.code, 0);
  EXPECT_TRUE(Holds(list.out, "737373737373")) << list.out;
}

}  // namespace
}  // namespace mooring::testing
