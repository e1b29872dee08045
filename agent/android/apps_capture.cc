#include "agent/android/apps_capture.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "agent/android/record_lists.h"
#include "agent/android/record_sink.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kOutputBytesMax = 4 << 20;
constexpr std::size_t kPackagesMax = 5000;
constexpr std::size_t kApksMax = 500;
constexpr std::size_t kPackagesPerAsk = 40;
constexpr std::string_view kPackage = "package:";
constexpr std::int64_t kSecondNs = 1'000'000'000;

std::string_view TakeLine(std::string_view& text) {
  std::string_view line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// The word behind `key` in a line of pm.
std::string WordAfter(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = line.substr(at + key.size());
  return std::string(rest.substr(0, rest.find(' ')));
}

bool IsApkName(std::string_view name) {
  return name.size() > 4 && name.size() <= 200 && name.substr(name.size() - 4) == ".apk" &&
         name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
           return static_cast<unsigned char>(c) > ' ' && c != '/' && c != 0x7F;
         });
}

}  // namespace

bool IsPackageName(std::string_view name) {
  return !name.empty() && name.size() <= 223 && name.front() != '.' &&
         name.find("..") == std::string_view::npos &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  c == '.' || c == '_';
         });
}

std::vector<InstalledPackage> ParsePackages(std::string_view output) {
  std::vector<InstalledPackage> packages;
  while (!output.empty() && packages.size() < kPackagesMax) {
    const std::string_view line = TakeLine(output);
    if (line.substr(0, kPackage.size()) != kPackage) continue;
    InstalledPackage package;
    package.name = WordAfter(line, kPackage);
    if (!IsPackageName(package.name)) continue;
    package.version_code = WordAfter(line, " versionCode:");
    package.installer = WordAfter(line, " installer=");
    if (package.installer == "null") package.installer.clear();
    packages.push_back(std::move(package));
  }
  return packages;
}

std::map<std::string, std::vector<std::string>> ParsePackagePaths(std::string_view output) {
  std::map<std::string, std::vector<std::string>> paths;
  std::vector<std::string>* current = nullptr;
  while (!output.empty()) {
    const std::string_view line = TakeLine(output);
    if (!line.empty() && line.front() == '=' && IsPackageName(line.substr(1))) {
      current = &paths[std::string(line.substr(1))];
    } else if (current != nullptr && line.substr(0, kPackage.size()) == kPackage &&
               current->size() < kApksMax) {
      current->emplace_back(line.substr(kPackage.size()));
    }
  }
  return paths;
}

absl::StatusOr<std::string> AppsCapture::Ask(const OpContext& ctx, const std::string& command) {
  ShellResult result;
  MOORING_RETURN_IF_ERROR(parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(result, RunShell(ctx, parts_.line.device(), command, kOutputBytesMax));
    return absl::OkStatus();
  }));
  if (result.exit.status != 0) return absl::PermissionDeniedError("pm failed");
  return std::move(result.output);
}

absl::StatusOr<std::vector<InstalledPackage>> AppsCapture::Packages(const OpContext& ctx) {
  // --user 0 always: without it pm fails on phones with a work profile.
  auto output = Ask(ctx, "pm list packages --user 0 -3 -i --show-versioncode");
  if (absl::IsPermissionDenied(output.status())) {
    output = Ask(ctx, "pm list packages --user 0 -3");
  }
  MOORING_RETURN_IF_ERROR(output.status());
  return ParsePackages(*output);
}

absl::Status AppsCapture::PutList(const OpContext& ctx,
                                  const std::vector<InstalledPackage>& packages) {
  RecordSink sink(ctx, parts_.builder, parts_.index, kAppsPath);
  RecordWriter writer(kAppsFormat, [&](ByteView bytes) { return sink.Write(bytes); });
  for (const InstalledPackage& package : packages) {
    MOORING_RETURN_IF_ERROR(writer.Add({"package", "version_code", "installer"},
                                       {package.name, package.version_code, package.installer}));
  }
  MOORING_RETURN_IF_ERROR(writer.Finish());
  return sink.Finish();
}

