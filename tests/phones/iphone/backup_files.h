// The property lists of a backup folder that the phone writes.

#pragma once

#include <memory>
#include <string>

#include <absl/time/time.h>

#include "tests/phones/iphone/keybag.h"
#include "tests/phones/iphone/phone.h"

namespace mooring::testing {

struct StatusFile {
  std::string uuid;
  std::string snapshot_state;  // uploading, moving, removing, finished.
  bool is_full = false;
};

std::string EncodeStatusPlist(const StatusFile& status, absl::Time now);

// `manifest_key` is wrapped; both it and `keybag` are absent from unencrypted backups.
std::string EncodeManifestPlist(Phone& phone, const Keybag* keybag,
                                const std::string& manifest_key);

// Splits `path` of a file id: "ab/ab12...".
std::string PayloadPath(const std::string& file_id);

}  // namespace mooring::testing
