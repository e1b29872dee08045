#include "storage/seal/hpke.h"

#include <gtest/gtest.h>

#include "storage/seal/hpke_schedule.h"
#include "tests/unit/storage/test_bytes.h"

namespace mooring::storage {
namespace {

using testing::Hex;

constexpr HpkeAead kAes128Gcm = {0x0001, 16};

// RFC 9180, A.1.1: the KEM and the key schedule, with the AEAD of that section.
TEST(HpkeTest, MatchesRfc9180) {
  const Bytes enc = Hex("37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431");
  const Bytes recipient = Hex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d");
  const SecretBytes ephemeral_private =
      SecretBytes::CopyOf(Hex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736"));
  const SecretBytes recipient_private =
      SecretBytes::CopyOf(Hex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8"));
  EXPECT_EQ(X25519PublicKey(ephemeral_private).value(), enc);
  EXPECT_EQ(X25519PublicKey(recipient_private).value(), recipient);

  const SecretBytes sent = HpkeSharedSecret(ephemeral_private, recipient, enc, recipient).value();
  const SecretBytes received = HpkeSharedSecret(recipient_private, enc, enc, recipient).value();
  EXPECT_EQ(ToHex(sent.view()), "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc");
  EXPECT_TRUE(SecretBytes::Equal(sent.view(), received.view()));

  const HpkeContext context = HpkeKeySchedule(kAes128Gcm, sent, "Ode on a Grecian Urn");
  EXPECT_EQ(ToHex(context.key.view()), "4531685d41d65f03dc48f6b8302c05b0");
  EXPECT_EQ(ToHex(context.base_nonce), "56d890e5accaaf011cff4b7d");
}

class HpkeRoundTripTest : public ::testing::Test {
 protected:
  SeededRandom random_{7};
  HpkeKeyPair pair_ = MakeHpkeKeyPair(random_).value();
  Bytes sealed_ =
      HpkeSeal(random_, pair_.public_key, "info", AsBytes("aad"), AsBytes("the key")).value();
};

TEST_F(HpkeRoundTripTest, Opens) {
  const auto opened = HpkeOpen(pair_.private_key, "info", AsBytes("aad"), sealed_);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(AsText(opened->view()), "the key");
  EXPECT_EQ(HpkePublicKey(pair_.private_key).value(), pair_.public_key);
}

TEST_F(HpkeRoundTripTest, EachMessageHasItsOwnEphemeralKey) {
  const Bytes again =
      HpkeSeal(random_, pair_.public_key, "info", AsBytes("aad"), AsBytes("the key")).value();
  EXPECT_NE(again, sealed_);
}

TEST_F(HpkeRoundTripTest, AnEmptyMessageOpens) {
  const Bytes sealed = HpkeSeal(random_, pair_.public_key, "", {}, {}).value();
  EXPECT_TRUE(HpkeOpen(pair_.private_key, "", {}, sealed).value().empty());
}

TEST_F(HpkeRoundTripTest, RefusesAnotherKeyInfoOrAad) {
  const HpkeKeyPair other = MakeHpkeKeyPair(random_).value();
  EXPECT_EQ(HpkeOpen(other.private_key, "info", AsBytes("aad"), sealed_).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_FALSE(HpkeOpen(pair_.private_key, "Info", AsBytes("aad"), sealed_).ok());
  EXPECT_FALSE(HpkeOpen(pair_.private_key, "info", AsBytes("add"), sealed_).ok());
}

TEST_F(HpkeRoundTripTest, RefusesEveryChangedByteAndEveryTruncation) {
  for (std::size_t at = 0; at < sealed_.size(); ++at) {
    Bytes bad = sealed_;
    bad[at] ^= std::byte{0x01};
    EXPECT_EQ(HpkeOpen(pair_.private_key, "info", AsBytes("aad"), bad).status().code(),
              absl::StatusCode::kDataLoss)
        << at;
    EXPECT_FALSE(
        HpkeOpen(pair_.private_key, "info", AsBytes("aad"), ByteView(sealed_).first(at)).ok());
  }
}

TEST_F(HpkeRoundTripTest, RefusesAPublicKeyOfLowOrderOrWrongLength) {
  Bytes one(32);
  one[0] = std::byte{1};
  for (const Bytes& bad : {Bytes(32), one, Bytes(31), Bytes()}) {
    EXPECT_EQ(HpkeSeal(random_, bad, "info", {}, AsBytes("x")).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
  Bytes forged = sealed_;
  std::fill(forged.begin(), forged.begin() + 32, std::byte{0});
  EXPECT_EQ(HpkeOpen(pair_.private_key, "info", AsBytes("aad"), forged).status().code(),
            absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace mooring::storage
