#include "storage/care/rebuild.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/care/pack_check.h"
#include "storage/care/rebuild_work.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/collection_store.h"
#include "storage/catalog/key_store.h"
#include "storage/catalog/organization_store.h"
#include "storage/catalog/pack_store.h"
#include "storage/catalog/person_store.h"
#include "storage/collection/doom_journal.h"
#include "storage/objects/object_layout.h"
#include "storage/pack/pack.h"
#include "storage/repository/audit_detail.h"
#include "storage/repository/epoch.h"
#include "storage/repository/whole_object.h"
#include "storage/seal/digest.h"
#include "storage/seal/key_wrap.h"

namespace mooring::storage {
namespace {

constexpr std::uint64_t kWrappedBytesMax = kWrappedKeyBytesMax + 4096;
constexpr std::uint64_t kTombstoneBytesMax = 8192;
constexpr std::size_t kRemarksMax = 1000;
// Between two exports far fewer chunks are numbered than this (256 TiB of them),
// and without any export those of before were fewer than that. Sets of numbers
// below 2^32 are the faster ones, so there is no more room than it takes.
constexpr std::int64_t kNumberGap = std::int64_t{1} << 28;
constexpr std::int64_t kNumbersWithoutExport = std::int64_t{1} << 31;

bool IsDamage(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsDataLoss(status);
}

KeySlot SlotOf(KeyPurpose purpose, ByteView subject, const Bytes& wrapped, absl::Time at) {
  return {.purpose = purpose,
          .subject = Bytes(subject.begin(), subject.end()),
          .wrapped = wrapped,
          .created_at = at};
}

}  // namespace

absl::StatusOr<RebuildSummary> RebuildCatalog(
    const OpContext& ctx, const RebuildParts& parts,
    absl::FunctionRef<void(const RebuildProgress&)> progress) {
  return RebuildWork(ctx, parts, progress).Run();
}

absl::StatusOr<RebuildSummary> ReconcileCatalog(
    const OpContext& ctx, const RebuildParts& parts,
    absl::FunctionRef<void(const RebuildProgress&)> progress) {
  return RebuildWork(ctx, parts, progress).Reconcile();
}

absl::Status LeaveJournaledPacks(const OpContext& ctx, Catalog& catalog, Healer& healer,
                                 RebuildSummary& summary) {
  for (const PackId& pack : summary.journaled) {
    std::vector<ChunkLocation> rows;
    MOORING_RETURN_IF_ERROR(catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(rows, tx.care().ChunksOfPack(pack));
      return absl::OkStatus();
    }));
    std::erase_if(rows, [](const ChunkLocation& row) {
      return row.state != ChunkState::kLive && row.state != ChunkState::kCondemned;
    });
    if (rows.empty()) continue;
    MOORING_ASSIGN_OR_RETURN(const HealOutcome outcome,
                             healer.Heal(ctx, pack, rows, "a doom journal names it"));
    summary.chunks_lost += outcome.lost;
  }
  return absl::OkStatus();
}

void RebuildWork::Remark(std::string text) {
  if (summary_.remarks.size() < kRemarksMax) summary_.remarks.push_back(std::move(text));
}

absl::StatusOr<RebuildSummary> RebuildWork::Run() {
  MOORING_RETURN_IF_ERROR(OpenStore());
  MOORING_RETURN_IF_ERROR(ChooseExport());
  MOORING_ASSIGN_OR_RETURN(load_, CatalogLoad::Begin(ctx_, parts_.database_url, parts_.clock));
  MOORING_RETURN_IF_ERROR(LoadExport());
  MOORING_RETURN_IF_ERROR(EnsureOrganization());
  MOORING_RETURN_IF_ERROR(ReadTombstones());
  MOORING_RETURN_IF_ERROR(ReadJournals());
  MOORING_RETURN_IF_ERROR(EnterKeys());
  MOORING_RETURN_IF_ERROR(EnterPacks());
  MOORING_RETURN_IF_ERROR(EnterSnapshots());
  MOORING_RETURN_IF_ERROR(FinishExported());
  MOORING_RETURN_IF_ERROR(ApplyTombstones());
  MOORING_RETURN_IF_ERROR(Settle());
  MOORING_RETURN_IF_ERROR(load_->Commit());
  return std::move(summary_);
}

