// Keybag: the keys of an iPhone's encrypted backup, opened with its password.
//
// BackupKeyBag in Manifest.plist is a list of (4-character tag, u32be length,
// value): a header and one group per protection class. The password goes
// through PBKDF2-SHA256 (DPSL, DPIC) and PBKDF2-SHA1 (SALT, ITER); the result
// unwraps each class key (RFC 3394). Manifest.db is AES-256-CBC with a zero IV
// under a key that its class key wraps.

#pragma once

#include <cstdint>
#include <map>
#include <memory>

#include <absl/status/statusor.h>

#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/bytes.h"
#include "storage/base/secret_bytes.h"

namespace mooring::agent {

class Keybag {
 public:
  // Takes seconds of CPU for a real phone's iteration counts. kUnauthenticated:
  // wrong password. kInvalidArgument: not a keybag.
  static absl::StatusOr<Keybag> Open(ByteView keybag, const SecretBytes& password);

  // The key behind `wrapped`: u32le class, then 40 bytes.
  absl::StatusOr<SecretBytes> Unwrap(ByteView wrapped) const;

 private:
  std::map<std::uint32_t, SecretBytes> class_keys_;
};

// `encrypted`, decrypted on the fly at any offset. It must outlive the result.
// kInvalidArgument: not a whole number of AES blocks.
absl::StatusOr<std::unique_ptr<FileReader>> MakeDecryptingReader(FileReader& encrypted,
                                                                 SecretBytes key);

}  // namespace mooring::agent
