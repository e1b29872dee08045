#include "agent/ios/photos_capture.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "agent/device/timestamp.h"
#include "agent/ios/afc_files.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr const char* kPhotosRoot = "photos/DCIM";
constexpr const char* kPhoneRoot = "/DCIM";
// DCIM/100APPLE/IMG_0001.HEIC; a link that leads upwards must not go round.
constexpr int kDepthMax = 8;

class PhotoWalk {
 public:
  PhotoWalk(const OpContext& ctx, afc_client_t afc, SnapshotBuilder& builder,
            ProgressSink& progress)
      : ctx_(ctx), afc_(afc), builder_(builder), progress_(progress) {}

  absl::Status Directory(const std::string& phone_path, const std::string& path, int depth) {
    if (depth > kDepthMax) {
      ++gaps_;
      return absl::OkStatus();
    }
    const absl::StatusOr<std::vector<std::string>> names = ListAfc(afc_, phone_path);
    if (absl::IsNotFound(names.status())) return builder_.Remove(path);
    MOORING_RETURN_IF_ERROR(names.status());
    MOORING_RETURN_IF_ERROR(RemoveOthers(path, *names));
    for (const std::string& name : *names) {
      if (ctx_.stop.stop_requested()) {
        return Failure(absl::StatusCode::kCancelled, v1::CAUSE_CANCELLED, "cancelled", "");
      }
      MOORING_RETURN_IF_ERROR(
          Item(fmt::format("{}/{}", phone_path, name), fmt::format("{}/{}", path, name), depth));
    }
    return absl::OkStatus();
  }

  std::uint64_t gaps() const { return gaps_; }

 private:
  // What the base has and the phone no longer. `names` is sorted.
  absl::Status RemoveOthers(const std::string& path, const std::vector<std::string>& names) {
    for (const storage::ListedEntry& entry : builder_.List(path)) {
      if (std::binary_search(names.begin(), names.end(), entry.name)) continue;
      MOORING_RETURN_IF_ERROR(builder_.Remove(fmt::format("{}/{}", path, entry.name)));
    }
    return absl::OkStatus();
  }

  absl::Status Item(const std::string& phone_path, const std::string& path, int depth) {
    const absl::StatusOr<AfcInfo> info = StatAfc(afc_, phone_path);
    if (absl::IsNotFound(info.status())) {
      ++gaps_;
      return builder_.Remove(path);
    }
    MOORING_RETURN_IF_ERROR(info.status());
    if (info->is_directory) {
      if (builder_.Find(path) && !builder_.IsDirectory(path)) {
        MOORING_RETURN_IF_ERROR(builder_.Remove(path));
      }
      return Directory(phone_path, path, depth + 1);
    }
    if (!info->is_regular) return builder_.Remove(path);
    return File(phone_path, path, *info);
  }

  absl::Status File(const std::string& phone_path, const std::string& path, const AfcInfo& info) {
    const std::optional<storage::Entry> known = builder_.Find(path);
    if (known && known->type == storage::EntryType::kFile && known->size_bytes == info.size_bytes &&
        known->modified_unix_ns == info.modified_unix_ns) {
      return absl::OkStatus();
    }
    if (builder_.IsDirectory(path)) MOORING_RETURN_IF_ERROR(builder_.Remove(path));
    const FileFacts facts{
        .modified_unix_ns = info.modified_unix_ns, .mode = 0600, .will_be_read = false};
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<FileWriter> writer,
                             builder_.Put(ctx_, path, facts));
    const absl::Status streamed = StreamAfc(afc_, phone_path, [&](ByteView piece) -> absl::Status {
      if (ctx_.stop.stop_requested()) {
        return Failure(absl::StatusCode::kCancelled, v1::CAUSE_CANCELLED, "cancelled", "");
      }
      progress_.Moved(0, piece.size());
      return writer->Write(piece);
    });
    if (absl::IsNotFound(streamed) || absl::IsPermissionDenied(streamed)) {
      ++gaps_;
      return absl::OkStatus();
    }
    MOORING_RETURN_IF_ERROR(streamed);
    progress_.Moved(1, 0);
    return writer->Close();
  }

  const OpContext& ctx_;
  const afc_client_t afc_;
  SnapshotBuilder& builder_;
  ProgressSink& progress_;
  std::uint64_t gaps_ = 0;
};

}  // namespace

absl::StatusOr<v1::Capture> CapturePhotos(const OpContext& ctx, Clock& clock, afc_client_t afc,
                                          SnapshotBuilder& builder, ProgressSink& progress) {
  v1::Capture capture;
  capture.set_kind(v1::CAPTURE_KIND_PHOTOS);
  SetTimestamp(clock.Now(), *capture.mutable_started_at());
  progress.Report(v1::PHASE_CAPTURING, v1::WAITING_FOR_UNSPECIFIED,
                  "Copying photos; keep the iPhone plugged in");
  PhotoWalk walk(ctx, afc, builder, progress);
  MOORING_RETURN_IF_ERROR(walk.Directory(kPhoneRoot, kPhotosRoot, 0));
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  MOORING_RETURN_IF_ERROR(
      builder.Visit(kPhotosRoot, [&](std::string_view, const storage::Entry& entry) {
        if (entry.type == storage::EntryType::kFile) {
          ++files;
          bytes += entry.size_bytes;
        }
        return absl::OkStatus();
      }));
  SetTimestamp(clock.Now(), *capture.mutable_completed_at());
  capture.set_file_count(files);
  capture.set_logical_bytes(bytes);
  capture.set_result(walk.gaps() == 0 ? v1::CAPTURE_RESULT_COMPLETE
                                      : v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS);
  if (walk.gaps() > 0) {
    capture.add_remarks(fmt::format("{} photos could not be read", walk.gaps()));
  }
  return capture;
}

}  // namespace mooring::agent
