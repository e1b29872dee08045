#include "storage/repository/commit_request.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/manifest/manifest.h"
#include "storage/repository/timestamps.h"
#include "storage/seal/digest.h"

namespace mooring::storage {
namespace {

constexpr std::uint64_t kBytesSane = std::uint64_t{1} << 60;
constexpr int kCapturesMax = 8;
constexpr int kRemarksMax = 64;
constexpr std::size_t kRemarkBytesMax = 1024;
constexpr int kGapReasonsMax = 32;
constexpr std::size_t kFactsBytesMax = 16 << 10;
constexpr std::size_t kDomainsOfSession = 2;

absl::Status Bad(std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("commit: {}", why));
}

absl::Status CheckSortedIds(std::string_view ids, std::string_view field) {
  if (ids.size() % ChunkId::kBytes != 0) {
    return Bad(fmt::format("{} has {} bytes, not a multiple of 32", field, ids.size()));
  }
  for (std::size_t at = ChunkId::kBytes; at < ids.size(); at += ChunkId::kBytes) {
    if (std::memcmp(ids.data() + at - ChunkId::kBytes, ids.data() + at, ChunkId::kBytes) >= 0) {
      return Bad(fmt::format("{} is not sorted and unique at {}", field, at / ChunkId::kBytes));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRefs(const v1::CommitSnapshotRequest& request, CheckedCommit& commit) {
  if (request.refs_size() == 0) return Bad("refs is empty");
  if (static_cast<std::size_t>(request.refs_size()) > kDomainsOfSession) {
    return Bad(
        fmt::format("refs has {} domains, more than {}", request.refs_size(), kDomainsOfSession));
  }
  for (const v1::DomainRefs& refs : request.refs()) {
    const std::optional<DomainId> domain = DomainId::FromBytes(refs.domain_id());
    if (!domain) return Bad("refs.domain_id is not 16 bytes");
    for (const CommitRefs& other : commit.refs) {
      if (other.domain == *domain) return Bad("refs names a domain twice");
    }
    if (refs.ids().empty()) return Bad("refs.ids is empty");
    MOORING_RETURN_IF_ERROR(CheckSortedIds(refs.ids(), "refs.ids"));
    commit.refs.push_back({.domain = *domain, .ids = ChunkIdRun(AsBytes(refs.ids()))});
    commit.refs_count += commit.refs.back().ids.size();
  }
  if (commit.refs_count > kCommitRefsMax) {
    return Bad(fmt::format("refs has {} chunks, more than {}", commit.refs_count, kCommitRefsMax));
  }
  return absl::OkStatus();
}

absl::Status CheckBaseIds(const v1::CommitSnapshotRequest& request, CheckedCommit& commit) {
  if (static_cast<std::size_t>(request.base_ids_size()) > kCommitBaseIdsMax) {
    return Bad(fmt::format("base_ids has {} ids, more than {}", request.base_ids_size(),
                           kCommitBaseIdsMax));
  }
  for (const std::string& bytes : request.base_ids()) {
    const std::optional<ChunkId> id = ChunkId::FromBytes(bytes);
    if (!id) return Bad("base_ids has an id that is not 32 bytes");
    const bool is_referenced =
        std::any_of(commit.refs.begin(), commit.refs.end(),
                    [&id](const CommitRefs& refs) { return refs.ids.Contains(*id); });
    if (!is_referenced) return Bad(fmt::format("base_ids has {}, which refs lacks", id->hex()));
    commit.base_ids.push_back(*id);
  }
  std::sort(commit.base_ids.begin(), commit.base_ids.end());
  if (std::adjacent_find(commit.base_ids.begin(), commit.base_ids.end()) != commit.base_ids.end()) {
    return Bad("base_ids has an id twice");
  }
  return absl::OkStatus();
}

absl::Status CheckCapture(const v1::Capture& capture) {
  if (capture.kind() != v1::CAPTURE_KIND_FULL && capture.kind() != v1::CAPTURE_KIND_PHOTOS) {
    return Bad("captures.kind is unknown");
  }
  if (capture.result() != v1::CAPTURE_RESULT_COMPLETE &&
      capture.result() != v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS) {
    return Bad("captures.result is unknown");
  }
  if (!SessionId::FromBytes(capture.session_id())) {
    return Bad("captures.session_id is not 16 bytes");
  }
  MOORING_ASSIGN_OR_RETURN(const absl::Time started, FromTimestamp(capture.started_at()));
  MOORING_ASSIGN_OR_RETURN(const absl::Time completed, FromTimestamp(capture.completed_at()));
  if (!capture.has_completed_at() || completed < started) {
    return Bad("captures.completed_at is missing or before started_at");
  }
  if (capture.file_count() > kEntriesMax || capture.logical_bytes() > kBytesSane) {
    return Bad("captures has an absurd count");
  }
  if (capture.remarks_size() > kRemarksMax) return Bad("captures has too many remarks");
  for (const std::string& remark : capture.remarks()) {
    if (remark.size() > kRemarkBytesMax) return Bad("captures has a remark that is too long");
  }
  if (capture.gaps_size() > kGapReasonsMax) return Bad("captures has too many gaps");
  for (const v1::GapCount& gap : capture.gaps()) {
    if (gap.count() == 0 || gap.count() > kEntriesMax) return Bad("captures has an absurd gap");
  }
  if (capture.gaps_size() > 0 && capture.result() == v1::CAPTURE_RESULT_COMPLETE) {
    return Bad("captures calls itself complete and has gaps");
  }
  return absl::OkStatus();
}

absl::Status CheckCaptures(const v1::CommitSnapshotRequest& request) {
  if (request.captures_size() == 0) return Bad("captures is empty");
  if (request.captures_size() > kCapturesMax) return Bad("captures has too many entries");
  std::vector<int> kinds;
  for (const v1::Capture& capture : request.captures()) {
    MOORING_RETURN_IF_ERROR(CheckCapture(capture));
    if (std::find(kinds.begin(), kinds.end(), capture.kind()) != kinds.end()) {
      return Bad("captures names a kind twice");
    }
    kinds.push_back(capture.kind());
  }
  return absl::OkStatus();
}

std::optional<SnapshotId> NoneIfZero(const SnapshotId& id) {
  return id.is_none() ? std::nullopt : std::optional<SnapshotId>(id);
}

}  // namespace

ChunkId ChunkIdRun::operator[](std::size_t index) const {
  return *ChunkId::FromBytes(bytes_.subspan(index * ChunkId::kBytes, ChunkId::kBytes));
}

bool ChunkIdRun::Contains(const ChunkId& id) const {
  std::size_t low = 0;
  std::size_t high = size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if ((*this)[middle] < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < size() && (*this)[low] == id;
}

std::vector<ChunkId> ChunkIdRun::Slice(std::size_t from, std::size_t count) const {
  std::vector<ChunkId> ids;
  const std::size_t end = std::min(size(), from + count);
  ids.reserve(end - std::min(from, end));
  for (std::size_t i = from; i < end; ++i) ids.push_back((*this)[i]);
  return ids;
}

absl::StatusOr<CheckedCommit> CheckCommitRequest(const v1::CommitSnapshotRequest& request) {
  CheckedCommit commit;
  const std::optional<SessionId> session = SessionId::FromBytes(request.session_id());
  if (!session) return Bad("session_id is not 16 bytes");
  commit.session = *session;
  if (request.idempotency_key().size() != 16) return Bad("idempotency_key is not 16 bytes");
  commit.idempotency_key = ToBytes(request.idempotency_key());
  if (request.root().size() > kCommitRootBytesMax) {
    return Bad(
        fmt::format("root has {} bytes, more than {}", request.root().size(), kCommitRootBytesMax));
  }
  const Sha256Digest root_hash = Sha256(AsBytes(request.root()));
  commit.root_hash.assign(root_hash.begin(), root_hash.end());
  MOORING_RETURN_IF_ERROR(CheckRefs(request, commit));
  MOORING_RETURN_IF_ERROR(CheckBaseIds(request, commit));
  if (request.file_count() > kEntriesMax) return Bad("file_count is absurd");
  if (request.logical_bytes() > kBytesSane) return Bad("logical_bytes is absurd");
  if (request.read_bytes() > kBytesSane) return Bad("read_bytes is absurd");
  MOORING_RETURN_IF_ERROR(CheckCaptures(request));
  if (request.device().ByteSizeLong() > kFactsBytesMax) return Bad("device is too long");
  if (!request.parent_snapshot_id().empty()) {
    commit.parent = SnapshotId::FromBytes(request.parent_snapshot_id());
    if (!commit.parent || commit.parent->is_none()) {
      return Bad("parent_snapshot_id is not 16 bytes of an id");
    }
  }
  return commit;
}

absl::Status CheckCommitOfSession(const CheckedCommit& commit,
                                  const v1::CommitSnapshotRequest& request,
                                  const SessionRecord& session, const DomainId& person_domain,
                                  const DomainId& organization_domain) {
  for (const CommitRefs& refs : commit.refs) {
    if (refs.domain != person_domain && refs.domain != organization_domain) {
      return Bad("refs names a domain that is not the session's");
    }
  }
  if (commit.parent && commit.parent != session.base) {
    return Bad("parent_snapshot_id is not the base that the session was given");
  }
  const absl::StatusOr<RootHeader> header = PeekRoot(AsBytes(request.root()));
  if (!header.ok()) return Annotate(header.status(), "commit");
  if (header->snapshot != session.snapshot) return Bad("root is of another snapshot");
  if (header->device != session.device) return Bad("root is of another device");
  if (header->sequence != session.sequence) return Bad("root has another sequence number");
  if (NoneIfZero(header->parent) != commit.parent) {
    return Bad("root and parent_snapshot_id name different parents");
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