absl::StatusOr<RebuildSummary> RebuildWork::Reconcile() {
  is_reconciliation_ = true;
  MOORING_RETURN_IF_ERROR(OpenStore());
  MOORING_ASSIGN_OR_RETURN(load_, CatalogLoad::BeginOnExisting(ctx_, parts_.database_url));
  MOORING_ASSIGN_OR_RETURN(const auto repository, load_->tx().organization().GetRepository());
  if (!repository || ToString(repository->id) != repository_.bytes()) {
    return absl::FailedPreconditionError("the catalog belongs to another repository");
  }
  // Numbers that were given out since the copy was made are not given out again.
  MOORING_ASSIGN_OR_RETURN(const auto last,
                           load_->Query("SELECT coalesce(pg_sequence_last_value("
                                        "pg_get_serial_sequence('chunk', 'no')::regclass), 0)",
                                        {}));
  MOORING_RETURN_IF_ERROR(
      load_->NumberAbove({.table = "chunk",
                          .column = "no",
                          .last = std::stoll(last.at(0).at(0).value_or("0")) + kNumberGap}));
  MOORING_RETURN_IF_ERROR(ReadTombstones());
  MOORING_RETURN_IF_ERROR(ReadJournals());
  MOORING_RETURN_IF_ERROR(EnterKeys());
  MOORING_RETURN_IF_ERROR(EnterPacks());
  MOORING_RETURN_IF_ERROR(LosePacks());
  MOORING_RETURN_IF_ERROR(EnterSnapshots());
  MOORING_RETURN_IF_ERROR(ApplyTombstones());
  MOORING_RETURN_IF_ERROR(Settle());
  MOORING_RETURN_IF_ERROR(load_->Commit());
  return std::move(summary_);
}

absl::Status RebuildWork::OpenStore() {
  const absl::StatusOr<Bytes> object =
      ReadSettledObject(parts_.objects, ctx_, kRepositoryObjectKey, 4096);
  if (absl::IsNotFound(object.status())) {
    return absl::FailedPreconditionError("the object store holds no repository");
  }
  MOORING_RETURN_IF_ERROR(object.status());
  MOORING_ASSIGN_OR_RETURN(repository_, DecodeRepositoryObject(*object));
  const auto unwrap = [&](KeyPurpose purpose, std::string_view key) -> absl::StatusOr<SecretBytes> {
    const absl::StatusOr<Bytes> wrapped =
        ReadSettledObject(parts_.objects, ctx_, key, kWrappedBytesMax);
    if (absl::IsNotFound(wrapped.status())) {
      return absl::FailedPreconditionError(
          fmt::format("object {} is missing: without it nothing can be read", key));
    }
    MOORING_RETURN_IF_ERROR(wrapped.status());
    absl::StatusOr<SecretBytes> unwrapped = parts_.kek.Unwrap(purpose, kNoSubject, *wrapped);
    if (absl::IsPermissionDenied(unwrapped.status())) {
      return absl::FailedPreconditionError(
          "the key-encryption key of the recovery kit is not this repository's");
    }
    return unwrapped;
  };
  MOORING_ASSIGN_OR_RETURN(organization_key_,
                           unwrap(KeyPurpose::kOrganizationKey, kOrganizationKeyObjectKey));
  MOORING_ASSIGN_OR_RETURN(pack_index_key_,
                           unwrap(KeyPurpose::kPackIndexKey, kPackIndexKeyObjectKey));
  return absl::OkStatus();
}

