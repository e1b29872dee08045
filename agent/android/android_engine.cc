#include "agent/android/android_engine.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "agent/android/android_restore.h"
#include "agent/android/apps_capture.h"
#include "agent/android/gap_list.h"
#include "agent/android/probe.h"
#include "agent/android/records_capture.h"
#include "agent/android/storage_capture.h"
#include "agent/android/storage_index.h"
#include "agent/device/cause.h"
#include "agent/device/socket_wait.h"
#include "agent/device/timestamp.h"
#include "storage/base/status.h"
#include "storage/seal/digest.h"

namespace mooring::agent {
namespace {

// What a commit takes.
constexpr std::size_t kRemarksMax = 16;

std::set<v1::Category> CategoriesOf(const BackupOptions& options) {
  if (options.categories) return {options.categories->begin(), options.categories->end()};
  // From a server that does not say: everything but what has to be named.
  std::set<v1::Category> all;
  for (int value = v1::Category_MIN; value <= v1::Category_MAX; ++value) {
    if (v1::Category_IsValid(value)) all.insert(static_cast<v1::Category>(value));
  }
  all.erase(v1::CATEGORY_INSTALLED_APPS);
  return all;
}

// The platform's own id is another one after a reset.
std::uint64_t PhoneKey(const v1::DeviceFacts& facts) {
  return LoadLe64(storage::Sha256(AsBytes(facts.platform_id())), 0);
}

class AndroidEngine final : public Engine {
 public:
  AndroidEngine(std::string serial, Clock& clock, FindPhone find, const AndroidPatience& patience)
      : serial_(std::move(serial)), clock_(clock), find_(std::move(find)), patience_(patience) {}

  absl::StatusOr<ProbeResult> Probe(const OpContext& ctx) override {
    MOORING_ASSIGN_OR_RETURN(const AndroidPhone phone, find_(ctx));
    if (phone.device == nullptr) return ProbeUnusable(serial_, phone.state);
    return ProbeAndroid(ctx, *phone.device, serial_);
  }

  absl::StatusOr<ProbeResult> Prepare(const OpContext& ctx, ProgressSink& progress) override {
    PhoneLine line(clock_, patience_, find_, progress);
    MOORING_RETURN_IF_ERROR(line.Open(ctx));
    line.Say(v1::PHASE_CONNECTING, "Connecting to the phone");
    return AwaitUnlocked(ctx, line, progress);
  }

  absl::StatusOr<BackupOutcome> Backup(const OpContext& ctx, const BackupOptions& options,
                                       SnapshotBuilder& builder, ProgressSink& progress) override {
    if (std::find(options.captures.begin(), options.captures.end(), v1::CAPTURE_KIND_FULL) ==
        options.captures.end()) {
      return absl::InvalidArgumentError(
          "an Android phone has one capture, full, and its photos are part of it");
    }
    PhoneLine line(clock_, patience_, find_, progress);
    MOORING_RETURN_IF_ERROR(line.Open(ctx));
    BackupOutcome outcome;
    v1::Capture capture;
    capture.set_kind(v1::CAPTURE_KIND_FULL);
    SetTimestamp(clock_.Now(), *capture.mutable_started_at());
    MOORING_RETURN_IF_ERROR(line.Run(ctx, [&]() -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(ProbeResult probed, ProbeAndroid(ctx, line.device(), serial_));
      outcome.facts = std::move(probed.facts);
      return absl::OkStatus();
    }));
    MOORING_RETURN_IF_ERROR(CaptureAll(ctx, options, line, builder, progress, outcome.facts,
                                       capture, outcome.base_paths));
    SetTimestamp(clock_.Now(), *capture.mutable_completed_at());
    outcome.captures.push_back(std::move(capture));
    return outcome;
  }

  absl::StatusOr<RestoreCheck> CheckRestore(const OpContext& ctx,
                                            SnapshotReader& snapshot) override {
    MOORING_ASSIGN_OR_RETURN(const AndroidPhone phone, find_(ctx));
    if (phone.device == nullptr) {
      RestoreCheck check;
      check.obstacles.push_back(WordsOf(phone.state).message);
      return check;
    }
    return CheckAndroidRestore(ctx, *phone.device, snapshot);
  }

