#include "agent/ios/keybag.h"

#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "tests/support/fake_snapshot.h"

namespace mooring::agent {
namespace {

using mooring::testing::BytesReader;

std::string Field(std::string_view tag, std::string_view value) {
  Bytes length;
  AppendBe32(length, static_cast<std::uint32_t>(value.size()));
  return std::string(tag) + ToString(length) + std::string(value);
}
std::string Number(std::uint32_t value) {
  Bytes bytes;
  AppendBe32(bytes, value);
  return ToString(bytes);
}

const unsigned char* Raw(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Stretch(std::string_view password, std::string_view salt, int rounds,
                    const EVP_MD* digest) {
  std::string out(32, '\0');
  PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()), Raw(salt),
                    static_cast<int>(salt.size()), rounds, digest, 32,
                    reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

std::string Wrap(std::string_view key, std::string_view plain) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  EVP_CIPHER_CTX_set_flags(context, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
  EVP_EncryptInit_ex(context, EVP_aes_256_wrap(), nullptr, Raw(key), nullptr);
  std::string out(64, '\0');
  int written = 0;
  EVP_EncryptUpdate(context, reinterpret_cast<unsigned char*>(out.data()), &written, Raw(plain),
                    static_cast<int>(plain.size()));
  EVP_CIPHER_CTX_free(context);
  out.resize(static_cast<std::size_t>(written));
  return out;
}

const std::string kClassKey(32, 'K');

std::string MakeKeybag(std::string_view password) {
  const std::string first = Stretch(password, "double salt", 20, EVP_sha256());
  const std::string key = Stretch(first, "salt", 10, EVP_sha1());
  return Field("VERS", Number(5)) + Field("TYPE", Number(1)) + Field("UUID", std::string(16, 'u')) +
         Field("WRAP", Number(0)) + Field("SALT", "salt") + Field("ITER", Number(10)) +
         Field("DPSL", "double salt") + Field("DPIC", Number(20)) +
         Field("UUID", std::string(16, 'v')) + Field("CLAS", Number(3)) + Field("WRAP", Number(2)) +
         Field("KTYP", Number(0)) + Field("WPKY", Wrap(key, kClassKey));
}

SecretBytes Secret(std::string_view text) {
  return SecretBytes::CopyOf(AsBytes(text));
}

TEST(KeybagTest, OpensWithItsPasswordAlone) {
  const std::string bag = MakeKeybag("secret");
  const auto opened = Keybag::Open(AsBytes(bag), Secret("secret"));
  ASSERT_TRUE(opened.ok()) << opened.status();
  EXPECT_TRUE(absl::IsUnauthenticated(Keybag::Open(AsBytes(bag), Secret("Secret")).status()));

  const std::string file_key(32, 'F');
  const std::string wrapped = std::string("\x03\0\0\0", 4) + Wrap(kClassKey, file_key);
  const auto unwrapped = opened->Unwrap(AsBytes(wrapped));
  ASSERT_TRUE(unwrapped.ok()) << unwrapped.status();
  EXPECT_EQ(AsText(unwrapped->view()), file_key);
  EXPECT_FALSE(opened->Unwrap(AsBytes(std::string("\x04\0\0\0", 4) + wrapped.substr(4))).ok());
  EXPECT_FALSE(opened->Unwrap(AsBytes("short")).ok());
}

TEST(KeybagTest, DamagedBagsAreRefused) {
  const std::string bag = MakeKeybag("secret");
  for (std::size_t size = 0; size < bag.size(); ++size) {
    EXPECT_FALSE(Keybag::Open(AsBytes(bag.substr(0, size)), Secret("secret")).ok()) << size;
  }
  EXPECT_FALSE(Keybag::Open(AsBytes(std::string(100'000, 'x')), Secret("secret")).ok());
  // A count of iterations that would take hours.
  const std::string endless = Field("UUID", "u") + Field("SALT", "salt") +
                              Field("ITER", Number(0xFFFFFFFF)) + Field("UUID", "v") +
                              Field("WRAP", Number(2)) + Field("WPKY", std::string(40, 'w'));
  EXPECT_TRUE(absl::IsInvalidArgument(Keybag::Open(AsBytes(endless), Secret("s")).status()));
}

TEST(DecryptingReaderTest, DecryptsAtAnyOffset) {
  const std::string key(32, 'F');
  std::string plain;
  for (int i = 0; i < 400; ++i) plain += static_cast<char>('a' + i % 26);
  std::string cipher(400 + 16, '\0');
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  const std::string iv(16, '\0');
  EVP_EncryptInit_ex(context, EVP_aes_256_cbc(), nullptr, Raw(key), Raw(iv));
  EVP_CIPHER_CTX_set_padding(context, 0);
  int written = 0;
  EVP_EncryptUpdate(context, reinterpret_cast<unsigned char*>(cipher.data()), &written, Raw(plain),
                    400);
  EVP_CIPHER_CTX_free(context);
  cipher.resize(400);
  BytesReader encrypted(ToBytes(cipher));
  const auto reader = MakeDecryptingReader(encrypted, Secret(key));
  ASSERT_TRUE(reader.ok());
  for (std::uint64_t offset = 0; offset <= 400; offset += 7) {
    Bytes out(45);
    const auto got = (*reader)->ReadAt(offset, out);
    ASSERT_TRUE(got.ok());
    EXPECT_EQ(AsText(ByteView(out).first(*got)), plain.substr(offset, 45)) << offset;
  }
  BytesReader uneven(ToBytes("seventeen bytes.."));
  EXPECT_FALSE(MakeDecryptingReader(uneven, Secret(key)).ok());
}

}  // namespace
}  // namespace mooring::agent
