#include "storage/repository/repository_impl.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/key_store.h"
#include "storage/catalog/organization_store.h"
#include "storage/objects/object_layout.h"
#include "storage/repository/epoch.h"
#include "storage/repository/store_records.h"
#include "storage/repository/whole_object.h"

namespace mooring::storage {
namespace {

constexpr std::uint64_t kRepositoryObjectBytesMax = 256;

struct RepositoryRows {
  std::optional<RepositoryRecord> repository;
  std::optional<KeySlot> organization_key;
};

absl::StatusOr<RepositoryRows> ReadRows(Catalog& catalog, const OpContext& ctx) {
  RepositoryRows rows;
  MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(rows.repository, tx.organization().GetRepository());
    MOORING_ASSIGN_OR_RETURN(rows.organization_key,
                             tx.keys().Get(KeyPurpose::kOrganizationKey, kNoSubject));
    return absl::OkStatus();
  }));
  return rows;
}

absl::Status WriteRows(Catalog& catalog, const OpContext& ctx, const RepositoryId& id,
                       ByteView organization_key, ByteView pack_index_key,
                       const DomainId& organization_domain, absl::Time now) {
  const auto slot = [now](KeyPurpose purpose, ByteView wrapped) {
    return KeySlot{.purpose = purpose,
                   .subject = Bytes(kNoSubject.begin(), kNoSubject.end()),
                   .wrapped = Bytes(wrapped.begin(), wrapped.end()),
                   .created_at = now};
  };
  return catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.organization().CreateRepository(
        {.id = Bytes(id.view().begin(), id.view().end()), .created_at = now}));
    MOORING_RETURN_IF_ERROR(tx.keys().Create(slot(KeyPurpose::kOrganizationKey, organization_key)));
    MOORING_RETURN_IF_ERROR(tx.keys().Create(slot(KeyPurpose::kPackIndexKey, pack_index_key)));
    MOORING_RETURN_IF_ERROR(
        tx.chunks().CreateDomain({.id = organization_domain, .person = std::nullopt}));
    return tx.Audit(
        {.at = now, .actor = "server", .action = "repository.create", .subject = id.hex()});
  });
}

}  // namespace

// Key objects -> catalog rows -> the object that names the repository. Run
// again after a crash, it goes on where it stopped: the keys that are there are
// used, and rows are accepted if they hold these very keys.
absl::Status Repository::Create(const OpContext& ctx, Catalog& catalog, ObjectStore& objects,
                                KekProvider& kek, Clock& clock, Random& random) {
  const absl::Status exists = objects.Stat(ctx, kRepositoryObjectKey).status();
  if (exists.ok()) {
    return absl::AlreadyExistsError("the object store holds a repository already");
  }
  if (!absl::IsNotFound(exists)) return exists;
  KeyCustody keys(catalog, objects, kek, clock, random);
  MOORING_ASSIGN_OR_RETURN(RepositoryRows rows, ReadRows(catalog, ctx));
  if (rows.repository) {
    // Only a creation that was interrupted has left its keys in this store.
    const absl::StatusOr<Bytes> there =
        ReadSettledObject(objects, ctx, kOrganizationKeyObjectKey, 4096);
    if (!there.ok() && !absl::IsNotFound(there.status())) return there.status();
    if (!there.ok() || !rows.organization_key || *there != rows.organization_key->wrapped) {
      return absl::FailedPreconditionError("the catalog belongs to another repository");
    }
  }
  MOORING_ASSIGN_OR_RETURN(const Bytes organization_wrapped,
                           keys.MakeObject(ctx, KeyPurpose::kOrganizationKey, kNoSubject,
                                           std::string(kOrganizationKeyObjectKey)));
  MOORING_ASSIGN_OR_RETURN(const Bytes pack_index_wrapped,
                           keys.MakeObject(ctx, KeyPurpose::kPackIndexKey, kNoSubject,
                                           std::string(kPackIndexKeyObjectKey)));
  MOORING_ASSIGN_OR_RETURN(
      const SecretBytes organization_key,
      kek.Unwrap(KeyPurpose::kOrganizationKey, kNoSubject, organization_wrapped));
  RepositoryId id = RepositoryId::Make(random);
  if (!rows.repository) {
    const absl::Status written =
        WriteRows(catalog, ctx, id, organization_wrapped, pack_index_wrapped,
                  DeriveDomainKeys(organization_key).id, clock.Now());
    if (!written.ok() && !absl::IsUnknown(written)) return written;
    MOORING_ASSIGN_OR_RETURN(rows, ReadRows(catalog, ctx));
    if (!rows.repository) return absl::UnavailableError("the repository's rows were not stored");
  }
  const std::optional<RepositoryId> stored = RepositoryId::FromBytes(rows.repository->id);
  if (!stored) return absl::DataLossError("the catalog's repository id is damaged");
  return PutAndReadBack(objects, ctx, kRepositoryObjectKey, EncodeRepositoryObject(*stored));
}

