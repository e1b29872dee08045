#include "agent/ios/sync_lock.h"

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr const char* kLockFile = "/com.apple.itunes.lock_sync";
constexpr int kAttempts = 50;
constexpr absl::Duration kPause = absl::Milliseconds(200);

}  // namespace

absl::StatusOr<std::unique_ptr<SyncLock>> SyncLock::Take(const OpContext& ctx, Clock& clock,
                                                         afc_client_t afc,
                                                         Notifications& notifications) {
  MOORING_RETURN_IF_ERROR(notifications.Post(ctx, kSyncWillStart));
  std::uint64_t file = 0;
  MOORING_RETURN_IF_ERROR(
      AfcStatus(afc_file_open(afc, kLockFile, AFC_FOPEN_RW, &file), "open the sync lock"));
  std::unique_ptr<SyncLock> lock(new SyncLock(afc, file, notifications));
  MOORING_RETURN_IF_ERROR(notifications.Post(ctx, kSyncLockRequest));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const afc_error_t error = afc_file_lock(afc, file, AFC_LOCK_EX);
    if (error == AFC_E_SUCCESS) {
      lock->locked_ = true;
      MOORING_RETURN_IF_ERROR(notifications.Post(ctx, kSyncDidStart));
      return lock;
    }
    if (error != AFC_E_OP_WOULD_BLOCK) return AfcStatus(error, "take the sync lock");
    if (!clock.Sleep(kPause, ctx.stop)) {
      return Failure(absl::StatusCode::kCancelled, v1::CAUSE_CANCELLED, "cancelled", "");
    }
  }
  return AfcStatus(AFC_E_OP_WOULD_BLOCK, "take the sync lock");
}

SyncLock::~SyncLock() {
  if (locked_) afc_file_lock(afc_, file_, AFC_LOCK_UN);
  afc_file_close(afc_, file_);
  // Without it the phone shows "Sync in progress" until it is unplugged.
  const absl::Status posted = notifications_.Post({}, kSyncDidFinish);
  posted.IgnoreError();
}

}  // namespace mooring::agent
