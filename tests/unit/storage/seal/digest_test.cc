#include "storage/seal/digest.h"

#include <gtest/gtest.h>

#include "tests/unit/storage/test_bytes.h"

namespace mooring::storage {
namespace {

using testing::Hex;

TEST(DigestTest, Sha256OfAbc) {
  EXPECT_EQ(ToHex(Sha256(AsBytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(DigestTest, PiecesHashLikeTheWhole) {
  Sha256Stream stream;
  stream.Update(AsBytes("a"));
  stream.Update({});
  stream.Update(AsBytes("bc"));
  EXPECT_EQ(stream.Finish(), Sha256(AsBytes("abc")));
}

// RFC 4231, test case 1.
TEST(DigestTest, HmacMatchesRfc4231) {
  const Bytes key(20, std::byte{0x0b});
  EXPECT_EQ(ToHex(HmacSha256(key, {AsBytes("Hi "), AsBytes("There")})),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
}

// RFC 5869, A.1.
TEST(DigestTest, HkdfMatchesRfc5869) {
  const Bytes input(22, std::byte{0x0b});
  const SecretBytes key = HkdfExtract(Hex("000102030405060708090a0b0c"), {input});
  EXPECT_EQ(ToHex(key.view()), "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5");
  EXPECT_EQ(ToHex(HkdfExpand(key.view(), {Hex("f0f1f2f3f4f5f6f7f8f9")}, 42).view()),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
}

// RFC 5869, A.3: no salt and no info.
TEST(DigestTest, HkdfWithoutSaltMatchesRfc5869) {
  const Bytes input(22, std::byte{0x0b});
  const SecretBytes key = HkdfExtract({}, {input});
  EXPECT_EQ(ToHex(HkdfExpand(key.view(), {}, 42).view()),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

}  // namespace
}  // namespace mooring::storage
