// The keybag of an encrypted backup: class keys wrapped under the backup password.
//
// Layout (BackupKeyBag in Manifest.plist): a sequence of four-letter tag, u32
// big-endian length, value. First the header (VERS, TYPE, UUID, HMCK, WRAP, SALT,
// ITER, DPWT, DPIC, DPSL), then for each class UUID, CLAS, WRAP, KTYP, WPKY.
// The key that wraps them is PBKDF2-HMAC-SHA1(PBKDF2-HMAC-SHA256(password, DPSL,
// DPIC), SALT, ITER).

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "storage/base/random.h"

namespace mooring::testing {

struct KeybagCost {
  // A real phone takes 10,000,000 and 10,000: seconds of CPU.
  std::uint32_t first_iterations = 1000;
  std::uint32_t second_iterations = 1000;
};

// Immutable once made, hence safe to share between threads.
class Keybag {
 public:
  static Keybag Make(std::string_view password, KeybagCost cost, Random& random);
  // kPermissionDenied: wrong password. kInvalidArgument: not a keybag.
  static absl::StatusOr<Keybag> Unlock(std::string_view encoded, std::string_view password);

  const std::string& encoded() const { return encoded_; }

  // What EncryptionKey and ManifestKey hold: u32 little-endian class, then the
  // 32-byte `key` wrapped under that class's key.
  std::string WrapForClass(std::uint32_t protection_class, std::string_view key) const;
  std::optional<std::string> UnwrapForClass(std::string_view wrapped) const;

 private:
  std::string encoded_;
  std::map<std::uint32_t, std::string> class_keys_;
};

}  // namespace mooring::testing