absl::Status RebuildWork::ChooseExport() {
  MOORING_ASSIGN_OR_RETURN(const std::vector<ExportInfo> exports,
                           ListExports(ctx_, parts_.objects));
  for (const ExportInfo& info : exports) {
    Report("check exports", summary_.exports_unreadable);
    bool is_ours = true;
    bool is_too_new = false;
    const absl::Status read =
        ReadExport(ctx_, parts_.objects, organization_key_, info,
                   [&](const format::v1::CatalogExportRecord& record) -> absl::Status {
                     if (!record.has_header()) return absl::OkStatus();
                     is_ours = record.header().repository_id() == repository_.bytes();
                     is_too_new = record.header().schema_version() >
                                  static_cast<std::uint32_t>(SchemaVersion());
                     return absl::OkStatus();
                   });
    if (read.ok() && is_too_new) {
      return absl::FailedPreconditionError(
          fmt::format("{} was written by a newer mooringd: rebuild with that version", info.name));
    }
    if (read.ok() && is_ours) {
      export_ = info;
      summary_.export_name = info.name;
      summary_.export_made_at = info.made_at;
      return absl::OkStatus();
    }
    if (!read.ok() && !IsDamage(read) && !absl::IsPermissionDenied(read)) return read;
    ++summary_.exports_unreadable;
    Remark(fmt::format("{} cannot be used: {}", info.name,
                       read.ok() ? "it is of another repository" : std::string(read.message())));
  }
  Remark(
      "there is no readable catalog export: people, policies, agents, holds and the audit trail "
      "are not known");
  return absl::OkStatus();
}

absl::Status RebuildWork::LoadExport() {
  if (export_) {
    MOORING_RETURN_IF_ERROR(ReadExport(
        ctx_, parts_.objects, organization_key_, *export_,
        [this](const format::v1::CatalogExportRecord& record) { return LoadRecord(record); }));
  }
  // Numbers are permanent: above every number ever given out.
  const std::int64_t last = export_ ? last_chunk_no_ + kNumberGap : kNumbersWithoutExport;
  return load_->NumberAbove({.table = "chunk", .column = "no", .last = last});
}

absl::Status RebuildWork::LoadRecord(const format::v1::CatalogExportRecord& record) {
  if (record.has_table()) {
    DumpTable table;
    table.name = record.table().name();
    table.columns.assign(record.table().columns().begin(), record.table().columns().end());
    is_snapshot_table_ = table.name == "snapshot";
    columns_ = table.columns.size();
    // What the commit record holds is filled in from there.
    if (is_snapshot_table_) {
      for (const char* column : {"root", "refs", "base_ids"}) table.columns.emplace_back(column);
    }
    return load_->Table(table);
  }
  if (record.has_row()) {
    DumpValues values;
    for (const format::v1::CatalogExportValue& value : record.row().values()) {
      values.push_back(value.has_text() ? std::optional(value.text()) : std::nullopt);
    }
    if (is_snapshot_table_) values.insert(values.end(), 3, "\\x");
    if (++summary_.rows_loaded % 1000 == 0) Report("load export", summary_.rows_loaded);
    return load_->Row(values);
  }
  if (record.has_number()) {
    const format::v1::CatalogExportNumber& number = record.number();
    if (number.table() == "chunk" && number.column() == "no") last_chunk_no_ = number.last();
    return load_->NumberAbove(
        {.table = number.table(), .column = number.column(), .last = number.last()});
  }
  return absl::OkStatus();
}

absl::Status RebuildWork::EnsureOrganization() {
  Transaction& tx = load_->tx();
  const absl::Time now = parts_.clock.Now();
  MOORING_ASSIGN_OR_RETURN(const auto organization, tx.organization().Get());
  if (!organization) {
    MOORING_RETURN_IF_ERROR(
        tx.organization().Create({parts_.organization, parts_.single_admin, now}));
  }
  MOORING_ASSIGN_OR_RETURN(const auto repository, tx.organization().GetRepository());
  if (!repository) {
    MOORING_RETURN_IF_ERROR(tx.organization().CreateRepository(
        {.id = ToBytes(repository_.bytes()), .created_at = now}));
  }
  return absl::OkStatus();
}

