#include "storage/seal/hpke.h"

#include <array>
#include <initializer_list>
#include <memory>

#include <openssl/evp.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/seal/aead.h"
#include "storage/seal/digest.h"
#include "storage/seal/hpke_schedule.h"

namespace mooring::storage {
namespace {

constexpr std::uint16_t kKemX25519 = 0x0020;
constexpr std::uint16_t kKdfHkdfSha256 = 0x0001;
constexpr std::string_view kVersion = "HPKE-v1";

struct FreeKey {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct FreeKeyContext {
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
};
using Key = std::unique_ptr<EVP_PKEY, FreeKey>;

const unsigned char* In(ByteView bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

void AppendBe16(Bytes& out, std::uint16_t value) {
  out.push_back(static_cast<std::byte>(value >> 8));
  out.push_back(static_cast<std::byte>(value & 0xff));
}

Bytes KemSuite() {
  Bytes suite = ToBytes("KEM");
  AppendBe16(suite, kKemX25519);
  return suite;
}

Bytes HpkeSuite(const HpkeAead& aead) {
  Bytes suite = ToBytes("HPKE");
  AppendBe16(suite, kKemX25519);
  AppendBe16(suite, kKdfHkdfSha256);
  AppendBe16(suite, aead.id);
  return suite;
}

SecretBytes LabeledExtract(ByteView suite, ByteView salt, std::string_view label, ByteView input) {
  return HkdfExtract(salt, {AsBytes(kVersion), suite, AsBytes(label), input});
}

SecretBytes LabeledExpand(ByteView suite, const SecretBytes& key, std::string_view label,
                          ByteView info, std::size_t bytes) {
  Bytes length;
  AppendBe16(length, static_cast<std::uint16_t>(bytes));
  return HkdfExpand(key.view(), {length, AsBytes(kVersion), suite, AsBytes(label), info}, bytes);
}

absl::StatusOr<Key> PrivateKey(const SecretBytes& bytes) {
  if (bytes.size() != kX25519Bytes) {
    return absl::InvalidArgumentError("hpke: a private key has 32 bytes");
  }
  Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, In(bytes.view()), kX25519Bytes));
  if (key == nullptr) return absl::InvalidArgumentError("hpke: not a private key");
  return key;
}

absl::Status NotSealedHere() {
  return absl::DataLossError("hpke: damaged, or sealed to another key or for another purpose");
}

}  // namespace

absl::StatusOr<Bytes> X25519PublicKey(const SecretBytes& private_key) {
  MOORING_ASSIGN_OR_RETURN(const Key key, PrivateKey(private_key));
  Bytes out(kX25519Bytes);
  std::size_t length = out.size();
  MOORING_CHECK(EVP_PKEY_get_raw_public_key(key.get(), reinterpret_cast<unsigned char*>(out.data()),
                                            &length) == 1 &&
                length == out.size());
  return out;
}

absl::StatusOr<SecretBytes> HpkeSharedSecret(const SecretBytes& own, ByteView peer, ByteView enc,
                                             ByteView recipient_public) {
  MOORING_ASSIGN_OR_RETURN(const Key own_key, PrivateKey(own));
  if (peer.size() != kX25519Bytes) {
    return absl::InvalidArgumentError("hpke: a public key has 32 bytes");
  }
  const Key peer_key(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, In(peer), kX25519Bytes));
  const std::unique_ptr<EVP_PKEY_CTX, FreeKeyContext> context(
      EVP_PKEY_CTX_new_from_pkey(nullptr, own_key.get(), nullptr));
  MOORING_CHECK(peer_key != nullptr && context != nullptr);
  SecretBytes dh(kX25519Bytes);
  std::size_t length = dh.size();
  // OpenSSL refuses an all-zero result, as RFC 9180 (7.1.4) asks: a low-order point.
  if (EVP_PKEY_derive_init(context.get()) != 1 ||
      EVP_PKEY_derive_set_peer(context.get(), peer_key.get()) != 1 ||
      EVP_PKEY_derive(context.get(), reinterpret_cast<unsigned char*>(dh.writable().data()),
                      &length) != 1 ||
      length != dh.size()) {
    return absl::InvalidArgumentError("hpke: not a usable public key");
  }
  const Bytes suite = KemSuite();
  const SecretBytes eae_prk = LabeledExtract(suite, {}, "eae_prk", dh.view());
  Bytes kem_context(enc.begin(), enc.end());
  Append(kem_context, recipient_public);
  return LabeledExpand(suite, eae_prk, "shared_secret", kem_context, kSha256Bytes);
}

