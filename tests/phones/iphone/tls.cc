#include "tests/phones/iphone/tls.h"

#include <utility>

#include <openssl/decoder.h>
#include <openssl/encoder.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

using X509Ptr = std::unique_ptr<X509, SslDeleter>;
using BioPtr = std::unique_ptr<BIO, SslDeleter>;

X509Ptr ParseCertificate(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

std::string EncodePem(EVP_PKEY* key, int selection, const char* structure) {
  OSSL_ENCODER_CTX* encoder =
      OSSL_ENCODER_CTX_new_for_pkey(key, selection, "PEM", structure, nullptr);
  const BioPtr bio(BIO_new(BIO_s_mem()));
  std::string pem;
  if (OSSL_ENCODER_to_bio(encoder, bio.get()) == 1) {
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &text);
    pem.assign(text, static_cast<std::size_t>(length));
  }
  OSSL_ENCODER_CTX_free(encoder);
  return pem;
}

// The chain is compared byte by byte after the handshake (Channel::StartTls):
// a phone knows its hosts' certificates and trusts no authority.
int AcceptAnyChain(int, X509_STORE_CTX*) {
  return 1;
}

}  // namespace

absl::StatusOr<PhoneKey> PhoneKey::Make() {
  EVP_PKEY* key = EVP_RSA_gen(2048);
  if (key == nullptr) return absl::InternalError("could not make the phone's RSA key");
  return PhoneKey(key);
}

absl::StatusOr<PhoneKey> PhoneKey::FromPem(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr);
  if (key == nullptr) return absl::DataLossError("the stored phone key cannot be read");
  return PhoneKey(key);
}

std::string PhoneKey::PrivatePem() const {
  return EncodePem(key_.get(), EVP_PKEY_KEYPAIR, "PrivateKeyInfo");
}

std::string PhoneKey::PublicPkcs1Pem() const {
  return EncodePem(key_.get(), EVP_PKEY_PUBLIC_KEY, "type-specific");
}

absl::Status CheckDeviceCertificate(const std::string& pem, const PhoneKey& key) {
  const X509Ptr certificate = ParseCertificate(pem);
  if (certificate == nullptr) return absl::InvalidArgumentError("not a certificate");
  if (EVP_PKEY_eq(X509_get0_pubkey(certificate.get()), key.get()) != 1) {
    return absl::InvalidArgumentError("the device certificate is not over this phone's key");
  }
  return absl::OkStatus();
}

absl::StatusOr<TlsEndpoint> TlsEndpoint::Make(const PhoneKey& key, const HostTrust& trust) {
  TlsEndpoint endpoint;
  endpoint.context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* context = endpoint.context_.get();
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, AcceptAnyChain);
  const X509Ptr device = ParseCertificate(trust.device_certificate_pem);
  endpoint.host_ = ParseCertificate(trust.host_certificate_pem);
  endpoint.root_ = ParseCertificate(trust.root_certificate_pem);
  if (device == nullptr || endpoint.host_ == nullptr || endpoint.root_ == nullptr) {
    return absl::FailedPreconditionError("the pairing holds an unreadable certificate");
  }
  if (SSL_CTX_use_certificate(context, device.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return absl::FailedPreconditionError("the device certificate does not fit the phone's key");
  }
  return endpoint;
}

}  // namespace mooring::testing
