// KeyCustody: who makes, stores and unwraps the keys of the repository. The
// object under keys/ is durable first, then the catalog's row; where two servers
// race, the row decides and the object follows it.

#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"
#include "storage/catalog/catalog.h"
#include "storage/objects/object_store.h"
#include "storage/seal/key_ring.h"

namespace mooring::storage {

// Thread-safe. Its parts outlive it.
class KeyCustody {
 public:
  KeyCustody(Catalog& catalog, ObjectStore& objects, KekProvider& kek, Clock& clock, Random& random)
      : catalog_(catalog), objects_(objects), kek_(kek), clock_(clock), random_(random) {}

  // A wrapped key for `purpose` in the object `key`: what is there, if it
  // unwraps, else a new one, durable. The way of Repository::Create.
  absl::StatusOr<Bytes> MakeObject(const OpContext& ctx, KeyPurpose purpose, ByteView subject,
                                   const std::string& object_key);

  // A key of the organization. kFailedPrecondition: the catalog has none.
  absl::StatusOr<SecretBytes> OrganizationKey(const OpContext& ctx, KeyPurpose purpose);

  // The person's key; made, with the person's domain, on first use.
  absl::StatusOr<SecretBytes> PersonKey(const OpContext& ctx, const PersonId& person);

  // kNotFound: there is none (any more).
  absl::StatusOr<SecretBytes> ExistingPersonKey(const OpContext& ctx, const PersonId& person);

 private:
  absl::StatusOr<SecretBytes> MakePersonKey(const OpContext& ctx, const PersonId& person);

  Catalog& catalog_;
  ObjectStore& objects_;
  KekProvider& kek_;
  Clock& clock_;
  Random& random_;
};

}  // namespace mooring::storage
