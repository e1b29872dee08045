// AppsRestore: app packages of a snapshot, each with its splits, installed anew.
// Their data is not in any backup over adb.

#pragma once

#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/android/storage_restore.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// The session that `pm install-create` made; kUnknown if it made none.
absl::StatusOr<std::string> ParseInstallSession(std::string_view output);
// "Success", or the reason in "Failure [REASON: ...]".
absl::Status ParseInstallResult(std::string_view output);

// Thread-bound.
class AppsRestore {
 public:
  explicit AppsRestore(const RestoreParts& parts) : parts_(parts) {}

  absl::Status Run(const OpContext& ctx);

 private:
  absl::StatusOr<bool> IsInstalled(const OpContext& ctx, const std::string& package);
  // kFailedPrecondition: the phone would not have it.
  absl::Status Install(const OpContext& ctx, const std::string& package);
  absl::Status InstallFiles(const OpContext& ctx, const std::string& session,
                            const std::string& root);
  absl::StatusOr<std::string> Ask(const OpContext& ctx, const std::string& command);
  absl::Status WriteApk(const OpContext& ctx, const std::string& session, const std::string& path,
                        const std::string& name);

  RestoreParts parts_;
};

}  // namespace mooring::agent
