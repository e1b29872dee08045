#include "server/auth/x509.h"

#include <array>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "storage/base/status.h"
#include "storage/seal/digest.h"

namespace mooring::server {
namespace {

using BioHandle = std::unique_ptr<BIO, decltype(&BIO_free)>;

BioHandle MemoryBio() {
  return {BIO_new(BIO_s_mem()), &BIO_free};
}

ByteView BioBytes(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return AsBytes({data, static_cast<std::size_t>(size)});
}

absl::Status Failed(std::string_view what) {
  return absl::InternalError(fmt::format("{}: {}", what, OpensslError()));
}

absl::Status AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  if (value.empty()) return absl::OkStatus();
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str());
  if (extension == nullptr) return Failed("cannot make a certificate extension");
  const int added = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return added == 1 ? absl::OkStatus() : Failed("cannot add a certificate extension");
}

absl::Status SetName(X509_NAME* name, const CertificateProfile& profile) {
  const auto add = [&](const char* field, const std::string& value) {
    // X.520 bounds both fields to 64 characters.
    const std::string bounded = value.substr(0, 64);
    return value.empty() ||
           X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(bounded.data()),
                                      static_cast<int>(bounded.size()), -1, 0) == 1;
  };
  if (!add("O", profile.organization) || !add("CN", profile.common_name)) {
    return Failed("cannot set a certificate's name");
  }
  return absl::OkStatus();
}

absl::Status SetSerial(X509* certificate, Random& random) {
  std::array<std::byte, 16> bytes;
  random.Fill(bytes);
  bytes[0] &= std::byte{0x7f};  // Serial numbers are positive.
  bytes[0] |= std::byte{0x40};
  BIGNUM* number = BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()),
                             static_cast<int>(bytes.size()), nullptr);
  const bool set = number != nullptr &&
                   BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set ? absl::OkStatus() : Failed("cannot set a serial number");
}

}  // namespace

std::string OpensslError() {
  std::array<char, 256> text{};
  const unsigned long code = ERR_get_error();
  if (code == 0) return "no further reason";
  ERR_error_string_n(code, text.data(), text.size());
  ERR_clear_error();
  return text.data();
}

absl::StatusOr<KeyHandle> MakeP256Key() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  if (key == nullptr) return Failed("cannot make a P-256 key");
  return KeyHandle(key, &EVP_PKEY_free);
}

absl::StatusOr<SecretBytes> PrivateKeyDer(const KeyHandle& key) {
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key.get());
  if (info == nullptr) return Failed("cannot write a private key");
  unsigned char* der = nullptr;
  const int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  PKCS8_PRIV_KEY_INFO_free(info);
  if (size <= 0) return Failed("cannot write a private key");
  const auto bytes = static_cast<std::size_t>(size);
  SecretBytes result =
      SecretBytes::CopyOf(std::as_bytes(std::span<const unsigned char>(der, bytes)));
  OPENSSL_clear_free(der, bytes);
  return result;
}

absl::StatusOr<KeyHandle> PrivateKeyFromDer(const SecretBytes& der) {
  const auto* at = reinterpret_cast<const unsigned char*>(der.view().data());
  EVP_PKEY* key = d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size()));
  if (key == nullptr) return absl::DataLossError("not a private key: " + OpensslError());
  return KeyHandle(key, &EVP_PKEY_free);
}

absl::StatusOr<SecretBytes> PrivateKeyPem(const KeyHandle& key) {
  const BioHandle bio = MemoryBio();
  if (bio == nullptr || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0,
                                                      nullptr, nullptr) != 1) {
    return Failed("cannot write a private key");
  }
  return SecretBytes::CopyOf(BioBytes(bio.get()));
}

bool IsP256(const EVP_PKEY* key) {
  std::array<char, 64> group{};
  std::size_t length = 0;
  return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
         EVP_PKEY_get_group_name(key, group.data(), group.size(), &length) == 1 &&
         std::string_view(group.data(), length) == "prime256v1";
}

absl::StatusOr<Bytes> HashPublicKey(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return Failed("cannot write a public key");
  const auto digest = storage::Sha256(
      std::as_bytes(std::span<const unsigned char>(der, static_cast<std::size_t>(size))));
  OPENSSL_free(der);
  return Bytes(digest.begin(), digest.end());
}

absl::StatusOr<CertificateHandle> CertificateFromPem(std::string_view pem) {
  const BioHandle bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())), &BIO_free);
  X509* certificate =
      bio == nullptr ? nullptr : PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr);
  if (certificate == nullptr) {
    return absl::InvalidArgumentError("not a PEM certificate: " + OpensslError());
  }
  return CertificateHandle(certificate, &X509_free);
}

absl::StatusOr<std::string> CertificatePem(X509* certificate) {
  const BioHandle bio = MemoryBio();
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return Failed("cannot write a certificate");
  }
  return ToString(BioBytes(bio.get()));
}

absl::Time NotAfter(const X509* certificate) {
  std::tm time{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &time) != 1) return absl::InfinitePast();
  return absl::FromTM(time, absl::UTCTimeZone());
}

absl::StatusOr<CertificateHandle> IssueCertificate(const CertificateProfile& profile,
                                                   EVP_PKEY* subject_key, X509* issuer,
                                                   EVP_PKEY* issuer_key, Random& random) {
  const CertificateHandle certificate(X509_new(), &X509_free);
  if (certificate == nullptr) return Failed("cannot make a certificate");
  X509* const x509 = certificate.get();
  X509* const signer = issuer == nullptr ? x509 : issuer;
  MOORING_RETURN_IF_ERROR(SetSerial(x509, random));
  MOORING_RETURN_IF_ERROR(SetName(X509_get_subject_name(x509), profile));
  if (X509_set_version(x509, X509_VERSION_3) != 1 ||
      ASN1_TIME_set(X509_getm_notBefore(x509), absl::ToTimeT(profile.not_before)) == nullptr ||
      ASN1_TIME_set(X509_getm_notAfter(x509), absl::ToTimeT(profile.not_after)) == nullptr ||
      X509_set_pubkey(x509, subject_key) != 1 ||
      X509_set_issuer_name(x509, X509_get_subject_name(signer)) != 1) {
    return Failed("cannot fill a certificate");
  }
  MOORING_RETURN_IF_ERROR(
      AddExtension(x509, signer, NID_basic_constraints, profile.basic_constraints));
  MOORING_RETURN_IF_ERROR(AddExtension(x509, signer, NID_key_usage, profile.key_usage));
  MOORING_RETURN_IF_ERROR(
      AddExtension(x509, signer, NID_ext_key_usage, profile.extended_key_usage));
  MOORING_RETURN_IF_ERROR(AddExtension(x509, signer, NID_subject_key_identifier, "hash"));
  MOORING_RETURN_IF_ERROR(AddExtension(x509, signer, NID_authority_key_identifier, "keyid:always"));
  MOORING_RETURN_IF_ERROR(
      AddExtension(x509, signer, NID_subject_alt_name, profile.alternative_names));
  if (X509_sign(x509, issuer_key, EVP_sha256()) <= 0) return Failed("cannot sign a certificate");
  return certificate;
}

}  // namespace mooring::server
