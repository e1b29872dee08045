#include "agent/ios/phone_restore.h"

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "agent/ios/afc_files.h"
#include "agent/ios/mb2_path.h"
#include "agent/ios/plist.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr PlistLimits kLimits = {.bytes_max = std::uint64_t{64} << 20};
constexpr const char* kRestoreDirectory = "/iTunesRestore";
constexpr const char* kRestoreApplications = "/iTunesRestore/RestoreApplications.plist";

// A plist of the snapshot. Once the phone's own bytes, so guarded again.
absl::StatusOr<Plist> LoadPlist(const OpContext& ctx, SnapshotReader& snapshot,
                                std::string_view path) {
  Bytes bytes;
  MOORING_RETURN_IF_ERROR(snapshot.Read(ctx, path, [&bytes](ByteView piece) -> absl::Status {
    if (bytes.size() + piece.size() > kLimits.bytes_max) {
      return absl::InvalidArgumentError("too large");
    }
    Append(bytes, piece);
    return absl::OkStatus();
  }));
  return Plist::Parse(bytes, kLimits);
}

// Whether the snapshot itself can be restored; an obstacle's sentence, or empty.
absl::StatusOr<std::string> SnapshotObstacle(const OpContext& ctx, SnapshotReader& snapshot) {
  for (const std::string_view path : {kInfoPath, kStatusPath, kManifestPath, kManifestDbPath}) {
    if (!snapshot.Find(path)) return std::string("The snapshot holds no full backup of an iPhone.");
  }
  if (!snapshot.List(kFullSnapshot).empty()) return std::string("The backup was never finished.");
  MOORING_ASSIGN_OR_RETURN(const Plist status, LoadPlist(ctx, snapshot, kStatusPath));
  if (status.view().Text("SnapshotState") != "finished") {
    return std::string("The backup was never finished.");
  }
  return std::string();
}

absl::StatusOr<bool> IsEncrypted(const OpContext& ctx, SnapshotReader& snapshot) {
  MOORING_ASSIGN_OR_RETURN(const Plist manifest, LoadPlist(ctx, snapshot, kManifestPath));
  return manifest.view().Get("IsEncrypted").boolean().value_or(false);
}

std::uint64_t FullBytes(SnapshotReader& snapshot) {
  std::uint64_t bytes = 0;
  const absl::Status visited =
      snapshot.Visit(kFullRoot, [&bytes](std::string_view, const storage::Entry& entry) {
        bytes += entry.size_bytes;
        return absl::OkStatus();
      });
  visited.IgnoreError();  // The visitor never fails.
  return bytes;
}

Plist RestoreMessage(const std::string& source, const std::string& target, ByteView password) {
  Plist options = Plist::Dict();
  options.Set("RestoreSystemFiles", Plist::Boolean(true))
      .Set("RestoreShouldReboot", Plist::Boolean(true))
      // The phone must not ask for a copy of the backup beside itself.
      .Set("RestoreDontCopyBackup", Plist::Boolean(true))
      .Set("RestorePreserveSettings", Plist::Boolean(true))
      // Without it a fresh phone does not fetch its apps again.
      .Set("RemoveItemsNotRestored", Plist::Boolean(true));
  if (!password.empty()) options.Set("Password", Plist::String(AsText(password)));
  Plist message = Plist::Dict();
  message.Set("MessageName", Plist::String("Restore"))
      .Set("TargetIdentifier", Plist::String(target))
      .Set("SourceIdentifier", Plist::String(source))
      .Set("Options", std::move(options));
  return message;
}

// Tells the phone which apps to fetch from the store afterwards.
absl::Status WriteApplications(const OpContext& ctx, SnapshotReader& snapshot, afc_client_t afc) {
  MOORING_ASSIGN_OR_RETURN(const Plist info, LoadPlist(ctx, snapshot, kInfoPath));
  const PlistView applications = info.view().Get("Applications");
  if (!applications.is_dict()) return absl::OkStatus();
  const afc_error_t made = afc_make_directory(afc, kRestoreDirectory);
  if (made != AFC_E_OBJECT_EXISTS) {
    MOORING_RETURN_IF_ERROR(AfcStatus(made, "prepare the list of apps"));
  }
  return WriteAfcFile(afc, kRestoreApplications, Plist::CopyOf(applications).ToXml());
}

}  // namespace

