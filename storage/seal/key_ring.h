// The key hierarchy (storage/design/sealing.md): a key-encryption key wraps
// person keys and the few keys of the organization; everything else is derived
// from those or wrapped by them.

#pragma once

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/base/clock.h"
#include "storage/base/file.h"
#include "storage/base/ids.h"
#include "storage/base/secret_bytes.h"

namespace mooring::storage {

// What a wrapped key is for; bound into the wrap.
enum class KeyPurpose : std::uint8_t {
  kPersonKey = 1,
  kPackIndexKey = 2,
  kSnapshotKey = 3,
  kOrganizationKey = 4,
  kCaKey = 5,
  kAuditKey = 6,
  kEscrow = 7,
  kRecoveryKey = 8,
};

// Wraps keys under the KEK. Thread-safe.
class KekProvider {
 public:
  virtual ~KekProvider() = default;
  // A key-wrap blob ("KW", sealing.md) of `key` for `subject` (16 bytes: a person, snapshot, ...).
  virtual absl::StatusOr<Bytes> Wrap(KeyPurpose purpose, ByteView subject, ByteView key) = 0;
  // kDataLoss: damaged, or made for another purpose or subject.
  // kPermissionDenied: another KEK made it.
  virtual absl::StatusOr<SecretBytes> Unwrap(KeyPurpose purpose, ByteView subject,
                                             ByteView wrapped) = 0;
};

// A 32-byte KEK in a file that only its owner may read.
class FileKekProvider final : public KekProvider {
 public:
  // Writes a new KEK file durably. kAlreadyExists if there is one.
  static absl::Status Create(FileSystem& files, Random& random, const std::string& path);
  static absl::StatusOr<std::unique_ptr<FileKekProvider>> Load(FileSystem& files, Random& random,
                                                               Clock& clock,
                                                               const std::string& path);

  absl::StatusOr<Bytes> Wrap(KeyPurpose purpose, ByteView subject, ByteView key) override;
  absl::StatusOr<SecretBytes> Unwrap(KeyPurpose purpose, ByteView subject,
                                     ByteView wrapped) override;

 private:
  FileKekProvider(SecretBytes kek, Random& random, Clock& clock);

  SecretBytes kek_;
  Random& random_;
  Clock& clock_;
};

// One deduplication scope and its secrets, derived from a 32-byte root key
// (PK of a person, or the organization key) by HKDF.
struct DomainKeys {
  DomainId id;
  SecretBytes domain_secret;   // 32 bytes: ChunkSealer.
  SecretBytes chunker_secret;  // 32 bytes: Chunker.
};
DomainKeys DeriveDomainKeys(const SecretBytes& root_key);

// Wraps and unwraps a snapshot key SK under the wrap key derived from PK.
absl::StatusOr<Bytes> WrapSnapshotKey(Random& random, Clock& clock, const SecretBytes& person_key,
                                      const SnapshotId& snapshot, const SecretBytes& snapshot_key);
absl::StatusOr<SecretBytes> UnwrapSnapshotKey(const SecretBytes& person_key,
                                              const SnapshotId& snapshot, ByteView wrapped);

}  // namespace mooring::storage
