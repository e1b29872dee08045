// What each noun asks the server and prints of its answer.

#include <string>

#include "tests/unit/admin/cli_test.h"

namespace mooring::testing {
namespace {

constexpr char kSerial[] = "00008120-001A34E61EE8201E";

class NounsTest : public CliTest {
 protected:
  NounsTest() {
    FakeState& state = server_.state();
    v1::Device* device = state.devices.add_devices();
    device->set_id(FakeId('d'));
    device->set_serial(kSerial);
    device->set_name("Iris\x1b[31m's \u202eiPhone");
    device->set_platform(v1::PLATFORM_IOS);
    device->set_person_handle("iris");
    device->set_state(v1::DEVICE_STATE_OVERDUE);
    v1::Agent* agent = state.agents.add_agents();
    agent->set_id(FakeId('a'));
    agent->set_hostname("front-desk");
    agent->set_online(true);
    v1::Snapshot* snapshot = state.snapshots.add_snapshots();
    snapshot->set_id(FakeId('s'));
    snapshot->set_serial(kSerial);
    snapshot->set_file_count(12);
    snapshot->set_logical_bytes(5 << 20);
  }

  FakeState& state() { return server_.state(); }
};

// FakeId('d') in hexadecimal.
const std::string kDeviceHex = "64646464646464646464646464646464";
const std::string kSnapshotHex = "73737373737373737373737373737373";

TEST_F(NounsTest, DevicesAreListedWithCleanNames) {
  const CliResult result = Run({"device", "list"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("646464646464  00008120-001A34E61EE8201E  Iris[31m's iPhone"),
            std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find("overdue"), std::string::npos);
  EXPECT_EQ(result.out.find('\x1b'), std::string::npos) << "no color in a pipe";
}

TEST_F(NounsTest, ColorsOnATerminalUnlessUnwanted) {
  out_is_terminal_ = true;
  columns_ = 200;
  EXPECT_NE(Run({"device", "list"}).out.find("\x1b[31moverdue"), std::string::npos);
  variables_["NO_COLOR"] = "1";
  EXPECT_EQ(Run({"device", "list"}).out.find('\x1b'), std::string::npos);
}

TEST_F(NounsTest, JsonHasIdsInHexadecimal) {
  const CliResult result = Run({"device", "list", "-o", "json"});
  EXPECT_NE(result.out.find("\"id\": \"" + kDeviceHex + "\""), std::string::npos) << result.out;
  EXPECT_EQ(Run({"device", "get", kSerial, "-o", "json"}).out.substr(0, 10), "{\n  \"id\": ");
}

TEST_F(NounsTest, ADeviceSaysWhatOfItCannotBeReachedAndWhatToDo) {
  v1::DeviceFacts& facts = *state().devices.mutable_devices(0)->mutable_facts();
  facts.set_sdk(34);
  facts.set_battery_percent(77);
  v1::Capability& refused = *facts.add_capabilities();
  refused.set_name("call-log");
  refused.set_state(v1::CAPABILITY_STATE_REFUSED);
  refused.set_reason("this phone does not let its shell read it");
  refused.set_next_step("nothing; it is not part of the backup");
  const CliResult result = Run({"device", "get", kSerial});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("call-log"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("refused"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("this phone does not let its shell read it"), std::string::npos);
  EXPECT_NE(result.out.find("nothing; it is not part of the backup"), std::string::npos);
  EXPECT_NE(result.out.find("77 %"), std::string::npos);
}

TEST_F(NounsTest, DevicesAreNamedBySerialOrId) {
  EXPECT_EQ(Run({"device", "get", kSerial}).code, 0);
  EXPECT_EQ(Run({"device", "get", kDeviceHex}).code, 0);
  EXPECT_EQ(Run({"device", "get", "646464"}).code, 0);
  const CliResult unknown = Run({"device", "get", "00000000-0000000000000000"});
  EXPECT_EQ(unknown.code, 4);
  EXPECT_NE(unknown.err.find("there is no device 00000000-0000000000000000"), std::string::npos);
}

TEST_F(NounsTest, ASerialThatLooksLikeAPrefixGoesFirst) {
  v1::Device* android = state().devices.add_devices();
  android->set_id(FakeId('x'));
  android->set_serial("64646464");
  const CliResult result = Run({"device", "get", "64646464", "-o", "json"});
  EXPECT_NE(result.out.find("\"serial\": \"64646464\""), std::string::npos) << result.out;
}

TEST_F(NounsTest, AssignAdmitAndBackupSayWhatWasMeant) {
  EXPECT_EQ(Run({"device", "assign", kSerial, "--person", "bob"}).code, 0);
  EXPECT_EQ(state().last_assign.person_handle(), "bob");
  EXPECT_EQ(Run({"device", "admit", "646464", "--agent", "front-desk", "--withdraw"}).code, 0);
  EXPECT_EQ(state().last_admit.agent_id(), FakeId('a'));
  EXPECT_EQ(state().last_admit.device(), kDeviceHex);
  EXPECT_TRUE(state().last_admit.withdraw());
  EXPECT_EQ(Run({"device", "admit", kSerial, "--agent", "616161"}).code, 0);
  EXPECT_EQ(Run({"device", "admit", kSerial, "--agent", "back-desk"}).code, 2);
  EXPECT_EQ(Run({"device", "backup", kSerial, "--capture", "all"}).code, 0);
  EXPECT_EQ(state().last_backup.captures_size(), 2);
  EXPECT_EQ(Run({"device", "backup", kSerial}).code, 0);
  ASSERT_EQ(state().last_backup.captures_size(), 1);
  EXPECT_EQ(state().last_backup.captures(0), v1::CAPTURE_KIND_FULL);
}

TEST_F(NounsTest, ABackupOfAnUnassignedPhoneIsBlocked) {
  state().devices.mutable_devices(0)->clear_person_handle();
  const CliResult result = Run({"device", "backup", kSerial});
  EXPECT_EQ(result.code, 6);
  EXPECT_NE(result.err.find("run `mooring device assign`"), std::string::npos) << result.err;
}

TEST_F(NounsTest, AnInvitationPrintsItsTokenAlone) {
  const CliResult result =
      Run({"agent", "invite", "create", "--uses", "5", "--lifetime", "7d", "--note", "desk"});
  EXPECT_EQ(result.out, "mooring1.secret\n");
  EXPECT_NE(result.err.find("mooring-agent enroll"), std::string::npos);
  EXPECT_EQ(state().last_invitation.uses_max(), 5U);
  EXPECT_EQ(state().last_invitation.lifetime_seconds(), 7U * 86400U);
  EXPECT_EQ(state().last_invitation.note(), "desk");
}

TEST_F(NounsTest, InvitationsAreRevokedByPrefix) {
  state().invitations.add_invitations()->set_id(FakeId('i'));
  EXPECT_EQ(Run({"agent", "invite", "revoke", "696969"}).code, 0);
  EXPECT_TRUE(state().invitations.invitations(0).revoked());
  EXPECT_NE(Run({"agent", "invite", "list"}).out.find("revoked"), std::string::npos);
  EXPECT_EQ(Run({"agent", "invite", "revoke", "123456"}).code, 4);
}

TEST_F(NounsTest, AgentsAreShownAndRevoked) {
  EXPECT_NE(Run({"agent", "list"}).out.find("front-desk"), std::string::npos);
  EXPECT_NE(Run({"agent", "get", "front-desk"}).out.find("online"), std::string::npos);
  EXPECT_EQ(Run({"agent", "get", "999999"}).code, 4);
  EXPECT_EQ(Run({"agent", "revoke", "front-desk", "--reason", "stolen"}).code, 0);
  EXPECT_EQ(state().last_revoke.agent_id(), FakeId('a'));
  EXPECT_EQ(state().last_revoke.reason(), "stolen");
}

TEST_F(NounsTest, PeopleAreMadeOnce) {
  EXPECT_EQ(Run({"person", "create", "--handle", "iris", "--name", "Iris"}).code, 0);
  EXPECT_EQ(state().last_person.name(), "Iris");
  EXPECT_EQ(Run({"person", "create", "--handle", "iris"}).code, 1);
  EXPECT_EQ(Run({"person", "get", "iris"}).code, 0);
  EXPECT_EQ(Run({"person", "get", "nobody"}).code, 4);
  EXPECT_NE(Run({"person", "list"}).out.find("iris"), std::string::npos);
}

TEST_F(NounsTest, PoliciesAreAppliedFromAFileOrStdin) {
  const std::string file = WriteFile("p.yaml", "group: staff\nrpo: 7d\n");
  const CliResult first = Run({"policy", "apply", "-f", file});
  EXPECT_EQ(first.out, "Policy staff is now version 3.\n") << first.err;
  const CliResult again = Run({"policy", "apply", "-f", "-"}, "group: staff\nrpo: 7d\n");
  EXPECT_EQ(again.out, "Policy staff is unchanged at version 3.\n") << again.err;
  EXPECT_EQ(state().last_policy.policy().rpo(), "7d");
}

TEST_F(NounsTest, AnUnknownKeyIsRefusedWithItsLine) {
  const std::string file = WriteFile("p.yaml", "group: staff\nrop: 7d\n");
  const CliResult result = Run({"policy", "apply", "-f", file});
  EXPECT_EQ(result.code, 2);
  EXPECT_NE(result.err.find("line 2"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("rop"), std::string::npos) << result.err;
  EXPECT_EQ(Run({"policy", "apply", "-f", file + ".none"}).code, 1);
  EXPECT_TRUE(state().calls.empty()) << "nothing is sent";
}

TEST_F(NounsTest, APolicyThatWasGotCanBeAppliedAgain) {
  v1::StoredPolicy* stored = state().policies.add_policies();
  stored->set_version(2);
  stored->mutable_policy()->set_group("staff");
  stored->mutable_policy()->set_rpo("3d");
  stored->mutable_policy()->mutable_retention()->set_daily(7);
  const CliResult got = Run({"policy", "get", "staff", "-o", "yaml"});
  EXPECT_EQ(got.code, 0);
  EXPECT_EQ(Run({"policy", "apply", "-f", "-"}, got.out).code, 0);
  EXPECT_EQ(state().last_policy.policy().SerializeAsString(), stored->policy().SerializeAsString());
  EXPECT_EQ(Run({"policy", "get", "nobody"}).code, 4);
  EXPECT_NE(Run({"policy", "list"}).out.find("7 daily"), std::string::npos);
  stored->mutable_policy()->clear_retention();
  EXPECT_NE(Run({"policy", "list"}).out.find("everything"), std::string::npos);
}

TEST_F(NounsTest, VerifyNamesDamage) {
  v1::VerifySnapshotResponse done;
  done.set_chunks_checked(2);
  done.set_chunks_total(2);
  done.set_done(true);
  state().verification = {done};
  EXPECT_EQ(Run({"snapshot", "verify", "737373"}).code, 0);
  state().verification[0].add_damaged(std::string(32, '\xEE'));
  const CliResult damaged = Run({"snapshot", "verify", kSnapshotHex});
  EXPECT_EQ(damaged.code, 9);
  EXPECT_NE(damaged.out.find("eeeeeeeeee"), std::string::npos) << damaged.out;
  state().verification[0].set_done(false);
  EXPECT_EQ(Run({"snapshot", "verify", kSnapshotHex}).code, 7) << "it ended early";
}

TEST_F(NounsTest, ADeletionWaitsForApproval) {
  const CliResult result = Run({"snapshot", "delete", "737373", "--reason", "wrong phone"});
  EXPECT_EQ(result.code, 6);
  const std::string request = result.out.substr(0, 32);
  EXPECT_NE(result.err.find("mooring request approve " + request), std::string::npos);
  EXPECT_EQ(Run({"snapshot", "delete", "737373"}).code, 2) << "a reason is wanted";
  EXPECT_EQ(Run({"request", "approve", request}).code, 0);
}

TEST_F(NounsTest, SnapshotsAreListedAndShown) {
  EXPECT_NE(Run({"snapshot", "list"}).out.find("5.0 MiB"), std::string::npos);
  EXPECT_EQ(Run({"snapshot", "get", "737373"}).code, 0);
  EXPECT_EQ(Run({"snapshot", "get", "111111"}).code, 4);
  EXPECT_EQ(Run({"snapshot", "get", "7373"}).code, 2);
}

TEST_F(NounsTest, GapsAreShownByReasonAndWhereTheirPathsAre) {
  v1::Capture& capture = *state().snapshots.mutable_snapshots(0)->add_captures();
  capture.set_kind(v1::CAPTURE_KIND_FULL);
  capture.set_result(v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS);
  v1::GapCount& gap = *capture.add_gaps();
  gap.set_reason(v1::GAP_REASON_REFUSED);
  gap.set_count(3);
  const std::string out = Run({"snapshot", "get", "737373"}).out;
  EXPECT_NE(out.find("complete with gaps"), std::string::npos) << out;
  EXPECT_NE(out.find("3 files or lists: the phone did not let it be read"), std::string::npos)
      << out;
  EXPECT_NE(out.find("records/gaps.json"), std::string::npos) << out;
}

TEST_F(NounsTest, RequestsAreDecided) {
  Run({"snapshot", "delete", "737373", "--reason", "x"});
  const CliResult list = Run({"request", "list", "--state", "pending"});
  EXPECT_NE(list.out.find("delete snapshot"), std::string::npos) << list.out;
  EXPECT_EQ(Run({"request", "deny", "303030", "--reason", "no"}).code, 0);
  EXPECT_EQ(state().requests.requests(0).state(), v1::REQUEST_STATE_DENIED);
  EXPECT_EQ(Run({"request", "approve", "999999"}).code, 4);
}

TEST_F(NounsTest, ARestoreSaysHowToApproveIt) {
  const CliResult result = Run({"restore", "start", "--from", kSerial, "--to", "NEW"});
  EXPECT_EQ(result.code, 6);
  EXPECT_NE(result.err.find("mooring request approve 30303030303030303030303030303030"),
            std::string::npos)
      << result.err;
  EXPECT_TRUE(state().last_restore.snapshot_id().empty()) << "the latest";
  EXPECT_EQ(Run({"restore", "start", "--from", "none", "--to", "NEW"}).code, 4);
}

TEST_F(NounsTest, ARestoreIsWaitedFor) {
  state().approves_at_once = true;
  v1::Restore* restore = state().restores.add_restores();
  restore->set_id(FakeId('r'));
  restore->set_state(v1::RESTORE_STATE_SUCCEEDED);
  EXPECT_EQ(
      Run({"restore", "start", "--from", kSerial, "--to", "N", "--snapshot", "737373", "--wait"})
          .code,
      0);
  EXPECT_EQ(state().last_restore.snapshot_id(), FakeId('s'));
  restore->set_state(v1::RESTORE_STATE_FAILED);
  restore->set_cause(v1::CAUSE_PASSCODE_NOT_ENTERED);
  EXPECT_EQ(Run({"restore", "status", "727272", "--wait"}).code, 10);
  restore->set_state(v1::RESTORE_STATE_DENIED);
  EXPECT_EQ(Run({"restore", "status", "727272"}).code, 5);
  restore->set_state(v1::RESTORE_STATE_WAITING_FOR_APPROVAL);
  EXPECT_EQ(Run({"restore", "status", "727272"}).code, 6);
  EXPECT_EQ(Run({"restore", "status", "999999"}).code, 4);
  EXPECT_EQ(Run({"restore", "list"}).code, 0);
}

class ComplianceTest : public NounsTest {
 protected:
  ComplianceTest() {
    v1::GetComplianceReportResponse& report = state().report;
    report.set_organization("Example");
    report.mutable_as_of()->set_seconds(1'700'000'000);
    report.set_compliant(1);
    report.set_share(1.0);
    v1::ComplianceRow* good = report.add_rows();
    good->set_state(v1::COMPLIANCE_STATE_COMPLIANT);
    good->set_person_handle("=cmd");
    good->mutable_age()->set_seconds(3600);
  }

  void AddBreach() {
    v1::ComplianceRow* row = state().report.add_rows();
    row->set_state(v1::COMPLIANCE_STATE_OVERDUE);
    row->set_person_handle("bob");
    row->set_last_miss_cause(v1::CAUSE_PASSCODE_NOT_ENTERED);
    row->mutable_last_miss_at()->set_seconds(1'700'000'000 - 7200);
    state().report.set_overdue(1);
    state().report.set_share(0.99999);
  }
};

TEST_F(ComplianceTest, CheckExitsByWhatItFinds) {
  EXPECT_EQ(Run({"compliance", "check"}).code, 0);
  AddBreach();
  const CliResult result = Run({"compliance", "check"});
  EXPECT_EQ(result.code, 8);
  EXPECT_NE(result.out.find("bob"), std::string::npos);
  EXPECT_EQ(result.out.find("=cmd"), std::string::npos) << "the breaches alone";
  const CliResult json = Run({"compliance", "check", "-o", "json"});
  EXPECT_EQ(json.code, 8);
  EXPECT_EQ(json.out.find("=cmd"), std::string::npos);
}

TEST_F(ComplianceTest, TheReportPutsTheWorstFirst) {
  AddBreach();
  const CliResult result = Run({"compliance", "report"});
  EXPECT_EQ(result.code, 0);
  EXPECT_LT(result.out.find("bob"), result.out.find("=cmd"));
  EXPECT_NE(result.out.find("Example"), std::string::npos);
  EXPECT_NE(result.out.find("2023-11-14 22:13:20 UTC"), std::string::npos);
  EXPECT_NE(result.out.find("99.9 %"), std::string::npos) << "never rounded up to all";
  EXPECT_NE(result.out.find("passcode not entered, 2h ago"), std::string::npos) << result.out;
}

TEST_F(ComplianceTest, CsvDisarmsFormulas) {
  const CliResult result = Run({"compliance", "report", "-o", "csv"});
  EXPECT_NE(result.out.find("2023-11-14T22:13:20Z,compliant,'=cmd,"), std::string::npos)
      << result.out;
  EXPECT_NE(result.out.find(",3600,"), std::string::npos);
}

TEST_F(NounsTest, PruneAsksBeforeItDrops) {
  state().prune.set_dropped(1);
  v1::SnapshotMark* mark = state().prune.add_marks();
  mark->set_snapshot_id(FakeId('s'));
  mark->add_reasons("no rule keeps it");
  EXPECT_EQ(Run({"repository", "prune"}).code, 2) << "nobody is there to ask";
  EXPECT_TRUE(state().calls.empty());

  const CliResult plan = Run({"repository", "prune", "--plan"});
  EXPECT_EQ(plan.code, 0);
  EXPECT_NE(plan.out.find("no rule keeps it"), std::string::npos);
  EXPECT_TRUE(state().last_prune.plan());

  in_is_terminal_ = true;
  EXPECT_EQ(Run({"repository", "prune"}, "no\n").code, 6);
  EXPECT_TRUE(state().last_prune.plan()) << "only the plan was asked for";
  EXPECT_EQ(Run({"repository", "prune"}, "yes\n").code, 0);
  EXPECT_FALSE(state().last_prune.plan());
  in_is_terminal_ = false;
  EXPECT_EQ(Run({"repository", "prune", "--yes", "--device", kSerial}).code, 0);
  EXPECT_EQ(state().last_prune.device(), kSerial);
}

class SessionTest : public NounsTest {
 protected:
  v1::Session Make(v1::SessionState session_state) {
    v1::Session session;
    session.set_id(FakeId('e'));
    session.set_serial(kSerial);
    session.set_state(session_state);
    session.mutable_progress()->set_waiting_for(v1::WAITING_FOR_PASSCODE);
    session.mutable_progress()->set_percent(-1);
    return session;
  }
};

TEST_F(SessionTest, AnIdleServerEndsTheWatch) {
  EXPECT_EQ(Run({"session", "watch", "--until-idle"}).code, 0);
  EXPECT_EQ(state().calls, std::vector<std::string>{"ListSessions"});
}

TEST_F(SessionTest, WatchPrintsALineAChange) {
  *state().sessions.add_sessions() = Make(v1::SESSION_STATE_OPEN);
  state().watched = {Make(v1::SESSION_STATE_OPEN), Make(v1::SESSION_STATE_COMMITTED)};
  const CliResult json = Run({"session", "watch", "--until-idle", "-o", "json"});
  EXPECT_EQ(json.code, 0) << json.err;
  ASSERT_EQ(std::count(json.out.begin(), json.out.end(), '\n'), 2) << json.out;
  EXPECT_EQ(json.out.substr(0, 7), "{\"id\":\"");
  EXPECT_NE(json.out.find("\"state\":\"SESSION_STATE_COMMITTED\""), std::string::npos);

  const CliResult table = Run({"session", "watch"});
  EXPECT_NE(table.out.find("waiting for passcode"), std::string::npos) << table.out;
}

TEST_F(SessionTest, SessionsAreListed) {
  v1::Session failed = Make(v1::SESSION_STATE_ABORTED);
  failed.set_cause(v1::CAUSE_UNPLUGGED);
  failed.set_message("the cable came out");
  *state().sessions.add_sessions() = failed;
  const CliResult result = Run({"session", "list"});
  EXPECT_NE(result.out.find("unplugged: the cable came out"), std::string::npos) << result.out;
}

class DoctorTest : public NounsTest {
 protected:
  DoctorTest() {
    state().status.set_version(MOORING_VERSION);
    state().status.set_store_total_bytes(100);
    state().status.set_store_free_bytes(50);
    state().status.set_store_reserve_bytes(10);
    SetServerTime(absl::ZeroDuration());
  }

  void SetServerTime(absl::Duration skew) {
    state().status.mutable_server_time()->set_seconds(absl::ToUnixSeconds(clock_.Now() + skew));
  }
};

TEST_F(DoctorTest, IsContentWithAGoodServer) {
  const CliResult result = Run({"doctor"});
  EXPECT_EQ(result.code, 0) << result.out << result.err;
}

TEST_F(DoctorTest, FindsSkewAFullStoreAndAnOldToken) {
  SetServerTime(absl::Hours(2));
  EXPECT_EQ(Run({"doctor"}).code, 8);
  SetServerTime(absl::ZeroDuration());
  state().status.set_store_free_bytes(5);
  EXPECT_NE(Run({"doctor"}).out.find("FAILED"), std::string::npos);
  state().status.set_store_free_bytes(50);
  state().who.mutable_token_expires_at()->set_seconds(absl::ToUnixSeconds(clock_.Now()) + 3600);
  const CliResult result = Run({"doctor"});
  EXPECT_EQ(result.code, 8);
  EXPECT_NE(result.err.find("get a new token"), std::string::npos) << result.err;
}

TEST_F(DoctorTest, TellsARefusedTokenFromAServerThatIsGone) {
  variables_["MOORING_TOKEN"] = "wrong";
  EXPECT_EQ(Run({"doctor"}).code, 5);
  variables_.erase("MOORING_TOKEN");
  EXPECT_EQ(Run({"doctor", "-o", "json"}).code, 5);
}

TEST_F(DoctorTest, StatusShowsTheStore) {
  const CliResult result = Run({"server", "status"});
  EXPECT_EQ(result.code, 0);
  EXPECT_NE(result.out.find("50 B free of 100 B"), std::string::npos) << result.out;
}

}  // namespace
}  // namespace mooring::testing