absl::Status RebuildWork::ReadTombstones() {
  std::vector<SnapshotId> found;
  const absl::Status listed =
      parts_.objects.List(ctx_, kSnapshotPrefix, [&found](const ObjectInfo& info) {
        if (const auto id = TombstoneOfObjectKey(info.key)) found.push_back(*id);
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(listed);
  for (const SnapshotId& id : found) {
    const absl::StatusOr<Bytes> bytes =
        ReadSettledObject(parts_.objects, ctx_, TombstoneObjectKey(id), kTombstoneBytesMax);
    if (!bytes.ok() && !IsDamage(bytes.status())) return bytes.status();
    const absl::StatusOr<Tombstone> tombstone =
        bytes.ok() ? DecodeTombstone(*bytes) : absl::StatusOr<Tombstone>(bytes.status());
    // A torn one was never acknowledged, and says nothing.
    if (!tombstone.ok() || tombstone->snapshot != id) {
      Remark(fmt::format("tombstone of snapshot {} is damaged and was not applied", id.hex()));
      continue;
    }
    tombstones_.emplace(id, *tombstone);
  }
  summary_.tombstones = tombstones_.size();
  return absl::OkStatus();
}

// Packs on their way out: they may be gone any moment.
absl::Status RebuildWork::ReadJournals() {
  std::vector<std::string> journals;
  const absl::Status listed =
      parts_.objects.List(ctx_, "gc/doom-", [&journals](const ObjectInfo& info) {
        journals.push_back(info.key);
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(listed);
  for (const std::string& key : journals) {
    MOORING_ASSIGN_OR_RETURN(const Bytes bytes,
                             ReadSettledObject(parts_.objects, ctx_, key, kObjectBytesMax));
    const absl::StatusOr<DoomJournal> journal = DecodeDoomJournal(pack_index_key_, bytes);
    if (!journal.ok()) {
      Remark(fmt::format("{}: {}", key, std::string(journal.status().message())));
      continue;
    }
    journaled_.insert(journal->packs.begin(), journal->packs.end());
  }
  return absl::OkStatus();
}

absl::Status RebuildWork::EnterKeys() {
  Transaction& tx = load_->tx();
  const absl::Time now = parts_.clock.Now();
  for (const auto& [purpose, key] :
       {std::pair(KeyPurpose::kOrganizationKey, kOrganizationKeyObjectKey),
        std::pair(KeyPurpose::kPackIndexKey, kPackIndexKeyObjectKey)}) {
    MOORING_ASSIGN_OR_RETURN(const Bytes wrapped,
                             ReadSettledObject(parts_.objects, ctx_, key, kWrappedBytesMax));
    const absl::Status entered = tx.keys().Create(SlotOf(purpose, kNoSubject, wrapped, now));
    if (!entered.ok() && !absl::IsAlreadyExists(entered)) return entered;
    ++summary_.keys;
  }
  MOORING_RETURN_IF_ERROR(tx.chunks().CreateDomain(
      {.id = DeriveDomainKeys(organization_key_).id, .person = std::nullopt}));
  std::vector<ObjectInfo> objects;
  const absl::Status listed =
      parts_.objects.List(ctx_, kPersonKeyPrefix, [&objects](const ObjectInfo& info) {
        objects.push_back(info);
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(listed);
  for (const ObjectInfo& info : objects) {
    const auto person =
        PersonId::FromHex(std::string_view(info.key).substr(kPersonKeyPrefix.size()));
    if (!person || PersonKeyObjectKey(*person) != info.key) continue;
    MOORING_RETURN_IF_ERROR(EnterPersonKey(*person, info.key, info.stored_at));
  }
  return absl::OkStatus();
}

absl::Status RebuildWork::EnterPersonKey(const PersonId& person, const std::string& key,
                                         absl::Time stored_at) {
  const absl::StatusOr<Bytes> wrapped =
      ReadSettledObject(parts_.objects, ctx_, key, kWrappedBytesMax);
  if (!wrapped.ok() && !IsDamage(wrapped.status())) return wrapped.status();
  absl::StatusOr<SecretBytes> unwrapped =
      wrapped.ok() ? parts_.kek.Unwrap(KeyPurpose::kPersonKey, person.view(), *wrapped)
                   : absl::StatusOr<SecretBytes>(wrapped.status());
  if (!unwrapped.ok()) {
    ++summary_.keys_unreadable;
    Remark(fmt::format("{}: {}", key, std::string(unwrapped.status().message())));
    return absl::OkStatus();
  }
  MOORING_RETURN_IF_ERROR(EnsurePerson(person));
  Transaction& tx = load_->tx();
  const absl::Status entered =
      tx.keys().Create(SlotOf(KeyPurpose::kPersonKey, person.view(), *wrapped, stored_at));
  if (!entered.ok() && !absl::IsAlreadyExists(entered)) return entered;
  MOORING_RETURN_IF_ERROR(
      tx.chunks().CreateDomain({.id = DeriveDomainKeys(*unwrapped).id, .person = person}));
  ++summary_.keys;
  person_keys_.emplace(person, *std::move(unwrapped));
  return absl::OkStatus();
}

// One who came after the export is known by id alone.
absl::Status RebuildWork::EnsurePerson(const PersonId& person) {
  Transaction& tx = load_->tx();
  MOORING_ASSIGN_OR_RETURN(const auto there, tx.people().Get(person));
  if (there) return absl::OkStatus();
  PersonRecord record;
  record.id = person;
  record.handle = "recovered-" + person.hex();
  record.name = "Recovered " + person.hex().substr(0, 12);
  record.group = "default";
  record.created_at = parts_.clock.Now();
  Remark(fmt::format("person {} is newer than the export: named {}", person.hex(), record.handle));
  return tx.people().Create(record);
}

absl::Status RebuildWork::EnterPacks() {
  std::vector<ObjectInfo> objects;
  const absl::Status listed =
      parts_.objects.List(ctx_, kPackPrefix, [&objects](const ObjectInfo& info) {
        objects.push_back(info);
        return absl::OkStatus();
      });
  MOORING_RETURN_IF_ERROR(listed);
  // Journaled ones last: only what no other pack holds is looked for in them.
  std::stable_partition(objects.begin(), objects.end(), [&](const ObjectInfo& info) {
    const std::optional<PackId> pack = PackOfObjectKey(info.key);
    return pack && !journaled_.contains(*pack);
  });
  for (const ObjectInfo& info : objects) {
    const std::optional<PackId> pack = PackOfObjectKey(info.key);
    if (!pack) continue;
    present_.insert(*pack);
    if (journaled_.contains(*pack)) summary_.journaled.push_back(*pack);
    MOORING_ASSIGN_OR_RETURN(const auto row, load_->tx().packs().Get(*pack));
    if (row && row->state != PackState::kStaged) continue;  // Of a reconciliation: known.
    MOORING_RETURN_IF_ERROR(EnterPack(*pack, info));
    Report("packs", summary_.packs);
  }
  return absl::OkStatus();
}

absl::Status RebuildWork::EnterPack(const PackId& pack, const ObjectInfo& info) {
  absl::StatusOr<PackFooter> footer =
      ReadFooterOf(ctx_, parts_.objects, pack_index_key_, pack, info.size_bytes);
  if (footer.ok() && footer->pack != pack) {
    footer = absl::DataLossError("it is another pack under this one's name");
  }
  if (!footer.ok()) {
    if (!IsDamage(footer.status()) && !absl::IsPermissionDenied(footer.status())) {
      return footer.status();
    }
    ++summary_.packs_unreadable;
    Remark(fmt::format("{}: {}", info.key, std::string(footer.status().message())));
    return load_->tx().care().Report(FindingKind::kPackFooter, info.key,
                                     std::string(footer.status().message()), parts_.clock.Now());
  }
  std::array<std::byte, kSha256Bytes> hash{};
  MOORING_ASSIGN_OR_RETURN(
      const std::size_t read,
      parts_.objects.ReadAt(ctx_, info.key, info.size_bytes - hash.size(), hash));
  if (read != hash.size()) return absl::UnavailableError(info.key + ": a short read");
  Transaction& tx = load_->tx();
  const std::optional<SessionId> session =
      footer->session.is_none() ? std::nullopt : std::optional(footer->session);
  MOORING_ASSIGN_OR_RETURN(const auto row, tx.packs().Get(pack));
  if (!row) {
    MOORING_RETURN_IF_ERROR(tx.packs().Stage(pack, session, footer->created_at).status());
  }
  MOORING_RETURN_IF_ERROR(tx.packs().MarkLive(pack, info.size_bytes, hash));
  std::vector<NewChunk> chunks;
  chunks.reserve(footer->entries.size());
  for (const PackEntry& entry : footer->entries) {
    chunks.push_back(
        {.domain = entry.domain, .id = entry.id, .offset = entry.offset, .bytes = entry.bytes});
  }
  MOORING_ASSIGN_OR_RETURN(
      const std::uint64_t left_out,
      load_->AddChunks(
          pack, chunks,
          journaled_.contains(pack) ? KnownChunk::kStays : KnownChunk::kMovesToTheNewer));
  summary_.chunks_left_out += left_out;
  ++summary_.packs;
  return absl::OkStatus();
}

absl::Status RebuildWork::LosePacks() {
  Transaction& tx = load_->tx();
  MOORING_ASSIGN_OR_RETURN(const std::vector<PackRecord> live, tx.packs().List(PackState::kLive));
  for (const PackRecord& pack : live) {
    if (present_.contains(pack.id)) continue;
    MOORING_ASSIGN_OR_RETURN(const auto rows, tx.care().ChunksOfPack(pack.id));
    std::vector<std::uint64_t> numbers;
    for (const ChunkLocation& row : rows) numbers.push_back(row.no);
    MOORING_ASSIGN_OR_RETURN(const std::uint64_t lost, tx.care().MarkLost(pack.id, numbers));
    summary_.chunks_lost += lost;
    if (lost > 0) {
      Remark(fmt::format("pack {} is gone: {} chunks are lost", pack.id.hex(), lost));
    }
  }
  return absl::OkStatus();
}

// Collection stands where the store says that it does: a catalog that began anew
// at zero would look like one that has traveled back in time.
absl::Status RebuildWork::SettleCollection() {
  // A reconciliation leaves recovery by an epoch of its own, once it has committed.
  if (!is_reconciliation_) {
    MOORING_ASSIGN_OR_RETURN(const StoreEpoch store, ReadStoreEpoch(ctx_, parts_.objects));
    MOORING_ASSIGN_OR_RETURN(CollectionState state, load_->tx().collection().Get());
    state.epoch = store.epoch;
    state.generation = store.generation;
    MOORING_RETURN_IF_ERROR(load_->tx().collection().Put(state));
  }
  return load_
      ->Execute("UPDATE prune_state SET stopped = $1",
                {"the catalog was rebuilt: a person has yet to confirm that all holds are there"})
      .status();
}

// Counters, what was going on, and the latch that keeps everything until a person has looked.
absl::Status RebuildWork::Settle() {
  Transaction& tx = load_->tx();
  const absl::Time now = parts_.clock.Now();
  MOORING_RETURN_IF_ERROR(
      load_
          ->Execute("UPDATE session SET state = 3, ended_at = $1::timestamptz,"
                    " message = 'the catalog was rebuilt', wrapped_snapshot_key = ''"
                    " WHERE state = 1",
                    {DumpText(now)})
          .status());
  for (const auto& [device, sequence] : sequences_) {
    MOORING_RETURN_IF_ERROR(
        load_
            ->Execute("UPDATE device SET next_sequence = greatest(next_sequence, $2::bigint)"
                      " WHERE id = $1::bytea",
                      {DumpText(device.view()), std::to_string(sequence + 1)})
            .status());
  }
  for (const auto& [table, column] :
       {std::pair("audit", "seq"), std::pair("pack", "no"), std::pair("chunk", "no"),
        std::pair("domain", "no"), std::pair("finding", "no")}) {
    MOORING_RETURN_IF_ERROR(load_->NumberAbove({.table = table, .column = column, .last = 1}));
  }
  MOORING_RETURN_IF_ERROR(SettleCollection());
  MOORING_ASSIGN_OR_RETURN(CareState state, tx.care().State(RowLock::kExclusive));
  state.rebuilt_at = now;
  if (export_) state.exported_at = export_->made_at;
  MOORING_RETURN_IF_ERROR(tx.care().SetState(state));
  return tx.Audit(
      {.at = now,
       .actor = "server",
       .action = is_reconciliation_ ? "repository.reconcile" : "repository.rebuild",
       .subject = repository_.hex(),
       .detail_json = AuditDetail({{"export", summary_.export_name},
                                   {"snapshots", fmt::format("{}", summary_.snapshots)},
                                   {"incomplete", fmt::format("{}", summary_.snapshots_incomplete)},
                                   {"damaged", fmt::format("{}", summary_.snapshots_damaged)},
                                   {"lost", fmt::format("{}", summary_.snapshots_lost)}})});
}

}  // namespace mooring::storage
