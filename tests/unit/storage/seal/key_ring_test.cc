#include "storage/seal/key_ring.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "tests/unit/storage/test_bytes.h"

namespace mooring::storage {
namespace {

using testing::TestSecret;

class KeyRingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mooring-key-ring-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
    path_ = directory_ + "/kek";
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::unique_ptr<FileKekProvider> Load() {
    return FileKekProvider::Load(RealFileSystem(), random_, clock_, path_).value();
  }

  std::string directory_;
  std::string path_;
  SeededRandom random_{3};
  ManualClock clock_{absl::UnixEpoch() + absl::Hours(1)};
  PersonId person_ = PersonId::Make(random_);
};

TEST_F(KeyRingTest, WrapsAndUnwrapsAfterReload) {
  ASSERT_TRUE(FileKekProvider::Create(RealFileSystem(), random_, path_).ok());
  const SecretBytes key = TestSecret(5);
  const Bytes wrapped = Load()->Wrap(KeyPurpose::kPersonKey, person_.view(), key.view()).value();
  const auto unwrapped = Load()->Unwrap(KeyPurpose::kPersonKey, person_.view(), wrapped);
  ASSERT_TRUE(unwrapped.ok()) << unwrapped.status();
  EXPECT_TRUE(SecretBytes::Equal(unwrapped->view(), key.view()));
}

TEST_F(KeyRingTest, TheFileIsForItsOwnerAlone) {
  ASSERT_TRUE(FileKekProvider::Create(RealFileSystem(), random_, path_).ok());
  struct stat info {};
  ASSERT_EQ(stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  for (const unsigned mode : {0640U, 0604U, 0644U}) {
    ASSERT_EQ(chmod(path_.c_str(), mode), 0);
    EXPECT_EQ(FileKekProvider::Load(RealFileSystem(), random_, clock_, path_).status().code(),
              absl::StatusCode::kPermissionDenied);
  }
}

TEST_F(KeyRingTest, CreateNeverReplacesAKey) {
  ASSERT_TRUE(FileKekProvider::Create(RealFileSystem(), random_, path_).ok());
  const Bytes before = RealFileSystem().Read(path_, 1000).value();
  EXPECT_EQ(FileKekProvider::Create(RealFileSystem(), random_, path_).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(RealFileSystem().Read(path_, 1000).value(), before);
  EXPECT_EQ(RealFileSystem().List(directory_).value().size(), 1U);
}

TEST_F(KeyRingTest, CreateGetsOverTheLeftoverOfACrash) {
  const auto leftover = RealFileSystem().Create(path_ + ".new").value();
  ASSERT_TRUE(leftover->Append(AsBytes("mooring-k")).ok());
  ASSERT_TRUE(leftover->Close().ok());
  EXPECT_TRUE(FileKekProvider::Create(RealFileSystem(), random_, path_).ok());
  EXPECT_TRUE(FileKekProvider::Load(RealFileSystem(), random_, clock_, path_).ok());
}

TEST_F(KeyRingTest, RefusesAFileThatIsNotAKey) {
  const std::string good(64, 'a');
  for (const std::string& text :
       {std::string(), std::string("mooring-kek-1:"), "mooring-kek-1:" + good.substr(1),
        "mooring-kek-1:" + good.substr(1) + "x\n", "mooring-kek-2:" + good + "\n",
        "mooring-kek-1:" + good + "\n\n", "mooring-kek-1:" + good + "a"}) {
    ASSERT_TRUE(WriteFileDurably(RealFileSystem(), path_, AsBytes(text)).ok());
    EXPECT_FALSE(FileKekProvider::Load(RealFileSystem(), random_, clock_, path_).ok()) << text;
  }
  ASSERT_TRUE(
      WriteFileDurably(RealFileSystem(), path_, AsBytes("mooring-kek-1:" + good + "\n")).ok());
  EXPECT_TRUE(FileKekProvider::Load(RealFileSystem(), random_, clock_, path_).ok());
}

TEST_F(KeyRingTest, AWrapIsBoundToPurposeSubjectAndKek) {
  ASSERT_TRUE(FileKekProvider::Create(RealFileSystem(), random_, path_).ok());
  const auto kek = Load();
  const Bytes wrapped =
      kek->Wrap(KeyPurpose::kPersonKey, person_.view(), TestSecret(5).view()).value();
  EXPECT_EQ(kek->Unwrap(KeyPurpose::kEscrow, person_.view(), wrapped).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(
      kek->Unwrap(KeyPurpose::kPersonKey, PersonId::Make(random_).view(), wrapped).status().code(),
      absl::StatusCode::kDataLoss);

  const std::string other_path = directory_ + "/other";
  ASSERT_TRUE(FileKekProvider::Create(RealFileSystem(), random_, other_path).ok());
  const auto other = FileKekProvider::Load(RealFileSystem(), random_, clock_, other_path).value();
  EXPECT_EQ(other->Unwrap(KeyPurpose::kPersonKey, person_.view(), wrapped).status().code(),
            absl::StatusCode::kPermissionDenied);
}

TEST_F(KeyRingTest, RefusesEveryChangedByteAndEveryLength) {
  ASSERT_TRUE(FileKekProvider::Create(RealFileSystem(), random_, path_).ok());
  const auto kek = Load();
  const Bytes wrapped =
      kek->Wrap(KeyPurpose::kPersonKey, person_.view(), TestSecret(5).view()).value();
  for (std::size_t at = 0; at < wrapped.size(); ++at) {
    Bytes bad = wrapped;
    bad[at] ^= std::byte{0x04};
    EXPECT_FALSE(kek->Unwrap(KeyPurpose::kPersonKey, person_.view(), bad).ok()) << at;
    EXPECT_EQ(kek->Unwrap(KeyPurpose::kPersonKey, person_.view(), ByteView(wrapped).first(at))
                  .status()
                  .code(),
              absl::StatusCode::kDataLoss);
  }
  Bytes longer = wrapped;
  longer.push_back(std::byte{0});
  EXPECT_FALSE(kek->Unwrap(KeyPurpose::kPersonKey, person_.view(), longer).ok());
}

// Purpose and subject stand in the authenticated header: rewriting them in the
// blob to match the request does not help.
TEST_F(KeyRingTest, ARewrittenHeaderIsNotAuthentic) {
  ASSERT_TRUE(FileKekProvider::Create(RealFileSystem(), random_, path_).ok());
  const auto kek = Load();
  Bytes wrapped = kek->Wrap(KeyPurpose::kEscrow, person_.view(), TestSecret(5).view()).value();
  wrapped[4] = static_cast<std::byte>(KeyPurpose::kPersonKey);
  EXPECT_EQ(kek->Unwrap(KeyPurpose::kPersonKey, person_.view(), wrapped).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST_F(KeyRingTest, RefusesToWrapNothingTooMuchOrForNobody) {
  ASSERT_TRUE(FileKekProvider::Create(RealFileSystem(), random_, path_).ok());
  const auto kek = Load();
  const SecretBytes key = TestSecret(5);
  EXPECT_FALSE(kek->Wrap(KeyPurpose::kCaKey, person_.view(), {}).ok());
  EXPECT_FALSE(kek->Wrap(KeyPurpose::kCaKey, person_.view(), Bytes(16385)).ok());
  EXPECT_FALSE(kek->Wrap(KeyPurpose::kCaKey, person_.view().first(15), key.view()).ok());
  EXPECT_TRUE(kek->Wrap(KeyPurpose::kCaKey, person_.view(), Bytes(16384)).ok());
}

TEST_F(KeyRingTest, ASnapshotKeyOpensForItsPersonAndSnapshotOnly) {
  const SnapshotId snapshot = SnapshotId::Make(random_);
  const Bytes wrapped =
      WrapSnapshotKey(random_, clock_, TestSecret(1), snapshot, TestSecret(2)).value();
  const SecretBytes expected = TestSecret(2);
  EXPECT_TRUE(SecretBytes::Equal(UnwrapSnapshotKey(TestSecret(1), snapshot, wrapped)->view(),
                                 expected.view()));
  EXPECT_EQ(UnwrapSnapshotKey(TestSecret(3), snapshot, wrapped).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(UnwrapSnapshotKey(TestSecret(1), SnapshotId::Make(random_), wrapped).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(DomainKeysTest, SecretsDifferFromEachOtherAndBetweenRoots) {
  const DomainKeys one = DeriveDomainKeys(TestSecret(1));
  const DomainKeys again = DeriveDomainKeys(TestSecret(1));
  const DomainKeys two = DeriveDomainKeys(TestSecret(2));
  EXPECT_EQ(one.id, again.id);
  EXPECT_TRUE(SecretBytes::Equal(one.domain_secret.view(), again.domain_secret.view()));
  EXPECT_NE(one.id, two.id);
  EXPECT_FALSE(SecretBytes::Equal(one.domain_secret.view(), two.domain_secret.view()));
  EXPECT_FALSE(SecretBytes::Equal(one.domain_secret.view(), one.chunker_secret.view()));
}

}  // namespace
}  // namespace mooring::storage