HpkeContext HpkeKeySchedule(const HpkeAead& aead, const SecretBytes& shared_secret,
                            std::string_view info) {
  const Bytes suite = HpkeSuite(aead);
  Bytes context = {std::byte{0}};  // Mode: base.
  Append(context, LabeledExtract(suite, {}, "psk_id_hash", {}).view());
  Append(context, LabeledExtract(suite, {}, "info_hash", AsBytes(info)).view());
  const SecretBytes secret = LabeledExtract(suite, shared_secret.view(), "secret", {});
  HpkeContext out;
  out.key = LabeledExpand(suite, secret, "key", context, aead.key_bytes);
  const SecretBytes nonce = LabeledExpand(suite, secret, "base_nonce", context, kAeadNonceBytes);
  out.base_nonce.assign(nonce.view().begin(), nonce.view().end());
  return out;
}

absl::StatusOr<HpkeKeyPair> MakeHpkeKeyPair(Random& random) {
  HpkeKeyPair pair;
  pair.private_key = SecretBytes::Make(random, kX25519Bytes);
  MOORING_ASSIGN_OR_RETURN(pair.public_key, X25519PublicKey(pair.private_key));
  return pair;
}

absl::StatusOr<Bytes> HpkePublicKey(const SecretBytes& private_key) {
  return X25519PublicKey(private_key);
}

absl::StatusOr<Bytes> HpkeSeal(Random& random, ByteView public_key, std::string_view info,
                               ByteView aad, ByteView plaintext) {
  if (plaintext.size() > kAeadMessageBytesMax) {
    return absl::InvalidArgumentError("hpke: message too long");
  }
  MOORING_ASSIGN_OR_RETURN(const HpkeKeyPair ephemeral, MakeHpkeKeyPair(random));
  MOORING_ASSIGN_OR_RETURN(
      const SecretBytes shared,
      HpkeSharedSecret(ephemeral.private_key, public_key, ephemeral.public_key, public_key));
  const HpkeContext context = HpkeKeySchedule(kHpkeAes256Gcm, shared, info);
  Bytes sealed = ephemeral.public_key;
  sealed.resize(kX25519Bytes + plaintext.size() + kAeadTagBytes);
  AeadSeal(context.key.view(), context.base_nonce, {aad}, plaintext,
           std::span(sealed).subspan(kX25519Bytes));
  return sealed;
}

absl::StatusOr<SecretBytes> HpkeOpen(const SecretBytes& private_key, std::string_view info,
                                     ByteView aad, ByteView sealed) {
  if (sealed.size() < kX25519Bytes + kAeadTagBytes || sealed.size() > kAeadMessageBytesMax) {
    return NotSealedHere();
  }
  MOORING_ASSIGN_OR_RETURN(const Bytes public_key, X25519PublicKey(private_key));
  const ByteView enc = sealed.first(kX25519Bytes);
  const absl::StatusOr<SecretBytes> shared = HpkeSharedSecret(private_key, enc, enc, public_key);
  if (!shared.ok()) return NotSealedHere();
  const HpkeContext context = HpkeKeySchedule(kHpkeAes256Gcm, *shared, info);
  const ByteView body = sealed.subspan(kX25519Bytes);
  SecretBytes plaintext(body.size() - kAeadTagBytes);
  if (!AeadOpen(context.key.view(), context.base_nonce, {aad}, body, plaintext.writable()).ok()) {
    return NotSealedHere();
  }
  return plaintext;
}

}  // namespace mooring::storage
