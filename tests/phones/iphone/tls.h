// The phone's end of TLS: it is the server, shows the certificate that the host
// issued for it at pairing, and wants one of the host's certificates back.

#pragma once

#include <memory>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

namespace mooring::testing {

struct SslDeleter {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(BIO* bio) const { BIO_free(bio); }
};

// The phone's RSA key. Immutable after Make, hence safe to share between threads.
class PhoneKey {
 public:
  static absl::StatusOr<PhoneKey> Make();
  static absl::StatusOr<PhoneKey> FromPem(const std::string& pem);
  std::string PrivatePem() const;
  std::string PublicPkcs1Pem() const;  // lockdownd's DevicePublicKey.
  EVP_PKEY* get() const { return key_.get(); }

 private:
  explicit PhoneKey(EVP_PKEY* key) : key_(key, SslDeleter()) {}
  std::shared_ptr<EVP_PKEY> key_;
};

// What a host handed over when it paired.
struct HostTrust {
  std::string host_id;
  std::string device_certificate_pem;
  std::string host_certificate_pem;
  std::string root_certificate_pem;
  std::string escrow_bag;
};

// Whether `pem` is a certificate over the public half of `key`.
absl::Status CheckDeviceCertificate(const std::string& pem, const PhoneKey& key);

// One configured context. Security level 0, in this context alone: libimobiledevice
// 1.3.0 signs its certificates with SHA-1.
class TlsEndpoint {
 public:
  static absl::StatusOr<TlsEndpoint> Make(const PhoneKey& key, const HostTrust& trust);

 private:
  friend class Channel;
  std::unique_ptr<SSL_CTX, SslDeleter> context_;
  std::unique_ptr<X509, SslDeleter> host_;
  std::unique_ptr<X509, SslDeleter> root_;
};

class TlsStream {
 public:
  explicit TlsStream(SSL* ssl) : ssl_(ssl) {}
  SSL* get() const { return ssl_.get(); }

 private:
  std::unique_ptr<SSL, SslDeleter> ssl_;
};

}  // namespace mooring::testing
