#include "tests/contract/storage/objects/object_store_contract.h"

#include "storage/objects/disk_object_store.h"
#include "storage/objects/faulty_object_store.h"
#include "storage/objects/memory_object_store.h"
#include "storage/objects/s3_object_store.h"
#include "tests/support/eager_clock.h"
#include "tests/support/mini_s3.h"
#include "tests/support/subprocess.h"

namespace mooring::storage {
namespace {

class DiskFixture {
 public:
  DiskFixture()
      : clock_(absl::Now()),
        store_(*DiskObjectStore::Open(RealFileSystem(), clock_, random_, dir_.path() + "/r")) {}
  ObjectStore& store() { return *store_; }
  Clock& clock() { return clock_; }
  static constexpr absl::Duration kLock = absl::Hours(24);
  void Pass(absl::Duration duration) { clock_.Advance(duration); }

 private:
  testing::TempDir dir_;
  ManualClock clock_;
  SystemRandom random_;
  std::unique_ptr<DiskObjectStore> store_;
};

class MemoryFixture {
 public:
  ObjectStore& store() { return store_; }
  Clock& clock() { return clock_; }
  static constexpr absl::Duration kLock = absl::Hours(24);
  void Pass(absl::Duration duration) { clock_.Advance(duration); }

 private:
  ManualClock clock_{absl::Now()};
  MemoryObjectStore store_{clock_};
};

class FaultlessFixture {
 public:
  ObjectStore& store() { return store_; }
  Clock& clock() { return clock_; }
  static constexpr absl::Duration kLock = absl::Hours(24);
  void Pass(absl::Duration duration) { clock_.Advance(duration); }

 private:
  ManualClock clock_{absl::Now()};
  MemoryObjectStore memory_{clock_};
  FaultyObjectStore store_{memory_};
};

// Waits of the store take no time, and none of its client's either.
class S3Fixture {
 public:
  explicit S3Fixture(testing::MiniS3Options options = {}) : server_(clock_, std::move(options)) {
    S3Settings settings;
    settings.bucket = server_.options().bucket;
    settings.prefix = "org/mooring";
    settings.endpoint = server_.endpoint();
    S3Credentials credentials;
    credentials.access_key_id = server_.options().access_key;
    credentials.secret_access_key = SecretBytes::CopyOf(AsBytes(server_.options().secret_key));
    auto opened = S3ObjectStore::Open(
        {}, settings, S3CredentialSource::Fixed(std::move(credentials)), clock_, random_);
    EXPECT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  ObjectStore& store() { return *store_; }
  Clock& clock() { return clock_; }
  static constexpr absl::Duration kLock = absl::Hours(24);
  void Pass(absl::Duration duration) { clock_.Advance(duration); }

 private:
  testing::EagerClock clock_{absl::Now()};
  SystemRandom random_;
  testing::MiniS3 server_;
  std::unique_ptr<S3ObjectStore> store_;
};

// As Ceph and older stores: no checksum of SHA-256, and HEAD before every PUT.
class PlainS3Fixture : public S3Fixture {
 public:
  PlainS3Fixture() : S3Fixture({.conditional_put = false, .checksum_sha256 = false}) {}
};

// As under a KMS: an ETag that tells nothing.
class OpaqueS3Fixture : public S3Fixture {
 public:
  OpaqueS3Fixture() : S3Fixture({.checksum_sha256 = false, .etag_is_md5 = false}) {}
};

INSTANTIATE_TYPED_TEST_SUITE_P(S3, ObjectStoreContract, S3Fixture);
INSTANTIATE_TYPED_TEST_SUITE_P(PlainS3, ObjectStoreContract, PlainS3Fixture);
INSTANTIATE_TYPED_TEST_SUITE_P(OpaqueS3, ObjectStoreContract, OpaqueS3Fixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Disk, ObjectStoreContract, DiskFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Memory, ObjectStoreContract, MemoryFixture);
INSTANTIATE_TYPED_TEST_SUITE_P(Faulty, ObjectStoreContract, FaultlessFixture);

}  // namespace
}  // namespace mooring::storage
