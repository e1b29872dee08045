// A certificate request with a new key on a named curve.

#pragma once

#include <string>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "storage/base/bytes.h"

namespace mooring::server::testing {

inline Bytes MakeCsr(const std::string& curve) {
  EVP_PKEY* const key = EVP_EC_gen(curve.c_str());
  X509_REQ* const request = X509_REQ_new();
  X509_REQ_set_pubkey(request, key);
  X509_REQ_sign(request, key, EVP_sha256());
  unsigned char* der = nullptr;
  const int size = i2d_X509_REQ(request, &der);
  const auto view =
      std::as_bytes(std::span<const unsigned char>(der, static_cast<std::size_t>(size)));
  Bytes bytes(view.begin(), view.end());
  OPENSSL_free(der);
  X509_REQ_free(request);
  EVP_PKEY_free(key);
  return bytes;
}

}  // namespace mooring::server::testing
