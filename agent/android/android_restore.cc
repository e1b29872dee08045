#include "agent/android/android_restore.h"

#include <string>

#include <fmt/format.h>

#include "agent/android/apps_capture.h"
#include "agent/android/apps_restore.h"
#include "agent/android/mms_capture.h"
#include "agent/android/record_lists.h"
#include "agent/android/records_restore.h"
#include "agent/android/storage_restore.h"
#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Kept free, so that a full phone still starts.
constexpr std::uint64_t kReserveBytes = std::uint64_t{256} << 20;

void WarnOfWhatStays(SnapshotReader& snapshot, RestoreCheck& check) {
  const auto has = [&](std::string_view path) { return snapshot.Find(path).has_value(); };
  check.warnings.emplace_back(
      "accounts, passwords, eSIM, and what apps keep to themselves are not in the backup; sign in "
      "to the apps again");
  if (has(kRawContactsPath)) {
    check.warnings.emplace_back(
        "contacts of an account (Google, Exchange) come back when its owner signs in; those of the "
        "phone itself are restored");
  }
  if (has(kSmsPath)) {
    check.warnings.emplace_back(
        "whether SMS can be written is this phone's decision; they are read back and counted");
  }
  if (snapshot.IsDirectory(kMmsPartsRoot) || has("records/mms.json")) {
    check.warnings.emplace_back("MMS are in the backup but no phone takes them over USB");
  }
  if (has("records/calendar.json")) {
    check.warnings.emplace_back(
        "calendars come back with their accounts; the list in the backup is for an export");
  }
  if (!snapshot.List(kAppsRoot).empty()) {
    check.warnings.emplace_back(
        "apps are installed again where this phone allows it; some makers ask on the screen");
  }
  if (snapshot.IsDirectory("storage/internal/Android/media/com.whatsapp")) {
    check.warnings.emplace_back(
        "restore before WhatsApp is first opened, and with the same phone number");
  }
}

}  // namespace

absl::StatusOr<RestoreCheck> CheckAndroidRestore(const OpContext& ctx, AdbDevice& device,
                                                 SnapshotReader& snapshot) {
  RestoreCheck check;
  if (snapshot.device().platform() != v1::PLATFORM_ANDROID) {
    check.obstacles.emplace_back("the snapshot is not of an Android phone");
  }
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t needed, MissingBytes(ctx, device, snapshot));
  const absl::StatusOr<std::uint64_t> free = FreeBytes(ctx, device);
  if (IsPhoneLost(free.status())) return free.status();
  if (!free.ok()) {
    check.warnings.emplace_back("this phone does not say how much space it has left");
  } else if (*free < needed) {
    check.obstacles.push_back(fmt::format("the phone has {} MiB free and the files need {} MiB",
                                          *free >> 20U, (needed >> 20U) + 1));
  } else if (*free < needed + kReserveBytes) {
    check.warnings.emplace_back("the phone will be nearly full");
  }
  WarnOfWhatStays(snapshot, check);
  check.possible = check.obstacles.empty();
  return check;
}

absl::StatusOr<RestoreOutcome> RestoreAndroid(const OpContext& ctx, Clock& clock, PhoneLine& line,
                                              SnapshotReader& snapshot, ProgressSink& progress) {
  RestoreOutcome outcome;
  const RestoreParts parts{clock, line, snapshot, progress, outcome};
  MOORING_RETURN_IF_ERROR(StorageRestore(parts).Run(ctx));
  MOORING_RETURN_IF_ERROR(AppsRestore(parts).Run(ctx));
  MOORING_RETURN_IF_ERROR(RecordsRestore(parts).Run(ctx));
  return outcome;
}

}  // namespace mooring::agent
