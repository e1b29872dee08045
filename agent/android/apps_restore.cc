#include "agent/android/apps_restore.h"

#include <algorithm>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "agent/android/apps_capture.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kOutputBytesMax = 64 << 10;
// Packages that are named in remarks.
constexpr std::size_t kNamedMax = 10;

}  // namespace

absl::StatusOr<std::string> ParseInstallSession(std::string_view output) {
  const std::size_t begin = output.find('[');
  const std::size_t end = output.find(']');
  if (output.substr(0, 7) != "Success" || begin == std::string_view::npos ||
      end == std::string_view::npos || end <= begin + 1) {
    return absl::UnknownError("the phone began no installation");
  }
  const std::string_view session = output.substr(begin + 1, end - begin - 1);
  if (session.size() > 20 ||
      !std::all_of(session.begin(), session.end(), [](char c) { return c >= '0' && c <= '9'; })) {
    return absl::UnknownError("the phone began no installation");
  }
  return std::string(session);
}

absl::Status ParseInstallResult(std::string_view output) {
  if (output.substr(0, 7) == "Success") return absl::OkStatus();
  const std::size_t begin = output.find('[');
  std::string reason;
  if (begin != std::string_view::npos) {
    for (const char c : output.substr(begin + 1)) {
      if ((c < 'A' || c > 'Z') && c != '_' && (c < '0' || c > '9')) break;
      reason += c;
    }
  }
  return absl::FailedPreconditionError(reason.empty() ? "no reason given" : reason);
}

absl::StatusOr<std::string> AppsRestore::Ask(const OpContext& ctx, const std::string& command) {
  MOORING_ASSIGN_OR_RETURN(const ShellResult result,
                           RunShell(ctx, parts_.line.device(), command, kOutputBytesMax));
  return result.output.empty() ? result.exit.errors : result.output;
}

absl::StatusOr<bool> AppsRestore::IsInstalled(const OpContext& ctx, const std::string& package) {
  std::string output;
  MOORING_RETURN_IF_ERROR(parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(output, Ask(ctx, "pm path --user 0 " + package));
    return absl::OkStatus();
  }));
  return output.substr(0, 8) == "package:";
}

absl::Status AppsRestore::WriteApk(const OpContext& ctx, const std::string& session,
                                   const std::string& path, const std::string& name) {
  const std::optional<storage::Entry> entry = parts_.snapshot.Find(path);
  if (!entry) return absl::NotFoundError("no such package");
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<AdbShell> shell,
                           parts_.line.device().Shell(
                               ctx, fmt::format("cmd package install-write -S {} {} {} -",
                                                entry->size_bytes, session, QuoteForShell(name))));
  MOORING_RETURN_IF_ERROR(
      parts_.snapshot.Read(ctx, path, [&](ByteView bytes) { return shell->Write(ctx, bytes); }));
  MOORING_RETURN_IF_ERROR(shell->CloseStdin(ctx));
  std::string output(256, '\0');
  MOORING_ASSIGN_OR_RETURN(const std::size_t size,
                           shell->Read(ctx, std::as_writable_bytes(std::span(output))));
  output.resize(size);
  MOORING_ASSIGN_OR_RETURN(const ShellExit exit, shell->Finish(ctx));
  if (exit.status != 0 && output.empty()) output = exit.errors;
  MOORING_RETURN_IF_ERROR(ParseInstallResult(output));
  parts_.progress.Moved(1, entry->size_bytes);
  return absl::OkStatus();
}

absl::Status AppsRestore::InstallFiles(const OpContext& ctx, const std::string& session,
                                       const std::string& root) {
  for (const storage::ListedEntry& apk : parts_.snapshot.List(root)) {
    MOORING_RETURN_IF_ERROR(WriteApk(ctx, session, fmt::format("{}/{}", root, apk.name), apk.name));
  }
  MOORING_ASSIGN_OR_RETURN(const std::string output,
                           Ask(ctx, "cmd package install-commit " + session));
  return ParseInstallResult(output);
}

absl::Status AppsRestore::Install(const OpContext& ctx, const std::string& package) {
  const std::string root = fmt::format("{}/{}", kAppsRoot, package);
  std::uint64_t total = 0;
  for (const storage::ListedEntry& apk : parts_.snapshot.List(root)) total += apk.size_bytes;
  return parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(
        const std::string created,
        Ask(ctx, fmt::format("cmd package install-create --user 0 -S {}", total)));
    const absl::StatusOr<std::string> session = ParseInstallSession(created);
    if (!session.ok()) return ParseInstallResult(created);
    const absl::Status installed = InstallFiles(ctx, *session, root);
    if (!installed.ok() && !IsPhoneLost(installed)) {
      // What was begun is not to lie about on the phone.
      Ask(ctx, "cmd package install-abandon " + *session).status().IgnoreError();
    }
    return installed;
  });
}

absl::Status AppsRestore::Run(const OpContext& ctx) {
  std::uint64_t installed = 0;
  std::uint64_t there = 0;
  std::uint64_t refused = 0;
  std::string named;
  const std::vector<storage::ListedEntry> packages = parts_.snapshot.List(kAppsRoot);
  if (packages.empty()) return absl::OkStatus();
  parts_.line.Say(v1::PHASE_RESTORING, "Installing apps");
  for (const storage::ListedEntry& package : packages) {
    if (!IsPackageName(package.name)) continue;
    MOORING_ASSIGN_OR_RETURN(const bool is_installed, IsInstalled(ctx, package.name));
    if (is_installed) {
      ++there;
      continue;
    }
    const absl::Status status = Install(ctx, package.name);
    if (absl::IsUnavailable(status) || absl::IsCancelled(status) || absl::IsDataLoss(status)) {
      return status;
    }
    bool is_there = false;
    if (status.ok()) {
      MOORING_ASSIGN_OR_RETURN(is_there, IsInstalled(ctx, package.name));
    }
    if (is_there) {
      ++installed;
      parts_.outcome.files +=
          parts_.snapshot.List(fmt::format("{}/{}", kAppsRoot, package.name)).size();
      continue;
    }
    if (++refused <= kNamedMax) {
      named += fmt::format("{}{} ({})", named.empty() ? "" : ", ", package.name,
                           status.ok() ? "not there afterwards" : std::string(status.message()));
    }
  }
  parts_.Remark(fmt::format("{} of {} apps installed, {} were there already", installed,
                            packages.size(), there));
  if (refused > 0) parts_.Remark(fmt::format("the phone refused {} apps: {}", refused, named));
  return absl::OkStatus();
}

}  // namespace mooring::agent
