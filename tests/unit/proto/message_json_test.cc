#include "proto/message_json.h"

#include <string>

#include <gtest/gtest.h>

#include "mooring/v1/fleet.pb.h"
#include "mooring/v1/report.pb.h"
#include "mooring/v1/repository.pb.h"

namespace mooring {
namespace {

TEST(MessageJsonTest, WritesEveryKindOfField) {
  v1::SnapshotMark mark;
  mark.set_snapshot_id("\x01\xAB");
  mark.set_serial("S");
  mark.mutable_created_at()->set_seconds(1'700'000'000);
  mark.set_keep(true);
  mark.add_reasons("keep_last 3");
  EXPECT_EQ(MessageToJsonLine(mark),
            R"({"snapshot_id":"01ab","device_id":"","serial":"S",)"
            R"("created_at":"2023-11-14T22:13:20Z","keep":true,"reasons":["keep_last 3"]})");
}

TEST(MessageJsonTest, WritesNumbersEnumsAndDurations) {
  v1::GetComplianceReportResponse report;
  report.set_share(0.75);
  report.set_compliant(18'446'744'073'709'551'615U);
  v1::ComplianceRow* row = report.add_rows();
  row->set_state(v1::COMPLIANCE_STATE_OVERDUE);
  row->set_policy_version(4'000'000'000U);
  row->mutable_rpo()->set_seconds(12);
  row->mutable_rpo()->set_nanos(500'000'000);
  row->mutable_age()->set_seconds(-3);
  const std::string json = MessageToJsonLine(report);
  EXPECT_NE(json.find(R"("share":0.75)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("compliant":"18446744073709551615")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("state":"COMPLIANCE_STATE_OVERDUE")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("policy_version":4000000000)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("rpo":"12.5s")"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("age":"-3s")"), std::string::npos) << json;
  EXPECT_EQ(json.find("last_capture_at"), std::string::npos) << "an unset time is left out";
}

TEST(MessageJsonTest, AnEmptyListIsStillAList) {
  EXPECT_EQ(MessageToJson(v1::ListDevicesResponse()), "{\n  \"devices\": []\n}");
}

TEST(MessageJsonTest, IndentsNestedMessages) {
  v1::ListInvitationsResponse list;
  list.add_invitations()->set_uses(1);
  EXPECT_EQ(MessageToJson(list),
            "{\n  \"invitations\": [\n    {\n      \"id\": \"\",\n      \"uses_max\": 0,\n"
            "      \"uses\": 1,\n      \"note\": \"\",\n      \"revoked\": false\n    }\n  ]\n}");
}

TEST(MessageJsonTest, EscapesWhatATerminalWouldActUpon) {
  v1::Device device;
  device.set_name("a\"b\\c\n\x1b[2J\xC2\x85\xE2\x80\xAE\xC3\xA9");
  EXPECT_NE(MessageToJsonLine(device).find("\"name\":\"a\\\"b\\\\c\\n\\u001b[2J\\u0085\\u202e"
                                           "\xC3\xA9\""),
            std::string::npos)
      << MessageToJsonLine(device);
}

TEST(MessageJsonTest, ReplacesBytesThatAreNotUtf8) {
  v1::Device device;
  // A lone continuation byte, an overlong slash, a surrogate, a cut sequence.
  for (const std::string name : {"\x80", "\xC0\xAF", "\xED\xA0\x80", "\xE2\x82"}) {
    *device.mutable_name() = name;
    const std::string json = MessageToJsonLine(device);
    EXPECT_NE(json.find("\"name\":\"\xEF\xBF\xBD"), std::string::npos) << json;
    EXPECT_EQ(json.find(name), std::string::npos);
  }
}

TEST(MessageJsonTest, AnUnknownEnumValueIsItsNumber) {
  v1::Device device;
  device.set_platform(static_cast<v1::Platform>(77));
  EXPECT_NE(MessageToJsonLine(device).find("\"platform\":77"), std::string::npos);
}

TEST(MessageJsonTest, FractionsOfASecondKeepTheirDigits) {
  v1::GetServerStatusResponse status;
  status.mutable_server_time()->set_seconds(0);
  status.mutable_server_time()->set_nanos(1'000);
  EXPECT_NE(MessageToJsonLine(status).find("\"server_time\":\"1970-01-01T00:00:00.000001Z\""),
            std::string::npos);
}

TEST(MessageYamlViewTest, IsTheSameTree) {
  v1::PruneRepositoryResponse response;
  response.set_kept(7);
  v1::SnapshotMark* mark = response.add_marks();
  mark->set_snapshot_id("\xFF");
  mark->add_reasons("daily");
  EXPECT_EQ(MessageToYamlView(response),
            "marks:\n- snapshot_id: \"ff\"\n  device_id: \"\"\n  serial: \"\"\n  keep: false\n"
            "  reasons:\n  - \"daily\"\nkept: \"7\"\ndropped: \"0\"\napplied: false\n"
            "pauses: []\ndeferred: \"0\"\nrefused: \"\"\n");
}

TEST(MessageYamlViewTest, EmptyThings) {
  EXPECT_EQ(MessageToYamlView(v1::ListDevicesResponse()), "devices: []\n");
  EXPECT_EQ(MessageToYamlView(v1::ListDevicesRequest()), "person_handle: \"\"\n");
  EXPECT_EQ(MessageToYamlView(v1::ListPeopleRequest()), "{}\n");
}

}  // namespace
}  // namespace mooring
