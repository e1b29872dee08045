// AppsCapture: the packages that the owner installed, with their splits, as the
// phone has them: apps/<package>/*.apk. Of user 0 alone: a work profile's are
// its company's. They go into the organization's domain, where a package that
// two phones have is stored once.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/android/storage_capture.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

inline constexpr std::string_view kAppsRoot = "apps";

struct InstalledPackage {
  std::string name;
  std::string version_code;  // Empty if not told.
  std::string installer;     // Likewise.
};

// A package's name as Android allows it.
bool IsPackageName(std::string_view name);

// Lines of `pm list packages`, with --show-versioncode and -i or without.
std::vector<InstalledPackage> ParsePackages(std::string_view output);

// Paths by package from "=PACKAGE" lines, each followed by what `pm path` printed.
std::map<std::string, std::vector<std::string>> ParsePackagePaths(std::string_view output);

// Thread-bound.
class AppsCapture {
 public:
  explicit AppsCapture(const CaptureParts& parts) : parts_(parts) {}

  absl::Status Run(const OpContext& ctx);

 private:
  absl::StatusOr<std::string> Ask(const OpContext& ctx, const std::string& command);
  absl::StatusOr<std::vector<InstalledPackage>> Packages(const OpContext& ctx);
  absl::Status PutList(const OpContext& ctx, const std::vector<InstalledPackage>& packages);
  absl::Status CapturePackage(const OpContext& ctx, const std::string& package,
                              const std::vector<std::string>& apks);

  const CaptureParts parts_;
};

}  // namespace mooring::agent
