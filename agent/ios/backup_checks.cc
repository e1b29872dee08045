#include "agent/ios/backup_checks.h"

#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "agent/ios/keybag.h"
#include "agent/ios/manifest_db.h"
#include "agent/ios/mb2_path.h"
#include "agent/ios/phone_failure.h"
#include "agent/ios/plist.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Status.plist has 189 bytes, Manifest.plist grows with the number of apps.
constexpr PlistLimits kLimits = {.bytes_max = std::uint64_t{64} << 20};

absl::Status Incomplete(std::string_view what) {
  return Failure(absl::StatusCode::kDataLoss, v1::CAUSE_VERIFICATION_FAILED,
                 fmt::format("the backup is not complete: {}", what),
                 "Try again; restart the iPhone if it happens twice");
}

// Connection and cancellation keep their own causes; all else means "do not commit".
absl::Status AsIncomplete(const absl::Status& status, std::string_view what) {
  if (absl::IsInvalidArgument(status) || absl::IsNotFound(status)) {
    return Incomplete(fmt::format("{}: {}", what, ToStdView(status.message())));
  }
  return status;
}

absl::StatusOr<Plist> LoadPlist(const OpContext& ctx, SnapshotBuilder& builder,
                                std::string_view path, std::string_view name) {
  const auto load = [&]() -> absl::StatusOr<Plist> {
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> file, builder.Open(ctx, path));
    if (file->size_bytes() > kLimits.bytes_max) return absl::InvalidArgumentError("too large");
    Bytes bytes(file->size_bytes());
    MOORING_ASSIGN_OR_RETURN(const std::size_t got, file->ReadAt(0, bytes));
    if (got != bytes.size()) return absl::DataLossError("a stored file ends early");
    return Plist::Parse(bytes, kLimits);
  };
  absl::StatusOr<Plist> plist = load();
  if (!plist.ok()) return AsIncomplete(plist.status(), name);
  return plist;
}

struct RowCounts {
  std::uint64_t file_rows = 0;
  std::uint64_t rows_without_payload = 0;
};

absl::StatusOr<RowCounts> CompareRows(const OpContext& ctx, SnapshotBuilder& builder,
                                      FileReader& db) {
  RowCounts counts;
  const absl::Status visited =
      VisitManifestRows(ctx, db, [&](const ManifestRow& row) -> absl::Status {
        if (row.flags != kManifestFlagFile) return absl::OkStatus();
        ++counts.file_rows;
        const std::string path = PayloadPath(row.file_id);
        if (path.empty()) return absl::InvalidArgumentError("a file id that is none");
        const std::optional<storage::Entry> entry = builder.Find(path);
        if (!entry || entry->type != storage::EntryType::kFile) ++counts.rows_without_payload;
        return absl::OkStatus();
      });
  if (!visited.ok()) return AsIncomplete(visited, "its list of files");
  return counts;
}

// Manifest.db in clear, or nullopt with a remark where it cannot be read.
struct OpenedManifest {
  std::unique_ptr<FileReader> stored;
  std::unique_ptr<FileReader> clear;  // Empty unless encrypted.
  FileReader& readable() { return clear ? *clear : *stored; }
};

absl::StatusOr<std::optional<OpenedManifest>> OpenManifestDb(const OpContext& ctx,
                                                             SnapshotBuilder& builder,
                                                             PlistView manifest,
                                                             const SecretBytes& password,
                                                             CaptureVerdict& verdict) {
  OpenedManifest opened;
  absl::StatusOr<std::unique_ptr<FileReader>> stored = builder.Open(ctx, kManifestDbPath);
  if (!stored.ok()) return AsIncomplete(stored.status(), "its list of files");
  opened.stored = *std::move(stored);
  if (!verdict.is_encrypted) return opened;
  if (password.empty()) {
    verdict.remarks.emplace_back(
        "rows unverified because the phone encrypts and its backup password is not known");
    return std::nullopt;
  }
  const std::optional<Bytes> bag = manifest.Get("BackupKeyBag").data();
  const std::optional<Bytes> wrapped = manifest.Get("ManifestKey").data();
  if (!bag || !wrapped) return Incomplete("its keys are missing");
  absl::StatusOr<Keybag> keys = Keybag::Open(*bag, password);
  if (absl::IsUnauthenticated(keys.status())) {
    verdict.remarks.emplace_back(
        "rows unverified because the known backup password is not the phone's");
    return std::nullopt;
  }
  if (!keys.ok()) return AsIncomplete(keys.status(), "its keys");
  absl::StatusOr<SecretBytes> key = keys->Unwrap(*wrapped);
  if (!key.ok()) return Incomplete("its list of files has another key");
  absl::StatusOr<std::unique_ptr<FileReader>> clear =
      MakeDecryptingReader(*opened.stored, *std::move(key));
  if (!clear.ok()) return AsIncomplete(clear.status(), "its list of files");
  opened.clear = *std::move(clear);
  return opened;
}

absl::Status CheckStatus(const OpContext& ctx, SnapshotBuilder& builder) {
  MOORING_ASSIGN_OR_RETURN(const Plist status,
                           LoadPlist(ctx, builder, kStatusPath, "Status.plist"));
  if (status.view().Text("SnapshotState") != "finished") {
    return Incomplete("the iPhone did not mark it finished");
  }
  if (!builder.List(kFullSnapshot).empty()) return Incomplete("files are left in its Snapshot");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CaptureVerdict> CheckCapture(const OpContext& ctx, SnapshotBuilder& builder,
                                            const SecretBytes& backup_password) {
  MOORING_RETURN_IF_ERROR(CheckStatus(ctx, builder));
  MOORING_ASSIGN_OR_RETURN(const Plist manifest,
                           LoadPlist(ctx, builder, kManifestPath, "Manifest.plist"));
  CaptureVerdict verdict;
  verdict.is_encrypted = manifest.view().Get("IsEncrypted").boolean().value_or(false);
  std::uint64_t payloads = 0;
  MOORING_RETURN_IF_ERROR(
      builder.Visit(kFullRoot, [&](std::string_view path, const storage::Entry& entry) {
        if (entry.type == storage::EntryType::kFile) {
          ++verdict.file_count;
          verdict.logical_bytes += entry.size_bytes;
          if (IsPayloadPath(path)) ++payloads;
        }
        return absl::OkStatus();
      }));
  MOORING_ASSIGN_OR_RETURN(std::optional<OpenedManifest> db,
                           OpenManifestDb(ctx, builder, manifest.view(), backup_password, verdict));
  if (!db) return verdict;
  MOORING_ASSIGN_OR_RETURN(const RowCounts rows, CompareRows(ctx, builder, db->readable()));
  if (rows.rows_without_payload > 0) {
    return Incomplete(
        fmt::format("{} of {} files are missing", rows.rows_without_payload, rows.file_rows));
  }
  verdict.rows_verified = true;
  if (payloads > rows.file_rows) {
    verdict.remarks.push_back(
        fmt::format("{} stored files are not in the iPhone's list", payloads - rows.file_rows));
  }
  return verdict;
}

}  // namespace mooring::agent
