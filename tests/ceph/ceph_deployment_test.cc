// One whole backup and restore with the shipped binaries, the repository in a bucket
// of a genuine Ceph RADOS Gateway with object lock.

#include <gtest/gtest.h>

#include "storage/objects/object_layout.h"
#include "storage/objects/s3_object_store.h"
#include "tests/ceph/ceph_gateway.h"
#include "tests/e2e/deployment.h"

namespace mooring::testing {
namespace {

TEST(CephDeploymentTest, ABackupGoesIntoALockedBucketAndComesBack) {
  CephGateway ceph;
  ASSERT_TRUE(ceph.is_ready());
  ASSERT_TRUE(ceph.MakeBucket("company-backups", true).ok());
  Deployment d("", {"--repository", "s3://company-backups/mooring", "--s3-endpoint", ceph.https(),
                    "--s3-region", "default", "--s3-ca-file", ceph.ca_file(),
                    "--s3-credentials-file", ceph.credentials_file(), "--object-lock-days", "1"});
  d.Enroll("desk");
  d.StartFarm("usb", {"--phones", "1", "--seed", "11"});
  d.StartAgent("desk", "usb");
  const std::string phone = d.Phones("usb").at(0);
  d.AwaitDevice(phone);
  d.Assign(phone, "alice");
  const RunResult first = d.Backup("desk", phone);
  ASSERT_EQ(first.exit_code, 0) << first.out << first.err;
  const std::string content = d.Content("usb", phone);

  // Packs are locked, and the record of the commit once a round of the job has come:
  // one runs at the start.
  ASSERT_TRUE(d.StopServer());
  d.StartServer();
  SystemClock clock;
  SystemRandom random;
  storage::S3Settings settings = ceph.Settings("company-backups");
  settings.prefix = "mooring";
  auto store = storage::S3ObjectStore::Open({}, settings, ceph.Credentials(), clock, random);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto unlocked_among = [&](bool wanted) {
    std::vector<std::string> keys;
    const absl::Status listed = (*store)->List({}, "", [&](const storage::ObjectInfo& info) {
      const bool is_retained = info.key.rfind(storage::kPackPrefix, 0) == 0 ||
                               storage::CommitRecordOfObjectKey(info.key).has_value();
      const auto stat = (*store)->Stat({}, info.key);
      if (!stat.ok()) return stat.status();
      const bool is_locked = stat->locked_until > clock.Now() + absl::Hours(23);
      if (is_retained == wanted && is_locked != wanted) keys.push_back(info.key);
      return absl::OkStatus();
    });
    EXPECT_TRUE(listed.ok()) << listed;
    return keys;
  };
  EXPECT_TRUE(Eventually([&] { return unlocked_among(true).empty(); }));
  EXPECT_TRUE(unlocked_among(false).empty()) << "locked: " << unlocked_among(false).front();

  d.Farm("usb", {"mutate", phone});
  ASSERT_TRUE(Eventually([&] { return d.Backup("desk", phone).exit_code == 0; }));
  const std::string changed = d.Content("usb", phone);
  EXPECT_NE(changed, content);
  const std::string spare = d.AddPhone("usb", {"empty"});
  const RunResult restored = d.Restore(phone, spare);
  EXPECT_EQ(restored.exit_code, 0) << restored.out << restored.err;
  EXPECT_EQ(d.Content("usb", spare), changed);
  const Json snapshot = d.LatestSnapshot(phone);
  EXPECT_EQ(d.Mooring({"snapshot", "verify", snapshot.value("id", "")}).exit_code, 0);
}

}  // namespace
}  // namespace mooring::testing
