// The object store's contract, object lock included, against a genuine Ceph RADOS
// Gateway over TLS.

#include <absl/time/clock.h>

#include "storage/objects/s3_object_store.h"
#include "tests/ceph/ceph_gateway.h"
#include "tests/contract/storage/objects/object_store_contract.h"

namespace mooring::storage {
namespace {

// One gateway for all tests of this program; a bucket for each.
class Gateway : public ::testing::Environment {
 public:
  static testing::CephGateway& Get() { return *Instance(); }
  static std::string NewBucket() {
    static int next = 1;
    return "contract-" + std::to_string(next++);
  }
  void SetUp() override {
    Instance() = std::make_unique<testing::CephGateway>();
    ASSERT_TRUE(Instance()->is_ready());
  }
  void TearDown() override { Instance().reset(); }

 private:
  static std::unique_ptr<testing::CephGateway>& Instance() {
    static std::unique_ptr<testing::CephGateway> instance;
    return instance;
  }
};
const ::testing::Environment* const kGateway =
    ::testing::AddGlobalTestEnvironment(new Gateway);  // gtest owns it.

class CephFixture {
 public:
  CephFixture() : CephFixture(true) {}
  explicit CephFixture(bool with_object_lock) {
    const std::string bucket = Gateway::NewBucket();
    const absl::Status made = Gateway::Get().MakeBucket(bucket, with_object_lock);
    EXPECT_TRUE(made.ok()) << made;
    auto opened = S3ObjectStore::Open({}, Gateway::Get().Settings(bucket),
                                      Gateway::Get().Credentials(), clock_, random_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  S3ObjectStore& store() { return *store_; }
  Clock& clock() { return clock_; }
  // Nothing makes a gateway's time pass but time.
  static constexpr absl::Duration kLock = absl::Seconds(6);
  void Pass(absl::Duration duration) { absl::SleepFor(duration + absl::Seconds(1)); }

 private:
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<S3ObjectStore> store_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Ceph, ObjectStoreContract, CephFixture);

TEST(CephTest, TheProbeFindsWhatTheGatewayCan) {
  // In a bucket with versions it puts another version, whatever the condition.
  CephFixture locked;
  EXPECT_EQ(locked.store().capabilities().Text(),
            "conditional_put=no checksum_sha256=no content_md5=yes etag_is_md5=yes "
            "versioning=yes object_lock=yes");
  CephFixture plain(false);
  EXPECT_EQ(plain.store().capabilities().Text(),
            "conditional_put=yes checksum_sha256=no content_md5=yes etag_is_md5=yes "
            "versioning=no object_lock=no");
}

TEST(CephTest, APlainBucketStoresAndRemoves) {
  CephFixture fixture(false);
  ASSERT_TRUE(fixture.store().Put({}, "packs/ab", AsBytes("body"), absl::InfinitePast()).ok());
  EXPECT_EQ(fixture.store().Stat({}, "packs/ab")->size_bytes, 4u);
  ASSERT_TRUE(fixture.store().Remove({}, "packs/ab").ok());
  EXPECT_TRUE(absl::IsNotFound(fixture.store().Stat({}, "packs/ab").status()));
}

TEST(CephTest, ABucketWithoutObjectLockIsRefusedWhereItIsWanted) {
  SystemClock clock;
  SystemRandom random;
  const std::string bucket = Gateway::NewBucket();
  ASSERT_TRUE(Gateway::Get().MakeBucket(bucket, false).ok());
  S3Settings settings = Gateway::Get().Settings(bucket);
  settings.requires_object_lock = true;
  const auto opened =
      S3ObjectStore::Open({}, settings, Gateway::Get().Credentials(), clock, random);
  EXPECT_TRUE(absl::IsFailedPrecondition(opened.status())) << opened.status();
}

TEST(CephTest, WhatIsNotRightIsNamed) {
  SystemClock clock;
  SystemRandom random;
  S3Settings settings = Gateway::Get().Settings("no-such-bucket");
  const auto no_bucket =
      S3ObjectStore::Open({}, settings, Gateway::Get().Credentials(), clock, random).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(no_bucket)) << no_bucket;
  settings.attempts_max = 2;
  S3Credentials wrong;
  wrong.access_key_id = "NOBODY";
  wrong.secret_access_key = SecretBytes::CopyOf(AsBytes("nothing"));
  const auto refused =
      S3ObjectStore::Open({}, settings, S3CredentialSource::Fixed(std::move(wrong)), clock, random)
          .status();
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  settings.ca_file = "";
  const auto untrusted =
      S3ObjectStore::Open({}, settings, Gateway::Get().Credentials(), clock, random).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(untrusted)) << untrusted;
  EXPECT_NE(untrusted.ToString().find("s3.ca_file"), std::string::npos) << untrusted;
}

}  // namespace
}  // namespace mooring::storage
