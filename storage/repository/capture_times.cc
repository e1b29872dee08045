#include "storage/repository/capture_times.h"

#include <algorithm>

#include "storage/repository/timestamps.h"

namespace mooring::storage {
namespace {

bool IsOwn(const v1::Capture& capture, const SessionRecord& session) {
  return capture.session_id() == session.id.bytes();
}

// The request's times were checked before.
absl::Time TimeOf(const google::protobuf::Timestamp& timestamp) {
  return FromTimestamp(timestamp).value_or(absl::InfinitePast());
}

}  // namespace

absl::StatusOr<std::vector<v1::Capture>> CarriedCaptures(
    const v1::CommitSnapshotRequest& request, const SessionRecord& session,
    const std::vector<v1::Capture>& base_captures) {
  std::vector<v1::Capture> carried;
  for (const v1::Capture& capture : request.captures()) {
    if (IsOwn(capture, session)) continue;
    const auto same = std::find_if(
        base_captures.begin(), base_captures.end(), [&capture](const v1::Capture& of_base) {
          return of_base.kind() == capture.kind() && of_base.session_id() == capture.session_id();
        });
    if (same == base_captures.end()) {
      return absl::InvalidArgumentError(
          "commit: captures has one that neither the session made nor its base has");
    }
    carried.push_back(*same);
  }
  if (static_cast<int>(carried.size()) == request.captures_size()) {
    return absl::InvalidArgumentError("commit: captures has none that the session made");
  }
  return carried;
}

std::vector<v1::Capture> CapturesAt(const v1::CommitSnapshotRequest& request,
                                    const SessionRecord& session,
                                    const std::vector<v1::Capture>& carried,
                                    absl::Time created_at) {
  std::vector<v1::Capture> captures = carried;
  for (const v1::Capture& capture : request.captures()) {
    if (!IsOwn(capture, session)) continue;
    const absl::Duration took = TimeOf(capture.completed_at()) - TimeOf(capture.started_at());
    const absl::Time started = std::max(session.started_at, created_at - took);
    captures.push_back(capture);
    *captures.back().mutable_started_at() = ToTimestamp(std::min(started, created_at));
    *captures.back().mutable_completed_at() = ToTimestamp(created_at);
  }
  std::sort(captures.begin(), captures.end(),
            [](const v1::Capture& a, const v1::Capture& b) { return a.kind() < b.kind(); });
  return captures;
}

absl::Time CapturedAt(const std::vector<v1::Capture>& captures) {
  absl::Time newest = absl::InfinitePast();
  for (const v1::Capture& capture : captures) {
    const absl::Time completed = TimeOf(capture.completed_at());
    if (capture.kind() == v1::CAPTURE_KIND_FULL) return completed;
    newest = std::max(newest, completed);
  }
  return newest;
}

}  // namespace mooring::storage
