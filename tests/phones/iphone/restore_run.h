// RestoreRun: one Restore request. The phone reads the backup folder from the host
// and, once it has every file, takes the result as its own content.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "tests/phones/common/content.h"
#include "tests/phones/iphone/crypto.h"
#include "tests/phones/iphone/device_link.h"
#include "tests/phones/iphone/file_table.h"
#include "tests/phones/iphone/keybag.h"
#include "tests/phones/iphone/mb_file.h"
#include "tests/phones/iphone/phone.h"

namespace mooring::testing {

struct RestoreOptions {
  std::string source;  // UDID of the backup.
  std::string password;
  bool restores_system_files = false;
  bool removes_others = false;
  bool reboots = false;
};

// Thread-bound; for one run. Steps: restore-status, restore-manifest, restore-files,
// restore-commit, response.
class RestoreRun {
 public:
  RestoreRun(DeviceLink& link, RestoreOptions options);
  ~RestoreRun();

  absl::Status Run();
  const OperationRecord& record() const { return record_; }

 private:
  struct Wanted {
    FileName name;
    MbFile file;
    std::string host_path;
    std::string key;  // In clear; empty when not encrypted.
  };

  absl::Status LoadManifest();
  absl::Status LoadRows(const std::string& manifest_key);
  absl::Status AddRow(const struct ManifestRow& row);
  absl::Status CheckInfo();
  absl::Status CheckSpace();
  absl::Status ReceiveFiles();
  absl::Status ReceiveBatch(std::size_t begin, std::size_t end);
  absl::Status BeginFile(const Wanted& wanted);
  absl::Status TakePlain(std::string_view bytes);
  absl::Status EndFile(const Wanted& wanted);
  void PutEntry(const Wanted& wanted, FileEntry::Kind kind, const ContentRef& content);
  void Commit();
  std::string At(std::string_view below) const;
  Phone& phone() { return link_.phone(); }

  DeviceLink& link_;
  const RestoreOptions options_;
  OperationRecord record_;
  std::optional<Keybag> keybag_;
  FileTable restored_;
  std::vector<Wanted> wanted_;
  std::uint64_t wanted_bytes_ = 0;

  // The file that is coming in.
  int spool_ = -1;
  std::uint64_t received_bytes_ = 0;
  Sha256Stream hash_;
  std::optional<CbcStream> cipher_;
  std::string plain_;
};

}  // namespace mooring::testing