int CompareVersions(std::string_view a, std::string_view b) {
  while (!a.empty() || !b.empty()) {
    std::array<unsigned, 2> numbers{};
    std::size_t side = 0;
    for (std::string_view* version : {&a, &b}) {
      std::from_chars(version->data(), version->data() + version->size(), numbers[side++]);
      const std::size_t dot = version->find('.');
      version->remove_prefix(dot == std::string_view::npos ? version->size() : dot + 1);
    }
    if (numbers[0] != numbers[1]) return numbers[0] < numbers[1] ? -1 : 1;
  }
  return 0;
}

absl::StatusOr<RestoreCheck> CheckPhoneRestore(const OpContext& ctx, Lockdown& lockdown,
                                               const v1::DeviceFacts& facts,
                                               SnapshotReader& snapshot) {
  RestoreCheck check;
  MOORING_ASSIGN_OR_RETURN(std::string obstacle, SnapshotObstacle(ctx, snapshot));
  if (!obstacle.empty()) {
    check.obstacles.push_back(std::move(obstacle));
    return check;
  }
  const std::string& backup_version = snapshot.device().os_version();
  if (!backup_version.empty() && CompareVersions(facts.os_version(), backup_version) < 0) {
    check.obstacles.push_back(
        fmt::format("The iPhone runs iOS {}, older than the backup's {}: update it first.",
                    facts.os_version(), SanitizeText(backup_version, 32)));
  }
  const std::uint64_t needed = FullBytes(snapshot);
  const std::uint64_t free = facts.capacity_bytes() - facts.used_bytes();
  if (facts.capacity_bytes() > 0 && needed > free) {
    check.obstacles.push_back(
        fmt::format("The backup needs {} bytes and the iPhone has {} free.", needed, free));
  }
  if (facts.locked()) check.warnings.emplace_back("The iPhone is locked: unlock it first.");
  MOORING_ASSIGN_OR_RETURN(const Plist find_my, lockdown.Value("com.apple.fmip", "IsAssociated"));
  if (find_my.view().boolean().value_or(false)) {
    check.warnings.emplace_back("Find My may be on: turn it off on the iPhone first.");
  }
  MOORING_ASSIGN_OR_RETURN(const bool is_encrypted, IsEncrypted(ctx, snapshot));
  if (is_encrypted) {
    check.warnings.emplace_back("The backup is encrypted by the phone: its password is needed.");
  }
  check.possible = check.obstacles.empty();
  return check;
}

absl::StatusOr<RestoreOutcome> RestorePhone(const OpContext& ctx, PhoneSession& session,
                                            SnapshotReader& snapshot,
                                            const SecretBytes& backup_password,
                                            ProgressSink& progress) {
  progress.Report(v1::PHASE_PREPARING, v1::WAITING_FOR_UNSPECIFIED, "Getting the iPhone ready");
  MOORING_ASSIGN_OR_RETURN(const std::string obstacle, SnapshotObstacle(ctx, snapshot));
  if (!obstacle.empty()) {
    return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_VERIFICATION_FAILED, obstacle,
                   "Choose another snapshot");
  }
  MOORING_ASSIGN_OR_RETURN(const bool is_encrypted, IsEncrypted(ctx, snapshot));
  if (is_encrypted && backup_password.empty()) {
    return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_WRONG_BACKUP_PASSWORD,
                   "the backup is encrypted by the phone and no password was given",
                   "Give the password that the iPhone's backups were encrypted with");
  }
  MOORING_RETURN_IF_ERROR(session.LockSync(ctx));
  MOORING_ASSIGN_OR_RETURN(const afc_client_t afc, session.afc());
  MOORING_RETURN_IF_ERROR(WriteApplications(ctx, snapshot, afc));

  const std::string source = snapshot.device().serial();
  RestoreFiles files(snapshot);
  MOORING_ASSIGN_OR_RETURN(
      const Mb2Response response,
      session.Converse(ctx,
                       {PhoneTask::kRestore, source,
                        RestoreMessage(source, session.phone().udid,
                                       is_encrypted ? backup_password.view() : ByteView())},
                       files, progress));
  RestoreOutcome outcome{.files = response.sent.files, .bytes = response.sent.bytes, .remarks = {}};
  if (response.sent.failed > 0) {
    outcome.remarks.push_back(fmt::format(
        "the iPhone asked for {} files that the backup does not hold", response.sent.failed));
  }
  outcome.remarks.emplace_back(
      "The iPhone restarts now; its apps come from the App Store once its owner signs in.");
  return outcome;
}

}  // namespace mooring::agent
