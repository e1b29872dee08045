// AuthKey: the RSA key of a host, as adb sends it, and what it signed.

#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>
#include <openssl/evp.h>

namespace mooring::testing::android {

inline constexpr std::size_t kAuthTokenBytes = 20;

class AuthKey {
 public:
  // `text` is base64 of Android's RSAPublicKey, then a space and who it is.
  static absl::StatusOr<AuthKey> Parse(std::string_view text);

  // A PKCS#1 v1.5 signature in which the token takes the place of a SHA-1 digest.
  bool Signed(std::string_view token, std::string_view signature) const;

 private:
  using KeyPointer = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
  explicit AuthKey(KeyPointer key) : key_(std::move(key)) {}

  KeyPointer key_;
};

}  // namespace mooring::testing::android
