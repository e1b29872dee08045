#include "tests/phones/iphone/restore_run.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/iphone/backup_files.h"
#include "tests/phones/iphone/manifest_db.h"

namespace mooring::testing {
namespace {

constexpr std::array<std::string_view, 6> kSystemDomains = {
    "SystemPreferencesDomain", "ManagedPreferencesDomain",
    "WirelessDomain",          "NetworkDomain",
    "InstallDomain",           "RootDomain"};

bool IsSystemDomain(std::string_view domain) {
  return std::find(kSystemDomains.begin(), kSystemDomains.end(), domain) != kSystemDomains.end();
}

absl::Status WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t put = write(file, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return absl::ResourceExhaustedError("no room for restored content");
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return absl::OkStatus();
}

absl::Status Incomplete(std::string_view what) {
  return MbError(205, fmt::format("{} (MBErrorDomain/205)", what));
}

}  // namespace

RestoreRun::RestoreRun(DeviceLink& link, RestoreOptions options)
    : link_(link), options_(std::move(options)) {
  record_.operation = "restore";
}

RestoreRun::~RestoreRun() {
  if (spool_ >= 0) close(spool_);
}

std::string RestoreRun::At(std::string_view below) const {
  return fmt::format("{}/{}", options_.source, below);
}

absl::Status RestoreRun::Run() {
  MOORING_RETURN_IF_ERROR(link_.AtStep("restore-status"));
  MOORING_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                           link_.DownloadSmall(At("Status.plist")));
  const absl::StatusOr<Plist> status = Plist::Parse(bytes.value_or(""));
  if (!bytes || !status.ok()) return MbError(103, "Status.plist unreadable (MBErrorDomain/103)");
  if (status->StringOr("SnapshotState", "") != "finished") {
    return Incomplete("The backup is not finished");
  }
  MOORING_RETURN_IF_ERROR(LoadManifest());
  MOORING_RETURN_IF_ERROR(CheckInfo());
  MOORING_RETURN_IF_ERROR(CheckSpace());
  MOORING_RETURN_IF_ERROR(ReceiveFiles());
  MOORING_RETURN_IF_ERROR(link_.AtStep("restore-commit"));
  Commit();
  return link_.AtStep("response");
}

absl::Status RestoreRun::LoadManifest() {
  MOORING_RETURN_IF_ERROR(link_.AtStep("restore-manifest"));
  MOORING_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                           link_.DownloadSmall(At("Manifest.plist")));
  const absl::StatusOr<Plist> manifest = Plist::Parse(bytes.value_or(""));
  if (!bytes || !manifest.ok()) {
    return MbError(103, "Manifest.plist unreadable (MBErrorDomain/103)");
  }
  std::string key;
  if (manifest->BooleanOr("IsEncrypted", false)) {
    absl::StatusOr<Keybag> bag =
        Keybag::Unlock(manifest->Find("BackupKeyBag").AsData().value_or(""), options_.password);
    if (absl::IsPermissionDenied(bag.status())) {
      return MbError(207, "Invalid password (MBErrorDomain/207)");
    }
    if (!bag.ok()) return MbError(103, "BackupKeyBag unreadable (MBErrorDomain/103)");
    keybag_ = *std::move(bag);
    const std::optional<std::string> unwrapped =
        keybag_->UnwrapForClass(manifest->Find("ManifestKey").AsData().value_or(""));
    if (!unwrapped) return MbError(103, "ManifestKey unreadable (MBErrorDomain/103)");
    key = *unwrapped;
  }
  return LoadRows(key);
}

