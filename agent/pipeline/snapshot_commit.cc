// The end of SnapshotBuilderImpl: manifest, check, flush, read-back, commit.

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include <absl/time/time.h>
#include <fmt/format.h>

#include "agent/pipeline/manifest_writer.h"
#include "agent/pipeline/snapshot_builder_impl.h"
#include "storage/base/status.h"
#include "storage/seal/digest.h"

namespace mooring::agent {
namespace {

constexpr char kPhotosDirectory[] = "photos";

std::int64_t UnixNs(const google::protobuf::Timestamp& time) {
  return time.seconds() * 1'000'000'000 + time.nanos();
}

google::protobuf::Timestamp Timestamp(std::int64_t unix_ns) {
  google::protobuf::Timestamp time;
  time.set_seconds(unix_ns / 1'000'000'000);
  time.set_nanos(static_cast<std::int32_t>(unix_ns % 1'000'000'000));
  return time;
}

struct Amount {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

// What of the tree a capture made: photos/ or all the rest.
Amount AmountOf(const storage::Overlay& overlay, v1::CaptureKind kind) {
  Amount photos;
  const absl::Status visited = overlay.Visit(
      kPhotosDirectory, [&](std::string_view, const storage::Entry& entry) -> absl::Status {
        photos.files += entry.type == storage::EntryType::kFile ? 1U : 0U;
        photos.bytes += entry.size_bytes;
        return absl::OkStatus();
      });
  visited.IgnoreError();  // The visitor never fails.
  if (kind == v1::CAPTURE_KIND_PHOTOS) return photos;
  return {overlay.file_count() - photos.files, overlay.logical_bytes() - photos.bytes};
}

absl::Status Lost(std::size_t chunks) {
  return absl::AbortedError(
      fmt::format("the server no longer has {} of the chunks that it had at the start; the phone's "
                  "bytes are gone by now: back up once more, only those chunks are sent",
                  chunks));
}

}  // namespace

absl::StatusOr<v1::Receipt> SnapshotBuilderImpl::Finish(const OpContext& ctx,
                                                        const CommitFacts& facts) {
  if (writing_) return absl::FailedPreconditionError("a file is still being written");
  MOORING_RETURN_IF_ERROR(Settle(ctx));
  if (!pending_.empty()) return absl::InternalError("a file was never sealed");
  Bytes().swap(buffer_);
  MOORING_ASSIGN_OR_RETURN(const v1::CommitSnapshotRequest request, MakeCommit(ctx, facts));
  MOORING_RETURN_IF_ERROR(pipeline_.Flush(ctx));
  MOORING_RETURN_IF_ERROR(ReadBack(ctx));
  MOORING_ASSIGN_OR_RETURN(const v1::CommitSnapshotResponse answer, pipeline_.Commit(ctx, request));
  if (answer.answer_case() == v1::CommitSnapshotResponse::kMissing) {
    return Lost(answer.missing().size() / ChunkId::kBytes);
  }
  if (answer.answer_case() != v1::CommitSnapshotResponse::kReceipt) {
    return absl::InternalError("the server answered a commit with neither receipt nor reason");
  }
  const storage::Sha256Digest root_hash = storage::Sha256(AsBytes(request.root()));
  if (answer.receipt().root_hash() != ToString(root_hash) ||
      answer.receipt().snapshot_id() != grant_.snapshot_id()) {
    return absl::DataLossError("the receipt is for something else than was committed");
  }
  return answer.receipt();
}

std::vector<v1::Capture> SnapshotBuilderImpl::AllCaptures(const CommitFacts& facts) const {
  std::vector<v1::Capture> captures = facts.captures;
  for (v1::Capture& capture : captures) capture.set_session_id(grant_.session_id());
  for (const format::v1::RootCapture& kept : base_captures_) {
    const auto kind = static_cast<v1::CaptureKind>(kept.kind());
    if (std::any_of(captures.begin(), captures.end(),
                    [&](const v1::Capture& capture) { return capture.kind() == kind; })) {
      continue;
    }
    v1::Capture capture;
    capture.set_kind(kind);
    *capture.mutable_started_at() = Timestamp(kept.started_unix_ns());
    *capture.mutable_completed_at() = Timestamp(kept.completed_unix_ns());
    capture.set_session_id(kept.session_id());
    capture.set_result(static_cast<v1::CaptureResult>(kept.result()));
    captures.push_back(std::move(capture));
  }
  for (v1::Capture& capture : captures) {
    const Amount amount = AmountOf(overlay_, capture.kind());
    capture.set_file_count(amount.files);
    capture.set_logical_bytes(amount.bytes);
  }
  std::sort(captures.begin(), captures.end(),
            [](const v1::Capture& a, const v1::Capture& b) { return a.kind() < b.kind(); });
  return captures;
}

absl::Status SnapshotBuilderImpl::AddBaseIds(const CommitFacts& facts,
                                             const format::v1::ManifestRoot& root,
                                             v1::CommitSnapshotRequest& request) const {
  std::set<std::string> ids;
  for (const format::v1::SegmentRef& segment : root.segments()) ids.insert(segment.chunk().id());
  const auto add = [&](const storage::Entry& entry) {
    for (const storage::Extent& extent : entry.extents) ids.insert(extent.chunk.id.bytes());
  };
  for (const std::string& path : facts.base_paths) {
    const std::optional<storage::Entry> entry = overlay_.Find(path);
    if (!entry) return absl::InvalidArgumentError("a base path is not in the snapshot");
    add(*entry);
  }
  for (const std::string& id : ids) request.add_base_ids(id);
  return absl::OkStatus();
}

absl::StatusOr<v1::CommitSnapshotRequest> SnapshotBuilderImpl::MakeCommit(
    const OpContext& ctx, const CommitFacts& facts) {
  MOORING_ASSIGN_OR_RETURN(WrittenManifest written,
                           WriteManifest(ctx, overlay_, keys_.person.id, pipeline_, next_ticket_));
  v1::CommitSnapshotRequest request;
  const std::vector<v1::Capture> captures = AllCaptures(facts);
  for (const v1::Capture& capture : captures) {
    *request.add_captures() = capture;
    format::v1::RootCapture& in_root = *written.root.add_captures();
    in_root.set_kind(static_cast<std::uint32_t>(capture.kind()));
    in_root.set_started_unix_ns(UnixNs(capture.started_at()));
    in_root.set_completed_unix_ns(UnixNs(capture.completed_at()));
    in_root.set_session_id(capture.session_id());
    in_root.set_result(static_cast<std::uint32_t>(capture.result()));
  }
  written.root.set_agent_version(options_.agent_version);
  storage::Root root;
  root.header.snapshot = SnapshotId::FromBytes(grant_.snapshot_id()).value_or(SnapshotId());
  root.header.device = DeviceId::FromBytes(grant_.device_id()).value_or(DeviceId());
  root.header.sequence = grant_.sequence();
  // The server's clock; an agent sets no time.
  root.header.created_unix_us = UnixNs(grant_.server_time()) / 1000;
  if (grant_.has_base()) {
    written.root.set_previous_root_hash(ToString(storage::Sha256(AsBytes(grant_.base().root()))));
  }
  if (has_base_) {
    root.header.parent = SnapshotId::FromBytes(grant_.base().snapshot_id()).value_or(SnapshotId());
    request.set_parent_snapshot_id(grant_.base().snapshot_id());
  }
  MOORING_RETURN_IF_ERROR(AddBaseIds(facts, written.root, request));
  root.body = std::move(written.root);
  MOORING_ASSIGN_OR_RETURN(const Bytes sealed,
                           storage::SealRoot(keys_.snapshot_key, random_, root));
  request.set_root(ToString(sealed));
  request.set_session_id(grant_.session_id());
  request.set_idempotency_key(RequestId::Make(random_).bytes());
  for (const auto& [domain, ids] : written.refs) {
    v1::DomainRefs& refs = *request.add_refs();
    refs.set_domain_id(domain.bytes());
    refs.mutable_ids()->reserve(ids.size() * ChunkId::kBytes);
    for (const ChunkId& id : ids) refs.mutable_ids()->append(AsText(id.view()));
  }
  request.set_file_count(root.body.file_count());
  request.set_logical_bytes(root.body.logical_bytes());
  request.set_read_bytes(read_bytes_);
  *request.mutable_device() = facts.device;
  return request;
}

absl::Status SnapshotBuilderImpl::ReadBack(const OpContext& ctx) {
  for (const storage::ChunkRef& sample : pipeline_.Samples()) {
    bool came = false;
    const absl::Status read = pipeline_.Read(ctx, {sample.id}, [&](Bytes sealed) -> absl::Status {
      came = true;
      return storage::OpenChunk(sealed, sample.id, sample.key).status();
    });
    MOORING_RETURN_IF_ERROR(Annotate(read, "read-back of what was just stored"));
    if (!came) return absl::DataLossError("read-back of what was just stored: nothing came");
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
