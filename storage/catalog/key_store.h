// Key slots: wrapped keys by purpose and subject. Each is also an object under
// keys/, which is durable first; nothing here is secret without its KEK.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/bytes.h"

namespace mooring::storage {

enum class KeyPurpose : std::uint8_t;  // storage/seal/key_ring.h; a number here.

// Subject of the keys of which there is one: 16 zero bytes.
inline constexpr std::array<std::byte, 16> kNoSubject{};

struct KeySlot {
  KeyPurpose purpose{};
  Bytes subject;  // 16 bytes: a person id, a snapshot id, or kNoSubject.
  Bytes wrapped;
  absl::Time created_at;
};

class KeyStore {
 public:
  virtual ~KeyStore() = default;

  // kAlreadyExists: the slot is taken; the transaction goes on, so that the
  // caller can Get the key that won.
  virtual absl::Status Create(const KeySlot& slot) = 0;
  virtual absl::StatusOr<std::optional<KeySlot>> Get(KeyPurpose purpose, ByteView subject) = 0;
  virtual absl::StatusOr<std::vector<KeySlot>> List(KeyPurpose purpose) = 0;
  // Destroys it. OK if it is gone.
  virtual absl::Status Delete(KeyPurpose purpose, ByteView subject) = 0;
};

}  // namespace mooring::storage