absl::StatusOr<std::unique_ptr<Repository>> Repository::Open(const OpContext& ctx, Catalog& catalog,
                                                             ObjectStore& objects, KekProvider& kek,
                                                             Clock& clock, Random& random) {
  const absl::StatusOr<Bytes> object =
      ReadSettledObject(objects, ctx, kRepositoryObjectKey, kRepositoryObjectBytesMax);
  if (absl::IsNotFound(object.status())) {
    return absl::FailedPreconditionError(
        "the object store holds no repository; create it with mooringd init");
  }
  if (!object.ok()) return object.status();
  MOORING_ASSIGN_OR_RETURN(const RepositoryId id, DecodeRepositoryObject(*object));
  MOORING_ASSIGN_OR_RETURN(const RepositoryRows rows, ReadRows(catalog, ctx));
  if (!rows.repository) {
    return absl::FailedPreconditionError(
        "the catalog knows no repository, but the store holds one");
  }
  if (RepositoryId::FromBytes(rows.repository->id) != id) {
    return absl::FailedPreconditionError(
        fmt::format("the store holds repository {}, the catalog belongs to {}", id.hex(),
                    ToHex(rows.repository->id)));
  }
  KeyCustody keys(catalog, objects, kek, clock, random);
  MOORING_ASSIGN_OR_RETURN(SecretBytes organization_key,
                           keys.OrganizationKey(ctx, KeyPurpose::kOrganizationKey));
  MOORING_ASSIGN_OR_RETURN(SecretBytes pack_index_key,
                           keys.OrganizationKey(ctx, KeyPurpose::kPackIndexKey));
  auto repository = std::make_unique<RepositoryImpl>(
      catalog, objects, kek, clock, random, std::move(organization_key), std::move(pack_index_key));
  // In recovery it still opens: what is there can be read, and reconciled.
  const absl::Status guarded = GuardEpoch(ctx, catalog, objects, clock);
  if (!guarded.ok() && !absl::IsFailedPrecondition(guarded)) return guarded;
  MOORING_RETURN_IF_ERROR(repository->FinishDeletions(ctx));
  return repository;
}

RepositoryImpl::RepositoryImpl(Catalog& catalog, ObjectStore& objects, KekProvider& kek,
                               Clock& clock, Random& random, SecretBytes organization_key,
                               SecretBytes pack_index_key)
    : catalog_(catalog),
      objects_(objects),
      clock_(clock),
      random_(random),
      keys_(catalog, objects, kek, clock, random),
      organization_key_(std::move(organization_key)),
      pack_index_key_(std::move(pack_index_key)),
      organization_domain_(DeriveDomainKeys(organization_key_).id),
      reader_(catalog, objects, clock) {}

absl::StatusOr<DomainId> RepositoryImpl::DomainOf(const OpContext& ctx, const PersonId& person) {
  {
    MutexLock lock(mutex_);
    if (const auto found = domains_.find(person); found != domains_.end()) return found->second;
  }
  MOORING_ASSIGN_OR_RETURN(const SecretBytes key, keys_.ExistingPersonKey(ctx, person));
  const DomainId domain = DeriveDomainKeys(key).id;
  MutexLock lock(mutex_);
  domains_[person] = domain;
  return domain;
}

}  // namespace mooring::storage
