#include "server/auth/certificate_request.h"

#include <memory>
#include <utility>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "server/auth/x509.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

absl::Status Refused(std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("certificate request: {}", why));
}

}  // namespace

absl::StatusOr<CertificateRequest> CertificateRequest::Parse(ByteView der) {
  if (der.empty()) return Refused("empty");
  if (der.size() > kCertificateRequestBytesMax) {
    return Refused(
        fmt::format("{} bytes; at most {} are read", der.size(), kCertificateRequestBytesMax));
  }
  const auto* const begin = reinterpret_cast<const unsigned char*>(der.data());
  const auto* at = begin;
  const std::unique_ptr<X509_REQ, decltype(&X509_REQ_free)> request(
      d2i_X509_REQ(nullptr, &at, static_cast<long>(der.size())), &X509_REQ_free);
  if (request == nullptr) {
    ERR_clear_error();
    return Refused("not PKCS#10 in DER");
  }
  if (at != begin + der.size()) return Refused("bytes after its end");
  EVP_PKEY* const key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || !IsP256(key)) {
    ERR_clear_error();
    return Refused("its key is not on P-256");
  }
  if (X509_REQ_verify(request.get(), key) != 1) {
    ERR_clear_error();
    return Refused("its signature is not of its key");
  }
  MOORING_ASSIGN_OR_RETURN(Bytes hash, HashPublicKey(key));
  EVP_PKEY_up_ref(key);
  return CertificateRequest(KeyHandle(key, &EVP_PKEY_free), std::move(hash));
}

}  // namespace mooring::server
