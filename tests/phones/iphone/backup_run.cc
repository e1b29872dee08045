#include "tests/phones/iphone/backup_run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/status.h"
#include "tests/phones/iphone/hostile.h"
#include "tests/phones/iphone/mb_file.h"
#include "tests/phones/iphone/upload_sources.h"

namespace mooring::testing {
namespace {

using BackupId = Id<struct BackupIdTag, 16>;
using ManifestKeyBytes = Id<struct ManifestKeyTag, 32>;

constexpr std::uint32_t kManifestProtectionClass = 4;
constexpr std::size_t kItemsPerMessage = 500;
constexpr std::uint64_t kManifestBytesPerFile = 1000;  // Of space asked for; an estimate.

std::optional<Sha1Digest> DigestFromHex(std::string_view hex) {
  const std::optional<Bytes> bytes = FromHex(hex);
  Sha1Digest digest{};
  if (!bytes || bytes->size() != digest.size()) return std::nullopt;
  for (std::size_t i = 0; i < digest.size(); ++i) {
    digest[i] = std::to_integer<unsigned char>((*bytes)[i]);
  }
  return digest;
}

std::uint64_t HashOf(std::string_view archive) {
  const Sha1Digest digest = Sha1(archive);
  return LoadLe64(std::as_bytes(std::span(digest)), 0);
}

std::string MakeUuid(Random& random) {
  std::string hex = BackupId::Make(random).hex();
  for (char& c : hex) c = static_cast<char>(std::toupper(c));
  return fmt::format("{}-{}-{}-{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(12, 4),
                     hex.substr(16, 4), hex.substr(20));
}

std::string Prefix(int number) {
  return fmt::format("{:02x}", number);
}

}  // namespace

BackupRun::BackupRun(DeviceLink& link, std::string target, bool is_forced_full)
    : link_(link),
      target_(std::move(target)),
      is_forced_full_(is_forced_full),
      files_(link.phone().files()),
      keybag_(link.phone().keybag()) {
  record_.operation = "backup";
}

std::string BackupRun::At(std::string_view below) const {
  return fmt::format("{}/{}", target_, below);
}

absl::Status BackupRun::Run() {
  MOORING_RETURN_IF_ERROR(link_.AtStep("passcode"));
  if (!phone().AwaitPasscode()) return MbError(208, "Device locked (MBErrorDomain/208)");
  MOORING_RETURN_IF_ERROR(LoadHostBackup());
  MOORING_RETURN_IF_ERROR(Plan());
  MOORING_RETURN_IF_ERROR(CheckSpace());
  MOORING_RETURN_IF_ERROR(Prepare());
  MOORING_RETURN_IF_ERROR(UploadFiles());
  MOORING_RETURN_IF_ERROR(UploadManifest());
  MOORING_RETURN_IF_ERROR(MoveIntoPlace());
  MOORING_RETURN_IF_ERROR(RemoveOld());
  MOORING_RETURN_IF_ERROR(Verify());
  record_.bytes_sent = link_.payload_bytes_sent();
  return link_.AtStep("response");
}

absl::Status BackupRun::LoadHostBackup() {
  MOORING_RETURN_IF_ERROR(link_.AtStep("status"));
  std::optional<std::string> reason;
  if (is_forced_full_) {
    reason = "the host asked for a full backup";
  } else {
    MOORING_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                             link_.DownloadSmall(At("Status.plist")));
    const absl::StatusOr<Plist> status = Plist::Parse(bytes.value_or(""));
    if (!bytes) {
      reason = "the host has no Status.plist";
    } else if (!status.ok() || status->StringOr("SnapshotState", "") != "finished") {
      reason = "the last backup was not finished";
    } else {
      MOORING_ASSIGN_OR_RETURN(reason, LoadManifest());
    }
  }
  MOORING_RETURN_IF_ERROR(link_.AtStep("listing"));
  MOORING_ASSIGN_OR_RETURN(const auto leftovers, link_.List(At("Snapshot")));
  has_leftovers_ = !leftovers.empty();
  MOORING_ASSIGN_OR_RETURN(const auto top, link_.List(target_));
  for (const auto& [name, file] : top) {
    if (file.is_directory && name.size() == 2) host_directories_.insert(name);
  }
  if (!reason) {
    MOORING_ASSIGN_OR_RETURN(reason, CheckListings());
  }
  record_.is_full = reason.has_value();
  record_.full_reason = reason.value_or("");
  if (reason) {
    known_.clear();
    MOORING_ASSIGN_OR_RETURN(ManifestDb fresh, ManifestDb::Make(phone().library().directory()));
    manifest_.reset();
    manifest_.emplace(std::move(fresh));
  }
  status_ = {.uuid = MakeUuid(phone().random()), .snapshot_state = "", .is_full = record_.is_full};
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> BackupRun::LoadManifest() {
  using Reason = std::optional<std::string>;
  MOORING_RETURN_IF_ERROR(link_.AtStep("manifest"));
  MOORING_ASSIGN_OR_RETURN(const std::optional<std::string> bytes,
                           link_.DownloadSmall(At("Manifest.plist")));
  const absl::StatusOr<Plist> manifest = Plist::Parse(bytes.value_or(""));
  if (!bytes || !manifest.ok()) return Reason("the host's Manifest.plist is missing or unreadable");
  if (manifest->Find("Lockdown").StringOr("UniqueDeviceID", "") != phone().identity().udid) {
    return Reason("the host's backup is of another phone");
  }
  if (manifest->BooleanOr("IsEncrypted", false) != (keybag_ != nullptr)) {
    return Reason("backup encryption was switched on or off");
  }
  std::string key;
  if (keybag_ != nullptr) {
    const std::string bag = manifest->Find("BackupKeyBag").AsData().value_or("");
    const std::optional<std::string> unwrapped =
        keybag_->UnwrapForClass(manifest->Find("ManifestKey").AsData().value_or(""));
    if (bag != keybag_->encoded() || !unwrapped) return Reason("the backup password was changed");
    key = *unwrapped;
  }
  std::string path = phone().library().directory() + "/simulated-manifest-XXXXXX";
  const int file = mkstemp(path.data());
  if (file < 0) return absl::UnavailableError("cannot make a file for Manifest.db");
  const absl::StatusOr<bool> complete = DownloadTo(file, At("Manifest.db"), key);
  close(file);
  absl::StatusOr<ManifestDb> database = ManifestDb::Open(path);  // Owns the file from here on.
  if (!complete.ok()) return complete.status();
  if (!*complete) return Reason("the host has no Manifest.db");
  if (!database.ok()) return Reason("the host's Manifest.db is unusable");
  const absl::Status read = database->ForEach([this](ManifestRow row) -> absl::Status {
    const std::optional<Sha1Digest> id = DigestFromHex(row.file_id);
    if (!id) return absl::DataLossError("a file id is not a SHA-1");
    known_[*id] = {.archive_hash = HashOf(row.archive), .flags = row.flags};
    return absl::OkStatus();
  });
  if (!read.ok()) return Reason("the host's Manifest.db is unusable");
  manifest_.emplace(*std::move(database));
  return Reason();
}

absl::StatusOr<bool> BackupRun::DownloadTo(int file, const std::string& path,
                                           std::string_view key) {
  std::optional<CbcStream> cipher;
  if (!key.empty()) {
    cipher.emplace(CbcStream::Direction::kDecrypt, key, CbcStream::Padding::kNone);
  }
  std::string plain;
  DownloadSink sink;
  sink.begin = [](const std::string&) { return absl::OkStatus(); };
  sink.end = sink.begin;
  sink.data = [&](std::string_view bytes) -> absl::Status {
    if (cipher) {
      plain.clear();
      cipher->Update(bytes, plain);
      bytes = plain;
    }
    while (!bytes.empty()) {
      const ssize_t put = write(file, bytes.data(), bytes.size());
      if (put <= 0) return absl::ResourceExhaustedError("no room for Manifest.db");
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
    return absl::OkStatus();
  };
  MOORING_ASSIGN_OR_RETURN(auto results, link_.Download({path}, sink));
  return results[path].is_complete;
}

absl::StatusOr<std::optional<std::string>> BackupRun::CheckListings() {
  std::size_t missing = 0;
  for (const auto& [id, known] : known_) missing += known.flags == 1 ? 1 : 0;
  for (int number = 0; number < 256; ++number) {
    MOORING_ASSIGN_OR_RETURN(const auto files, link_.List(At(Prefix(number))));
    for (const auto& [name, file] : files) {
      const std::optional<Sha1Digest> id = DigestFromHex(name);
      const auto known = id ? known_.find(*id) : known_.end();
      if (known != known_.end() && known->second.flags == 1) --missing;
    }
  }
  if (missing == 0) return std::optional<std::string>();
  return std::optional<std::string>(fmt::format("the host lacks {} of its files", missing));
}

std::string BackupRun::FileKey(const std::string& file_id, const ContentRef& content) const {
  if (keybag_ == nullptr) return {};
  const Sha256Digest key =
      HmacSha256(link_.phone().file_key_secret(),
                 fmt::format("{}/{}/{}/{}/{}", file_id, content.seed, content.size_bytes,
                             content.edits, static_cast<int>(content.kind)));
  return {reinterpret_cast<const char*>(key.data()), key.size()};
}

std::string BackupRun::Archive(const std::string& file_id, const FileName& name,
                               const FileEntry& entry) const {
  MbFile file;
  file.path = name.path;
  file.target = entry.target;
  file.size_bytes = entry.content.size_bytes;
  file.mode = entry.mode;
  file.inode = entry.inode;
  file.modified_unix = entry.modified_unix;
  file.protection_class = entry.protection_class;
  if (keybag_ != nullptr && entry.kind == FileEntry::Kind::kFile) {
    file.encryption_key =
        keybag_->WrapForClass(entry.protection_class, FileKey(file_id, entry.content));
  }
  return EncodeMbFile(file);
}

std::uint64_t BackupRun::StoredSize(const FileEntry& entry) const {
  const std::uint64_t size = entry.content.size_bytes;
  return keybag_ == nullptr || size == 0 ? size : (size / 16 + 1) * 16;
}

absl::Status BackupRun::Plan() {
  MOORING_RETURN_IF_ERROR(manifest_->Begin());
  for (const auto& [name, entry] : files_->files()) {
    if (entry.encrypted_only && keybag_ == nullptr) continue;
    const std::string file_id = FileIdOf(name);
    const Sha1Digest id = *DigestFromHex(file_id);
    std::string archive = Archive(file_id, name, entry);
    const bool is_file = entry.kind == FileEntry::Kind::kFile;
    if (is_file) expected_[id] = StoredSize(entry);
    const auto known = known_.find(id);
    if (known != known_.end()) {
      known->second.is_seen = true;
      if (known->second.archive_hash == HashOf(archive)) continue;
    }
    if (is_file) {
      uploads_.push_back({.name = &name, .entry = &entry, .archive = {}});
      upload_bytes_ += StoredSize(entry);
    }
    MOORING_RETURN_IF_ERROR(manifest_->Put({.file_id = file_id,
                                            .domain = name.domain,
                                            .path = name.path,
                                            .flags = static_cast<std::uint32_t>(entry.kind),
                                            .archive = std::move(archive)}));
  }
  for (const auto& [id, known] : known_) {
    if (known.is_seen) continue;
    MOORING_RETURN_IF_ERROR(manifest_->Remove(HexOf(id)));
    if (known.flags == 1) removals_.push_back(HexOf(id));
  }
  std::sort(removals_.begin(), removals_.end());
  return absl::OkStatus();
}

absl::Status BackupRun::CheckSpace() {
  MOORING_RETURN_IF_ERROR(link_.AtStep("space"));
  const std::uint64_t need = upload_bytes_ + expected_.size() * kManifestBytesPerFile;
  MOORING_ASSIGN_OR_RETURN(std::uint64_t free, link_.FreeSpace());
  const bool is_never_content = phone().faults().Take(FaultKind::kNoSpace).has_value();
  const bool is_probe = phone().faults().Take(FaultKind::kPurge).has_value();
  if (free >= need && !is_never_content && !is_probe) return absl::OkStatus();
  const absl::StatusOr<HostAnswer> purge = link_.PurgeSpace(need > free ? need - free : need);
  if (!purge.ok()) return purge.status();
  if (purge->code != 0 && purge->text.empty()) {
    phone().Violation("mobilebackup2: refused to purge space without a text");
  }
  MOORING_ASSIGN_OR_RETURN(free, link_.FreeSpace());
  if (free >= need && !is_never_content) return absl::OkStatus();
  return MbError(105, fmt::format("Insufficient free disk space on drive to back up ({} bytes "
                                  "needed, {} available) (MBErrorDomain/105)",
                                  need, free));
}

absl::StatusOr<BackupRun::Sent> BackupRun::UploadSmall(const std::string& path,
                                                       const std::string& bytes) {
  BytesSource source(bytes);
  MOORING_RETURN_IF_ERROR(link_.BeginUpload(bytes.size()));
  MOORING_RETURN_IF_ERROR(
      link_.UploadFile("/.b/" + path.substr(path.rfind('/') + 1), path, source).status());
  MOORING_RETURN_IF_ERROR(link_.EndUpload());
  return Sent{.size_bytes = bytes.size(), .digest = Sha256(bytes)};
}

absl::Status BackupRun::UploadStatus(const std::string& path, const std::string& state) {
  status_.snapshot_state = state;
  MOORING_ASSIGN_OR_RETURN(
      const Sent sent, UploadSmall(At(path), EncodeStatusPlist(status_, phone().clock().Now())));
  status_digest_ = sent.digest;
  return absl::OkStatus();
}

absl::Status BackupRun::Prepare() {
  MOORING_RETURN_IF_ERROR(link_.AtStep("prepare"));
  if (has_leftovers_) MOORING_RETURN_IF_ERROR(link_.Remove({At("Snapshot")}));
  MOORING_RETURN_IF_ERROR(link_.MakeDirectory(target_));
  MOORING_RETURN_IF_ERROR(link_.MakeDirectory(At("Snapshot")));
  if (phone().faults().Take(FaultKind::kWrongOrder)) {
    const std::string name = PayloadPath(std::string(40, '0'));
    MOORING_RETURN_IF_ERROR(link_.Move({{At("Snapshot/" + name), At(name)}}));
  }
  return UploadStatus("Snapshot/Status.plist", "uploading");
}

absl::Status BackupRun::UploadFiles() {
  std::set<std::string> prefixes;
  for (const PlannedFile& file : uploads_) prefixes.insert(FileIdOf(*file.name).substr(0, 2));
  for (const std::string& prefix : prefixes) {
    MOORING_RETURN_IF_ERROR(link_.MakeDirectory(At("Snapshot/" + prefix)));
  }
  for (std::size_t begin = 0; begin < uploads_.size();) {
    std::size_t end = begin;
    std::uint64_t bytes = 0;
    while (end < uploads_.size() && end - begin < phone().options().batch_files &&
           (end == begin || bytes < phone().options().batch_bytes)) {
      bytes += StoredSize(*uploads_[end++].entry);
    }
    MOORING_RETURN_IF_ERROR(link_.AtStep("upload"));
    if (const auto attack = phone().faults().Take(FaultKind::kHostile)) {
      return SendHostile(link_, target_, attack->value);
    }
    MOORING_RETURN_IF_ERROR(UploadBatch(begin, end));
    begin = end;
    link_.set_progress(100.0 * static_cast<double>(end) / static_cast<double>(uploads_.size()));
  }
  return absl::OkStatus();
}

absl::Status BackupRun::UploadBatch(std::size_t begin, std::size_t end) {
  std::uint64_t bytes = 0;
  for (std::size_t i = begin; i < end; ++i) bytes += StoredSize(*uploads_[i].entry);
  MOORING_RETURN_IF_ERROR(link_.BeginUpload(bytes));
  for (std::size_t i = begin; i < end; ++i) {
    const FileName& name = *uploads_[i].name;
    const ContentRef& content = uploads_[i].entry->content;
    const std::string file_id = FileIdOf(name);
    ContentSource source(phone().library(), content, FileKey(file_id, content));
    MOORING_ASSIGN_OR_RETURN(
        const bool is_whole,
        link_.UploadFile(fmt::format("/var/mobile/{}/{}", name.domain, name.path),
                         At("Snapshot/" + PayloadPath(file_id)), source));
    if (is_whole) {
      ++record_.files_sent;
    } else {
      broken_.insert(*DigestFromHex(file_id));
    }
    record_.bytes_sent = link_.payload_bytes_sent();
  }
  return link_.EndUpload();
}

absl::Status BackupRun::UploadManifest() {
  for (const Sha1Digest& id : broken_) {
    MOORING_RETURN_IF_ERROR(manifest_->Remove(HexOf(id)));
    expected_.erase(id);
    if (known_.contains(id)) removals_.push_back(HexOf(id));
  }
  MOORING_RETURN_IF_ERROR(manifest_->Commit());
  MOORING_RETURN_IF_ERROR(link_.AtStep("manifest-upload"));
  if (keybag_ != nullptr) {
    manifest_key_ = ManifestKeyBytes::Make(phone().random()).bytes();
    manifest_key_wrapped_ = keybag_->WrapForClass(kManifestProtectionClass, manifest_key_);
  }
  const std::string plist = EncodeManifestPlist(phone(), keybag_.get(), manifest_key_wrapped_);
  MOORING_ASSIGN_OR_RETURN(const Sent sent, UploadSmall(At("Snapshot/Manifest.plist"), plist));
  manifest_plist_digest_ = sent.digest;
  MOORING_ASSIGN_OR_RETURN(FileSource source, FileSource::Open(manifest_->path(), manifest_key_));
  MOORING_RETURN_IF_ERROR(link_.BeginUpload(source.size_bytes()));
  MOORING_RETURN_IF_ERROR(
      link_.UploadFile("/.b/Manifest.db", At("Snapshot/Manifest.db"), source).status());
  manifest_db_digest_ = source.Digest();
  return link_.EndUpload();
}

absl::Status BackupRun::MoveIntoPlace() {
  MOORING_RETURN_IF_ERROR(UploadStatus("Snapshot/Status.plist", "moving"));
  MOORING_RETURN_IF_ERROR(link_.AtStep("move"));
  std::vector<std::string> broken;  // Hosts may have kept the part that came before the error.
  for (const Sha1Digest& id : broken_) broken.push_back(At("Snapshot/" + PayloadPath(HexOf(id))));
  MOORING_RETURN_IF_ERROR(link_.Remove(broken));
  std::set<std::string> prefixes;
  std::vector<std::pair<std::string, std::string>> items;
  for (const PlannedFile& file : uploads_) {
    const std::string file_id = FileIdOf(*file.name);
    prefixes.insert(file_id.substr(0, 2));
    if (record_.is_full || broken_.contains(*DigestFromHex(file_id))) continue;
    items.emplace_back(At("Snapshot/" + PayloadPath(file_id)), At(PayloadPath(file_id)));
  }
  for (const std::string& prefix : prefixes) {
    // A full backup moves whole directories, over the old ones if there are any.
    if (record_.is_full) {
      items.emplace_back(At("Snapshot/" + prefix), At(prefix));
    } else if (!host_directories_.contains(prefix)) {
      MOORING_RETURN_IF_ERROR(link_.MakeDirectory(At(prefix)));
    }
    host_directories_.erase(prefix);
  }
  for (const char* name : {"Manifest.plist", "Manifest.db", "Status.plist"}) {
    items.emplace_back(At(fmt::format("Snapshot/{}", name)), At(name));
  }
  for (std::size_t begin = 0; begin < items.size(); begin += kItemsPerMessage) {
    const auto from = items.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to = items.begin() +
                    static_cast<std::ptrdiff_t>(std::min(items.size(), begin + kItemsPerMessage));
    MOORING_RETURN_IF_ERROR(link_.Move({from, to}));
  }
  return absl::OkStatus();
}

absl::Status BackupRun::RemoveOld() {
  MOORING_RETURN_IF_ERROR(link_.AtStep("remove"));
  MOORING_RETURN_IF_ERROR(UploadStatus("Status.plist", "removing"));
  std::vector<std::string> paths;
  for (const std::string& file_id : removals_) paths.push_back(At(PayloadPath(file_id)));
  if (record_.is_full) {
    for (const std::string& directory : host_directories_) paths.push_back(At(directory));
  }
  for (std::size_t begin = 0; begin < paths.size(); begin += kItemsPerMessage) {
    const auto from = paths.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to = paths.begin() +
                    static_cast<std::ptrdiff_t>(std::min(paths.size(), begin + kItemsPerMessage));
    MOORING_RETURN_IF_ERROR(link_.Remove({from, to}));
  }
  record_.files_removed = removals_.size();
  MOORING_RETURN_IF_ERROR(link_.Remove({At("Snapshot")}));
  MOORING_RETURN_IF_ERROR(link_.AtStep("finish"));
  return UploadStatus("Status.plist", "finished");
}

absl::Status BackupRun::VerifyFile(const std::string& name, const Sha256Digest& expected) {
  Sha256Stream hash;
  DownloadSink sink;
  sink.begin = [](const std::string&) { return absl::OkStatus(); };
  sink.end = sink.begin;
  sink.data = [&hash](std::string_view bytes) {
    hash.Update(bytes);
    return absl::OkStatus();
  };
  MOORING_ASSIGN_OR_RETURN(auto results, link_.Download({At(name)}, sink));
  if (results[At(name)].is_complete && hash.Finish() == expected) return absl::OkStatus();
  phone().Violation(fmt::format("mobilebackup2: {} read back is not what was sent", name));
  return MbError(205, fmt::format("{} cannot be read back (MBErrorDomain/205)", name));
}

absl::Status BackupRun::Verify() {
  MOORING_RETURN_IF_ERROR(link_.AtStep("verify"));
  MOORING_RETURN_IF_ERROR(VerifyFile("Status.plist", status_digest_));
  MOORING_RETURN_IF_ERROR(VerifyFile("Manifest.plist", manifest_plist_digest_));
  MOORING_RETURN_IF_ERROR(VerifyFile("Manifest.db", manifest_db_digest_));
  std::size_t good = 0;
  std::size_t wrong_size = 0;
  std::size_t unknown = 0;
  for (int number = 0; number < 256; ++number) {
    MOORING_ASSIGN_OR_RETURN(const auto files, link_.List(At(Prefix(number))));
    for (const auto& [name, file] : files) {
      const std::optional<Sha1Digest> id = DigestFromHex(name);
      const auto expected = id ? expected_.find(*id) : expected_.end();
      if (expected == expected_.end()) {
        ++unknown;
      } else if (expected->second != file.size_bytes) {
        ++wrong_size;
      } else {
        ++good;
      }
    }
  }
  MOORING_ASSIGN_OR_RETURN(const auto leftovers, link_.List(At("Snapshot")));
  if (good == expected_.size() && wrong_size == 0 && unknown == 0 && leftovers.empty()) {
    return absl::OkStatus();
  }
  phone().Violation(fmt::format(
      "mobilebackup2: listings after the backup show {} of {} files, {} of wrong size, {} that "
      "should be gone, {} left in Snapshot",
      good, expected_.size(), wrong_size, unknown, leftovers.size()));
  return MbError(205, "Manifest references files not in backup (MBErrorDomain/205)");
}

}  // namespace mooring::testing