  absl::StatusOr<RestoreOutcome> Restore(const OpContext& ctx, SnapshotReader& snapshot,
                                         const SecretBytes&, ProgressSink& progress) override {
    PhoneLine line(clock_, patience_, find_, progress);
    MOORING_RETURN_IF_ERROR(line.Open(ctx));
    return RestoreAndroid(ctx, clock_, line, snapshot, progress);
  }

 private:
  absl::StatusOr<ProbeResult> AwaitUnlocked(const OpContext& ctx, PhoneLine& line,
                                            ProgressSink& progress) {
    const absl::Duration since = clock_.Monotonic();
    bool told = false;
    for (;;) {
      ProbeResult probed;
      MOORING_RETURN_IF_ERROR(line.Run(ctx, [&]() -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(probed, ProbeAndroid(ctx, line.device(), serial_));
        return absl::OkStatus();
      }));
      if (probed.waiting_for != v1::WAITING_FOR_UNLOCK) return probed;
      if (clock_.Monotonic() - since >= patience_.owner) {
        return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_LOCKED,
                       "the phone was not unlocked since it was switched on",
                       "unlock the phone once");
      }
      if (!told) progress.Report(v1::PHASE_CONNECTING, v1::WAITING_FOR_UNLOCK, probed.message);
      told = true;
      clock_.Sleep(patience_.poll, ctx.stop);
      MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    }
  }

  absl::Status CaptureAll(const OpContext& ctx, const BackupOptions& options, PhoneLine& line,
                          SnapshotBuilder& builder, ProgressSink& progress,
                          const v1::DeviceFacts& facts, v1::Capture& capture,
                          std::vector<std::string>& base_paths) {
    const std::set<v1::Category> categories = CategoriesOf(options);
    StorageIndex index(builder);
    GapList gaps;
    FetchBudget budget;
    budget.quota_bytes = options.quota_bytes;
    std::vector<std::string> remarks;
    const CaptureParts parts{clock_,   line,   builder,    index,   gaps,
                             progress, budget, categories, remarks, PhoneKey(facts)};
    StorageCapture storage(parts);
    AppsCapture apps(parts);
    RecordsCapture records(parts);
    const auto step = [&](const absl::Status& status, const char* root,
                          const char* what) -> absl::Status {
      if (status.ok() || EndsSession(status)) return status;
      gaps.Add(root, v1::GAP_REASON_FAILED);
      remarks.push_back(std::string(what) + ToString(AsBytes(ToStd(status.message()))));
      return absl::OkStatus();
    };
    // Each on its own: what one cannot do never costs the others.
    MOORING_RETURN_IF_ERROR(step(storage.Run(ctx), "storage", "the phone's files: "));
    MOORING_RETURN_IF_ERROR(step(apps.Run(ctx), "apps", "installed apps: "));
    MOORING_RETURN_IF_ERROR(step(records.Run(ctx), "records", "messages and lists: "));
    MOORING_RETURN_IF_ERROR(gaps.Store(ctx, builder));
    MOORING_RETURN_IF_ERROR(index.Store(ctx, storage.files()));
    gaps.Describe(capture);
    for (std::string& remark : remarks) {
      if (capture.remarks_size() < static_cast<int>(kRemarksMax)) {
        capture.add_remarks(std::move(remark));
      }
    }
    base_paths = index.Paths();
    return absl::OkStatus();
  }

  static std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }

  const std::string serial_;
  Clock& clock_;
  const FindPhone find_;
  const AndroidPatience patience_;
};

}  // namespace

std::unique_ptr<Engine> MakeAndroidEngine(std::string serial, Clock& clock, FindPhone find,
                                          const AndroidPatience& patience) {
  return std::make_unique<AndroidEngine>(std::move(serial), clock, std::move(find), patience);
}

absl::StatusOr<std::unique_ptr<Engine>> MakeAndroidEngine(std::string serial,
                                                          const AndroidDependencies& dependencies) {
  AdbServer& server = dependencies.server;
  UsbBus& usb = dependencies.usb;
  FindPhone find = [serial, &server, &usb](const OpContext& ctx) {
    return FindAndroid(ctx, server, usb, serial);
  };
  return MakeAndroidEngine(std::move(serial), dependencies.clock, std::move(find),
                           dependencies.patience);
}

}  // namespace mooring::agent
