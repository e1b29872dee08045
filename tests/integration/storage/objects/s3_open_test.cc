// Opening a bucket: what is probed, what is refused; and the requests as others
// see them.

#include <sstream>

#include <gmock/gmock.h>

#include "tests/integration/storage/objects/s3_fixture.h"

namespace mooring::storage {
namespace {

using ::testing::HasSubstr;
using testing::MiniS3Fault;

class S3OpenTest : public S3Test {};

TEST_F(S3OpenTest, TheProbeFindsOutWhatTheBucketCanDoAndLeavesNothing) {
  Start();
  EXPECT_EQ(store_->capabilities().Text(),
            "conditional_put=yes checksum_sha256=yes content_md5=yes etag_is_md5=yes "
            "versioning=yes object_lock=yes");
  int objects = 0;
  const absl::Status listed = store_->List({}, "", [&objects](const ObjectInfo&) {
    ++objects;
    return absl::OkStatus();
  });
  EXPECT_TRUE(listed.ok()) << listed;
  EXPECT_EQ(objects, 0);
  Start({.conditional_put = false,
         .checksum_sha256 = false,
         .etag_is_md5 = false,
         .versioning = false});
  EXPECT_EQ(store_->capabilities().Text(),
            "conditional_put=no checksum_sha256=no content_md5=yes etag_is_md5=no "
            "versioning=no object_lock=no");
}

TEST_F(S3OpenTest, ABucketThatCannotWhatIsConfiguredIsRefused) {
  Start({.versioning = false});
  settings_.requires_object_lock = true;
  const absl::Status status = Open().status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_THAT(status.ToString(), HasSubstr("object_lock_days is set"));
  EXPECT_TRUE(absl::IsFailedPrecondition(Put("a", "b", clock_.Now() + absl::Hours(1))));
}

TEST_F(S3OpenTest, ABucketThatLocksEverythingIsRefusedForTheKeysSake) {
  server_ =
      std::make_unique<testing::MiniS3>(clock_, testing::MiniS3Options{.default_retention = true});
  WriteCredentials(server_->options().access_key, server_->options().secret_key);
  EXPECT_THAT(Open().status().ToString(), HasSubstr("default retention"));
}

TEST_F(S3OpenTest, AMissingBucketAndAMissingPermissionAreNamed) {
  Start();
  server_->Fail(MiniS3Fault::kDenied, "/backups/probe/", 1'000);
  EXPECT_THAT(Open().status().ToString(), HasSubstr("s3:ListBucket"));
  server_->Heal();
  server_->Fail(MiniS3Fault::kDenied, "object-lock", 1'000);
  EXPECT_THAT(Open().status().ToString(), HasSubstr("s3:GetBucketObjectLockConfiguration"));
  server_->Heal();
  server_->Fail(MiniS3Fault::kDenied, "DELETE", 1'000);
  EXPECT_THAT(Open().status().ToString(), HasSubstr("s3:DeleteObject"));
}

TEST_F(S3OpenTest, AStoreThatIsNotThereIsUnavailable) {
  Start();
  S3Settings settings;
  settings.bucket = "backups";
  settings.endpoint = "http://127.0.0.1:1";
  settings.attempts_max = 2;
  auto credentials = S3CredentialSource::FromFile(RealFileSystem(), credentials_file());
  const auto opened = S3ObjectStore::Open({}, settings, *std::move(credentials), clock_, random_);
  EXPECT_TRUE(absl::IsUnavailable(opened.status())) << opened.status();
}

TEST_F(S3OpenTest, ConnectionsAreKept) {
  Start();
  const int before = server_->http().connections();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Put("packs/" + std::to_string(i), "body").ok());
  EXPECT_LE(server_->http().connections() - before, 1);
}

TEST_F(S3OpenTest, SpaceIsTheQuotaLessWhatIsThere) {
  settings_.quota_bytes = 1'000;
  Start();
  ASSERT_TRUE(Put("packs/ab", std::string(300, 'x')).ok());
  EXPECT_EQ(store_->Space({})->free_bytes, 700u);
  ASSERT_TRUE(Put("packs/cd", std::string(800, 'x')).ok());
  EXPECT_EQ(store_->Space({})->free_bytes, 700u);  // Counted now and then.
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(store_->Space({})->free_bytes, 0u);
  EXPECT_EQ(store_->Space({})->total_bytes, 1'000u);
}

TEST_F(S3OpenTest, ForeignObjectsInTheBucketAreNotOurs) {
  settings_.prefix = "org";
  Start();
  server_->SetBody("orgs/a", "x");
  server_->SetBody("org/UPPER", "x");
  ASSERT_TRUE(Put("packs/ab", "body").ok());
  std::vector<std::string> keys;
  const absl::Status listed = store_->List({}, "", [&keys](const ObjectInfo& info) {
    keys.push_back(info.key);
    return absl::OkStatus();
  });
  EXPECT_TRUE(listed.ok()) << listed;
  EXPECT_EQ(keys, (std::vector<std::string>{"packs/ab"}));
}

// MiniS3 checks signatures by code of its own; curl's signer, a third, passes too, and
// a request that was changed on its way does not.
TEST_F(S3OpenTest, CurlsSignaturesAndOursAreTheSame) {
  Start();
  ASSERT_TRUE(Put("packs/ab", "body").ok());
  const std::string empty_sha256 = ToHex(S3Sha256({}));
  const auto curl = [&](const std::string& secret) {
    return testing::RunProgram(
        {"curl", "-sS", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
         server_->options().access_key + ":" + secret, "-H",
         "x-amz-content-sha256: " + empty_sha256, server_->endpoint() + "/backups/packs/ab"});
  };
  const testing::RunResult good = curl(server_->options().secret_key);
  EXPECT_EQ(good.out, "body") << good.err;
  const testing::MiniHttpRequest theirs = server_->last_request();
  EXPECT_THAT(curl("wrong").out, HasSubstr("SignatureDoesNotMatch"));

  // Signed again by us, as it came.
  SigV4Request ours;
  ours.method = theirs.method;
  ours.path = theirs.target;
  ours.payload_sha256_hex = empty_sha256;
  std::string error;
  ASSERT_TRUE(
      absl::ParseTime("%E4Y%m%dT%H%M%SZ", theirs.headers.at("x-amz-date"), &ours.at, &error));
  const std::string& their_authorization = theirs.headers.at("authorization");
  const std::size_t names_at = their_authorization.find("SignedHeaders=") + 14;
  std::stringstream names(
      their_authorization.substr(names_at, their_authorization.find(',', names_at) - names_at));
  for (std::string name; std::getline(names, name, ';');) {
    ours.headers.emplace_back(name, theirs.headers.at(name));
  }
  EXPECT_GE(ours.headers.size(), 3u);
  S3Credentials credentials;
  credentials.access_key_id = server_->options().access_key;
  credentials.secret_access_key = SecretBytes::CopyOf(AsBytes(server_->options().secret_key));
  const std::string authorization = SigV4Authorization(ours, {.region = "us-east-1"}, credentials);
  EXPECT_EQ(authorization.substr(authorization.find("Signature=")),
            their_authorization.substr(their_authorization.find("Signature=")));
}

}  // namespace
}  // namespace mooring::storage