absl::Status RestoreRun::LoadRows(const std::string& manifest_key) {
  std::string path = phone().library().directory() + "/simulated-manifest-XXXXXX";
  const int file = mkstemp(path.data());
  if (file < 0) return absl::UnavailableError("cannot make a file for Manifest.db");
  std::optional<CbcStream> cipher;
  if (!manifest_key.empty()) {
    cipher.emplace(CbcStream::Direction::kDecrypt, manifest_key, CbcStream::Padding::kNone);
  }
  DownloadSink sink;
  sink.begin = [](const std::string&) { return absl::OkStatus(); };
  sink.end = sink.begin;
  std::string plain;
  sink.data = [&](std::string_view bytes) {
    if (!cipher) return WriteAll(file, bytes);
    plain.clear();
    cipher->Update(bytes, plain);
    return WriteAll(file, plain);
  };
  auto results = link_.Download({At("Manifest.db")}, sink);
  close(file);
  absl::StatusOr<ManifestDb> manifest = ManifestDb::Open(path);  // Owns the file from here on.
  if (!results.ok()) return results.status();
  if (!(*results)[At("Manifest.db")].is_complete || !manifest.ok()) {
    return MbError(103, "Manifest.db unreadable (MBErrorDomain/103)");
  }
  return manifest->ForEach([this](const ManifestRow& row) { return AddRow(row); });
}

absl::Status RestoreRun::AddRow(const ManifestRow& row) {
  if (!options_.restores_system_files && IsSystemDomain(row.domain)) return absl::OkStatus();
  const absl::StatusOr<MbFile> file = DecodeMbFile(row.archive);
  Wanted wanted{.name = {row.domain, row.path}, .file = {}, .host_path = {}, .key = {}};
  if (!file.ok() || row.file_id != FileIdOf(wanted.name)) {
    return Incomplete("Manifest.db holds a row that makes no sense");
  }
  wanted.file = *file;
  if (row.flags != 1) {
    PutEntry(wanted, row.flags == 2 ? FileEntry::Kind::kDirectory : FileEntry::Kind::kSymlink, {});
    return absl::OkStatus();
  }
  if (keybag_) {
    const std::optional<std::string> key = keybag_->UnwrapForClass(file->encryption_key);
    if (!key) return Incomplete("a file's key cannot be unwrapped");
    wanted.key = *key;
  }
  wanted.host_path = At(PayloadPath(row.file_id));
  wanted_bytes_ += file->size_bytes;
  wanted_.push_back(std::move(wanted));
  return absl::OkStatus();
}

absl::Status RestoreRun::CheckInfo() {
  MOORING_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                           link_.DownloadSmall(At("Info.plist")));
  const absl::StatusOr<Plist> info = Plist::Parse(bytes.value_or(""));
  if (!bytes || !info.ok()) return Incomplete("Info.plist is missing or unreadable");
  for (const char* key : {"Build Version", "Device Name", "Display Name", "GUID", "Product Type",
                          "Product Version", "Serial Number", "Target Identifier", "Target Type",
                          "Unique Identifier", "iTunes Version"}) {
    if (info->StringOr(key, "").empty()) {
      phone().Violation(fmt::format("mobilebackup2: Info.plist lacks {}", key));
    }
  }
  if (!info->Find("Last Backup Date").exists()) {
    phone().Violation("mobilebackup2: Info.plist lacks Last Backup Date");
  }
  if (info->StringOr("Target Type", "") != "Device") {
    phone().Violation("mobilebackup2: Target Type in Info.plist is not Device");
  }
  std::string source = options_.source;
  for (char& c : source) c = static_cast<char>(std::toupper(c));
  if (info->StringOr("Unique Identifier", "") != source) {
    phone().Violation(
        "mobilebackup2: Unique Identifier in Info.plist is not the source in capitals");
    return Incomplete("Info.plist belongs to another backup");
  }
  return absl::OkStatus();
}

absl::Status RestoreRun::CheckSpace() {
  const std::uint64_t capacity = phone().options().capacity_bytes;
  const bool is_full = phone().faults().Take(FaultKind::kNoSpace).has_value();
  if (wanted_bytes_ <= capacity && !is_full) return absl::OkStatus();
  return MbError(105, fmt::format("Insufficient free disk space on device to restore: {} bytes "
                                  "needed, {} available (MBErrorDomain/105)",
                                  wanted_bytes_, is_full ? 0 : capacity));
}

absl::Status RestoreRun::ReceiveFiles() {
  MOORING_ASSIGN_OR_RETURN(spool_, OpenUnlinkedFile(phone().library().directory()));
  for (std::size_t begin = 0; begin < wanted_.size();) {
    std::size_t end = begin;
    std::uint64_t bytes = 0;
    while (end < wanted_.size() && end - begin < phone().options().batch_files &&
           (end == begin || bytes < phone().options().batch_bytes)) {
      bytes += wanted_[end++].file.size_bytes;
    }
    MOORING_RETURN_IF_ERROR(link_.AtStep("restore-files"));
    MOORING_RETURN_IF_ERROR(ReceiveBatch(begin, end));
    begin = end;
    link_.set_progress(100.0 * static_cast<double>(end) / static_cast<double>(wanted_.size()));
  }
  return absl::OkStatus();
}

