// BackupRun: one Backup request, driven by the phone from the passcode sheet to
// the verification of what the host keeps.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <absl/status/status.h>

#include "tests/phones/iphone/backup_files.h"
#include "tests/phones/iphone/crypto.h"
#include "tests/phones/iphone/device_link.h"
#include "tests/phones/iphone/file_table.h"
#include "tests/phones/iphone/manifest_db.h"
#include "tests/phones/iphone/phone.h"

namespace mooring::testing {

// Thread-bound; for one run. The steps, where faults may strike: passcode, status,
// manifest, listing, space, prepare, upload, manifest-upload, move, remove, finish,
// verify, response.
class BackupRun {
 public:
  BackupRun(DeviceLink& link, std::string target, bool is_forced_full);

  // Ok, or why it ended; the caller answers the host (DeviceLink::Respond).
  absl::Status Run();
  const OperationRecord& record() const { return record_; }

 private:
  // What the host's manifest says of one file.
  struct KnownFile {
    std::uint64_t archive_hash = 0;
    std::uint32_t flags = 0;
    bool is_seen = false;
  };
  struct PlannedFile {
    const FileName* name = nullptr;  // In files_.
    const FileEntry* entry = nullptr;
    std::string archive;  // Made again when it is sent if empty.
  };
  struct Sent {
    std::uint64_t size_bytes = 0;
    Sha256Digest digest{};
  };

  absl::Status LoadHostBackup();
  // nullopt: usable; else why the backup has to be a full one.
  absl::StatusOr<std::optional<std::string>> LoadManifest();
  absl::StatusOr<std::optional<std::string>> CheckListings();
  absl::Status Plan();
  absl::Status CheckSpace();
  absl::Status Prepare();
  absl::Status UploadFiles();
  absl::Status UploadBatch(std::size_t begin, std::size_t end);
  absl::Status UploadManifest();
  absl::Status MoveIntoPlace();
  absl::Status RemoveOld();
  absl::Status Verify();
  absl::Status VerifyFile(const std::string& name, const Sha256Digest& expected);
  absl::Status UploadStatus(const std::string& path, const std::string& state);
  absl::StatusOr<Sent> UploadSmall(const std::string& path, const std::string& bytes);
  absl::StatusOr<bool> DownloadTo(int file, const std::string& path, std::string_view key);

  std::string FileKey(const std::string& file_id, const ContentRef& content) const;
  std::string Archive(const std::string& file_id, const FileName& name,
                      const FileEntry& entry) const;
  std::uint64_t StoredSize(const FileEntry& entry) const;
  std::string At(std::string_view below) const;
  Phone& phone() { return link_.phone(); }

  DeviceLink& link_;
  const std::string target_;
  const bool is_forced_full_;
  const std::shared_ptr<const FileTable> files_;
  const std::shared_ptr<const Keybag> keybag_;
  OperationRecord record_;
  StatusFile status_;
  std::string manifest_key_;  // In clear.
  std::string manifest_key_wrapped_;
  std::optional<ManifestDb> manifest_;
  absl::flat_hash_map<Sha1Digest, KnownFile> known_;
  absl::flat_hash_map<Sha1Digest, std::uint64_t> expected_;  // Payload sizes after the run.
  std::vector<PlannedFile> uploads_;                         // Regular files with new content.
  std::vector<std::string> removals_;                        // File ids whose payload goes.
  std::set<std::string> host_directories_;                   // xx that the host has.
  absl::flat_hash_set<Sha1Digest> broken_;                   // Ended with an error block.
  bool has_leftovers_ = false;
  std::uint64_t upload_bytes_ = 0;
  Sha256Digest status_digest_{};
  Sha256Digest manifest_plist_digest_{};
  Sha256Digest manifest_db_digest_{};
};

}  // namespace mooring::testing
