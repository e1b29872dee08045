// mooring snapshot export, from the request to the folder.

#include <unistd.h>

#include <string>

#include "admin/cli/export_folder.h"
#include "storage/base/bytes.h"
#include "storage/seal/hpke.h"
#include "tests/unit/admin/cli_test.h"
#include "tests/unit/admin/snapshot_writer.h"

namespace mooring::testing {
namespace {

class SnapshotExportTest : public CliTest {
 protected:
  SnapshotExportTest() {
    writer_.Put("full/Info.plist", "info");
    writer_.Put("full/ab/abcd", std::string(100'000, 'x'));
    root_ = writer_.Finish();
    snapshot_ = root_.header.snapshot.bytes();
    server_.state().snapshots.add_snapshots()->set_id(snapshot_);
    server_.state().open = [this](const v1::OpenSnapshotRequest& request,
                                  v1::OpenSnapshotResponse& response) {
      return Open(request, response);
    };
    server_.state().read = [this](const v1::ReadChunksRequest& request, const auto& write) {
      EXPECT_EQ(request.grant_id(), "grant-id");
      for (const std::string& id : request.ids()) {
        v1::ReadChunksResponse response;
        response.set_chunk(ToString(writer_.chunks()[*ChunkId::FromBytes(id)]));
        write(response);
      }
      return grpc::Status::OK;
    };
  }

  grpc::Status Open(const v1::OpenSnapshotRequest& request, v1::OpenSnapshotResponse& response) {
    if (request.grant_code() != "grant") return {grpc::StatusCode::PERMISSION_DENIED, "no"};
    const SecretBytes key = SecretBytes::Make(random_, 32);
    response.set_grant_id("grant-id");
    response.set_snapshot_id(snapshot_);
    response.set_root(ToString(*storage::SealRoot(key, random_, root_)));
    response.set_sealed_snapshot_key(ToString(
        *storage::HpkeSeal(random_, AsBytes(request.hpke_public_key()), "mooring/snapshot-key/1",
                           AsBytes(answered_id_.empty() ? snapshot_ : answered_id_), key.view())));
    response.mutable_device()->set_serial(serial_);
    return grpc::Status::OK;
  }

  std::vector<std::string> Words(const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"snapshot", "export", ToHex(AsBytes(snapshot_)).substr(0, 12),
                                      "--to", folder()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  std::string folder() { return dir_.path() + "/export"; }

  SnapshotWriter writer_;
  storage::Root root_;
  std::string snapshot_;
  std::string serial_ = "UDID-1";
  std::string answered_id_;
};

TEST_F(SnapshotExportTest, AsksThenExportsWithTheSameCommand) {
  const CliResult asked = Run(Words({"--reason", "copy"}));
  EXPECT_EQ(asked.code, 6) << asked.err;
  EXPECT_NE(asked.err.find("mooring request approve 30303030303030303030303030303030"),
            std::string::npos)
      << asked.err;
  EXPECT_NE(::access(folder().c_str(), F_OK), 0) << "nothing is made before the approval";

  EXPECT_EQ(Run(Words()).code, 6);
  EXPECT_EQ(server_.state().requests.requests_size(), 1) << "the same request again";

  ASSERT_EQ(Run({"request", "approve", "303030"}).code, 0);
  const CliResult exported = Run(Words());
  ASSERT_EQ(exported.code, 0) << exported.err;
  EXPECT_EQ(ReadText(folder() + "/UDID-1/Info.plist"), "info");
  EXPECT_EQ(ReadText(folder() + "/UDID-1/ab/abcd"), std::string(100'000, 'x'));
  EXPECT_TRUE(server_.state().last_finish.succeeded());
  EXPECT_EQ(server_.state().last_finish.file_count(), 2U);

  const CliResult again = Run(Words());
  EXPECT_EQ(again.code, 1) << "the folder holds something";
  EXPECT_EQ(server_.state().requests.requests_size(), 1) << "and nobody was asked";
  EXPECT_EQ(Run(Words({"--force"})).code, 6) << "the grant is used up: a new request";
  EXPECT_EQ(server_.state().requests.requests_size(), 2);
}

TEST_F(SnapshotExportTest, AnothersRequestIsNotOurs) {
  Run(Words());
  server_.state().requests.mutable_requests(0)->set_requested_by("eve");
  EXPECT_EQ(Run(Words()).code, 6);
  EXPECT_EQ(server_.state().requests.requests_size(), 2);
}

TEST_F(SnapshotExportTest, GoesOnWithANamedRequest) {
  Run(Words());
  EXPECT_EQ(Run(Words({"--request", "303030"})).code, 6);
  server_.state().requests.mutable_requests(0)->set_state(v1::REQUEST_STATE_DENIED);
  EXPECT_EQ(Run(Words({"--request", "303030"})).code, 5);
  server_.state().requests.mutable_requests(0)->set_kind(v1::REQUEST_KIND_RESTORE);
  EXPECT_EQ(Run(Words({"--request", "303030"})).code, 2);
}

TEST_F(SnapshotExportTest, WaitsWhenAsked) {
  server_.state().approves_at_once = true;
  const CliResult result = Run(Words({"--wait", "-o", "json"}));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_NE(result.out.find("\"file_count\": \"2\""), std::string::npos) << result.out;
}

TEST_F(SnapshotExportTest, DamageIsCodeNine) {
  server_.state().approves_at_once = true;
  writer_.chunks().begin()->second.back() ^= std::byte{1};
  const CliResult result = Run(Words());
  EXPECT_EQ(result.code, 9);
  EXPECT_NE(result.err.find("full/"), std::string::npos) << result.err;
  EXPECT_FALSE(server_.state().last_finish.succeeded());
}

TEST_F(SnapshotExportTest, AKeyForAnotherSnapshotIsRefused) {
  server_.state().approves_at_once = true;
  answered_id_ = FakeId('x');
  EXPECT_EQ(Run(Words()).code, 9);
  EXPECT_NE(::access(folder().c_str(), F_OK), 0);
}

TEST_F(SnapshotExportTest, AHostileSerialMakesNoFolder) {
  server_.state().approves_at_once = true;
  serial_ = "../evil";
  EXPECT_EQ(Run(Words()).code, 9);
  EXPECT_NE(::access((dir_.path() + "/evil").c_str(), F_OK), 0);
}

}  // namespace
}  // namespace mooring::testing