absl::Status RestoreRun::ReceiveBatch(std::size_t begin, std::size_t end) {
  std::vector<std::string> paths;
  std::map<std::string, const Wanted*> by_path;
  for (std::size_t i = begin; i < end; ++i) {
    paths.push_back(wanted_[i].host_path);
    by_path[wanted_[i].host_path] = &wanted_[i];
  }
  DownloadSink sink;
  sink.begin = [&](const std::string& path) { return BeginFile(*by_path[path]); };
  sink.data = [&](std::string_view bytes) -> absl::Status {
    if (!cipher_) return TakePlain(bytes);
    plain_.clear();
    if (!cipher_->Update(bytes, plain_)) return Incomplete("a file cannot be decrypted");
    return TakePlain(plain_);
  };
  sink.end = [&](const std::string& path) { return EndFile(*by_path[path]); };
  MOORING_ASSIGN_OR_RETURN(const auto results, link_.Download(paths, sink));
  for (const auto& [path, result] : results) {
    if (!result.is_complete) return Incomplete("The host did not send a file of the manifest");
  }
  return absl::OkStatus();
}

absl::Status RestoreRun::BeginFile(const Wanted& wanted) {
  cipher_.reset();
  if (!wanted.key.empty() && wanted.file.size_bytes > 0) {
    cipher_.emplace(CbcStream::Direction::kDecrypt, wanted.key, CbcStream::Padding::kPkcs7);
  }
  received_bytes_ = 0;
  (void)hash_.Finish();
  if (ftruncate(spool_, 0) != 0 || lseek(spool_, 0, SEEK_SET) != 0) {
    return absl::UnavailableError("cannot empty the restore file");
  }
  return absl::OkStatus();
}

absl::Status RestoreRun::TakePlain(std::string_view bytes) {
  received_bytes_ += bytes.size();
  hash_.Update(bytes);
  return WriteAll(spool_, bytes);
}

absl::Status RestoreRun::EndFile(const Wanted& wanted) {
  if (cipher_) {
    plain_.clear();
    if (!cipher_->Finish(plain_)) return Incomplete("a file cannot be decrypted");
    MOORING_RETURN_IF_ERROR(TakePlain(plain_));
  }
  if (received_bytes_ != wanted.file.size_bytes) {
    phone().Violation(fmt::format("mobilebackup2: restored file has {} bytes, its record says {}",
                                  received_bytes_, wanted.file.size_bytes));
    return Incomplete("A file has not the size that the manifest says");
  }
  const Sha256Digest digest = hash_.Finish();
  std::optional<ContentRef> content = phone().library().Find(digest, received_bytes_);
  if (!content) {
    MOORING_ASSIGN_OR_RETURN(content, phone().library().Keep(spool_, received_bytes_, digest));
  }
  PutEntry(wanted, FileEntry::Kind::kFile, *content);
  ++record_.files_received;
  return absl::OkStatus();
}

void RestoreRun::PutEntry(const Wanted& wanted, FileEntry::Kind kind, const ContentRef& content) {
  FileEntry entry;
  entry.kind = kind;
  entry.protection_class = wanted.file.protection_class;
  entry.mode = static_cast<std::uint16_t>(wanted.file.mode);
  entry.inode = wanted.file.inode;
  entry.modified_unix = wanted.file.modified_unix;
  entry.content = content;
  entry.target = wanted.file.target;
  restored_.Put(wanted.name, std::move(entry));
}

void RestoreRun::Commit() {
  if (options_.removes_others) {
    phone().ReplaceFiles(std::move(restored_));
    return;
  }
  FileTable merged = *phone().files();
  for (const auto& [name, entry] : restored_.files()) merged.Put(name, entry);
  phone().ReplaceFiles(std::move(merged));
}

}  // namespace mooring::testing
