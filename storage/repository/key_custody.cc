#include "storage/repository/key_custody.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/key_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/whole_object.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kRootKeyBytes = 32;
constexpr std::uint64_t kWrappedBytesMax = 4096;

absl::StatusOr<std::optional<KeySlot>> GetSlot(Catalog& catalog, const OpContext& ctx,
                                               KeyPurpose purpose, ByteView subject) {
  std::optional<KeySlot> slot;
  MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(slot, tx.keys().Get(purpose, subject));
    return absl::OkStatus();
  }));
  return slot;
}

}  // namespace

absl::StatusOr<Bytes> KeyCustody::MakeObject(const OpContext& ctx, KeyPurpose purpose,
                                             ByteView subject, const std::string& object_key) {
  absl::StatusOr<Bytes> wrapped = ReadSettledObject(objects_, ctx, object_key, kWrappedBytesMax);
  if (absl::IsNotFound(wrapped.status())) {
    const SecretBytes key = SecretBytes::Make(random_, kRootKeyBytes);
    MOORING_ASSIGN_OR_RETURN(Bytes made, kek_.Wrap(purpose, subject, key.view()));
    const absl::Status put = PutAndReadBack(objects_, ctx, object_key, made);
    if (put.ok()) return made;
    if (!absl::IsAlreadyExists(put)) return put;
    // Another server was faster.
    wrapped = ReadSettledObject(objects_, ctx, object_key, kWrappedBytesMax);
  }
  if (!wrapped.ok()) return wrapped.status();
  const absl::StatusOr<SecretBytes> key = kek_.Unwrap(purpose, subject, *wrapped);
  if (key.ok()) return wrapped;
  // Shorter than any such key: torn, and whoever wrote it is about to notice.
  const SecretBytes another = SecretBytes::Make(random_, kRootKeyBytes);
  MOORING_ASSIGN_OR_RETURN(const Bytes whole, kek_.Wrap(purpose, subject, another.view()));
  const std::string what = fmt::format("object {}", object_key);
  if (wrapped->size() < whole.size()) {
    return absl::UnavailableError(
        fmt::format("{}: {} of {} bytes; if it stays so, no key was ever made: remove it", what,
                    wrapped->size(), whole.size()));
  }
  return Annotate(key.status(), what);
}

absl::StatusOr<SecretBytes> KeyCustody::OrganizationKey(const OpContext& ctx, KeyPurpose purpose) {
  MOORING_ASSIGN_OR_RETURN(const std::optional<KeySlot> slot,
                           GetSlot(catalog_, ctx, purpose, kNoSubject));
  if (!slot) {
    return absl::FailedPreconditionError(
        "the catalog has no organization keys; create the repository with mooringd init");
  }
  return kek_.Unwrap(purpose, kNoSubject, slot->wrapped);
}

absl::StatusOr<SecretBytes> KeyCustody::ExistingPersonKey(const OpContext& ctx,
                                                          const PersonId& person) {
  MOORING_ASSIGN_OR_RETURN(const std::optional<KeySlot> slot,
                           GetSlot(catalog_, ctx, KeyPurpose::kPersonKey, person.view()));
  if (!slot) {
    return absl::NotFoundError(fmt::format("person {} has no key (any more)", person.hex()));
  }
  return kek_.Unwrap(KeyPurpose::kPersonKey, person.view(), slot->wrapped);
}

absl::StatusOr<SecretBytes> KeyCustody::PersonKey(const OpContext& ctx, const PersonId& person) {
  absl::StatusOr<SecretBytes> key = ExistingPersonKey(ctx, person);
  if (!absl::IsNotFound(key.status())) return key;
  return MakePersonKey(ctx, person);
}

absl::StatusOr<SecretBytes> KeyCustody::MakePersonKey(const OpContext& ctx,
                                                      const PersonId& person) {
  const std::string object_key = PersonKeyObjectKey(person);
  MOORING_ASSIGN_OR_RETURN(const Bytes wrapped,
                           MakeObject(ctx, KeyPurpose::kPersonKey, person.view(), object_key));
  MOORING_ASSIGN_OR_RETURN(SecretBytes key,
                           kek_.Unwrap(KeyPurpose::kPersonKey, person.view(), wrapped));
  const DomainId domain = DeriveDomainKeys(key).id;
  bool lost_race = false;
  const absl::Status created = catalog_.Run(ctx, [&](Transaction& tx) -> absl::Status {
    lost_race = false;
    const absl::Status slot =
        tx.keys().Create(KeySlot{.purpose = KeyPurpose::kPersonKey,
                                 .subject = Bytes(person.view().begin(), person.view().end()),
                                 .wrapped = wrapped,
                                 .created_at = clock_.Now()});
    if (absl::IsAlreadyExists(slot)) {
      lost_race = true;
      return absl::OkStatus();
    }
    MOORING_RETURN_IF_ERROR(slot);
    MOORING_RETURN_IF_ERROR(tx.chunks().CreateDomain({.id = domain, .person = person}));
    return tx.Audit({.at = clock_.Now(),
                     .actor = "server",
                     .action = "person.key.create",
                     .subject = person.hex()});
  });
  // A commit in doubt is settled by what the catalog says now.
  if (!created.ok() && !absl::IsUnknown(created)) return created;
  if (created.ok() && !lost_race) return key;
  MOORING_ASSIGN_OR_RETURN(const std::optional<KeySlot> winner,
                           GetSlot(catalog_, ctx, KeyPurpose::kPersonKey, person.view()));
  if (!winner) return absl::UnavailableError("the person's key was not stored; try again");
  if (winner->wrapped != wrapped) {
    MOORING_RETURN_IF_ERROR(objects_.Remove(ctx, object_key));
    MOORING_RETURN_IF_ERROR(PutAndReadBack(objects_, ctx, object_key, winner->wrapped));
  }
  return kek_.Unwrap(KeyPurpose::kPersonKey, person.view(), winner->wrapped);
}

}  // namespace mooring::storage