absl::Status AppsCapture::CapturePackage(const OpContext& ctx, const std::string& package,
                                         const std::vector<std::string>& apks) {
  const std::string root = fmt::format("{}/{}", kAppsRoot, package);
  std::vector<WantedFile> wanted;
  std::set<std::string, std::less<>> names;
  std::string directory;
  for (const std::string& apk : apks) {
    const std::size_t slash = apk.rfind('/');
    const std::string name = slash == std::string::npos ? "" : apk.substr(slash + 1);
    if (slash == std::string::npos || apk.front() != '/' || !IsApkName(name) ||
        apk.find("/../") != std::string::npos ||
        (!directory.empty() && apk.compare(0, slash, directory) != 0)) {
      parts_.gaps.Add(root, v1::GAP_REASON_NOT_STORABLE);
      continue;
    }
    directory = apk.substr(0, slash);
    AdbStat stat;
    const absl::Status known = parts_.line.Run(ctx, [&]() -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(AdbSync* const sync, parts_.line.sync(ctx));
      MOORING_ASSIGN_OR_RETURN(stat, sync->Stat(ctx, apk));
      return absl::OkStatus();
    });
    if (IsFileRefusal(known)) {
      parts_.gaps.Add(root + "/" + name, v1::GAP_REASON_REFUSED);
      continue;
    }
    MOORING_RETURN_IF_ERROR(known);
    names.insert(name);
    const auto entry = parts_.builder.Find(root + "/" + name);
    if (entry && entry->size_bytes == stat.size_bytes &&
        entry->modified_unix_ns / kSecondNs == stat.modified_unix_s) {
      continue;
    }
    wanted.push_back({name, stat.size_bytes, stat.modified_unix_s * kSecondNs, stat.inode, 0644});
    parts_.budget.total_bytes += stat.size_bytes;
  }
  for (const storage::ListedEntry& old : parts_.builder.List(root)) {
    if (names.count(old.name) > 0 || apks.empty()) continue;
    MOORING_RETURN_IF_ERROR(parts_.builder.Remove(root + "/" + old.name));
  }
  FileFetch fetch(
      {parts_.line, parts_.builder, parts_.index, parts_.gaps, parts_.progress, parts_.budget},
      {directory, root, Domain::kOrganization});
  return fetch.Fetch(ctx, std::move(wanted));
}

absl::Status AppsCapture::Run(const OpContext& ctx) {
  if (!parts_.Wants(v1::CATEGORY_INSTALLED_APPS)) {
    MOORING_RETURN_IF_ERROR(parts_.builder.Remove(kAppsPath));
    return parts_.builder.Remove(kAppsRoot);
  }
  parts_.line.Say(v1::PHASE_CAPTURING, "Copying installed apps");
  MOORING_ASSIGN_OR_RETURN(const std::vector<InstalledPackage> packages, Packages(ctx));
  MOORING_RETURN_IF_ERROR(PutList(ctx, packages));
  std::set<std::string, std::less<>> installed;
  for (const InstalledPackage& package : packages) installed.insert(package.name);
  for (const storage::ListedEntry& old : parts_.builder.List(kAppsRoot)) {
    if (installed.count(old.name) > 0) continue;
    MOORING_RETURN_IF_ERROR(parts_.builder.Remove(fmt::format("{}/{}", kAppsRoot, old.name)));
  }
  for (std::size_t at = 0; at < packages.size(); at += kPackagesPerAsk) {
    std::string command;
    const std::size_t end = std::min(packages.size(), at + kPackagesPerAsk);
    for (std::size_t i = at; i < end; ++i) {
      command += fmt::format("echo ={0}; pm path --user 0 {0}; ", packages[i].name);
    }
    // The last pm's status says nothing of the others.
    MOORING_ASSIGN_OR_RETURN(const std::string output, Ask(ctx, command + "true"));
    const auto paths = ParsePackagePaths(output);
    for (std::size_t i = at; i < end; ++i) {
      const auto found = paths.find(packages[i].name);
      if (found == paths.end() || found->second.empty()) {
        parts_.gaps.Add(fmt::format("{}/{}", kAppsRoot, packages[i].name), v1::GAP_REASON_REFUSED);
        continue;
      }
      MOORING_RETURN_IF_ERROR(CapturePackage(ctx, found->first, found->second));
    }
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
