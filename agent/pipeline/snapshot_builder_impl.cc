#include "agent/pipeline/snapshot_builder_impl.h"

#include <algorithm>
#include <string>
#include <utility>

#include "agent/pipeline/base_loader.h"
#include "agent/pipeline/chunking_writer.h"
#include "agent/pipeline/extent_reader.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// `entry` as it stands in the tree until its chunks are known: of its size, and
// with references that no manifest is ever made of (see WriteManifest).
storage::Entry Provisional(storage::Entry entry, const DomainId& domain) {
  storage::ChunkRef none;
  none.raw_bytes = storage::kFrameContentBytesMax;
  none.domain = domain;
  for (std::uint64_t rest = entry.size_bytes; rest > 0;) {
    const auto bytes =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(rest, storage::kFrameContentBytesMax));
    entry.extents.push_back({none, 0, bytes});
    rest -= bytes;
  }
  return entry;
}

}  // namespace

SnapshotBuilderImpl::SnapshotBuilderImpl(BackupLink& link, Random& random,
                                         const v1::SessionGrant& grant, SessionKeyRing keys,
                                         const Options& options)
    : random_(random),
      grant_(grant),
      keys_(std::move(keys)),
      options_(options),
      person_chunker_(keys_.person.chunker_secret),
      organization_chunker_(keys_.organization.chunker_secret),
      pipeline_(link, random, keys_.person, keys_.organization, options.pipeline) {}

SnapshotBuilderImpl::~SnapshotBuilderImpl() = default;

absl::StatusOr<std::unique_ptr<SnapshotBuilderImpl>> SnapshotBuilderImpl::Create(
    const OpContext& ctx, BackupLink& link, Random& random, const v1::SessionGrant& grant,
    const SecretBytes& hpke_private_key, const Options& options) {
  MOORING_ASSIGN_OR_RETURN(SessionKeyRing keys, OpenSessionKeys(grant, hpke_private_key));
  std::unique_ptr<SnapshotBuilderImpl> builder(
      new SnapshotBuilderImpl(link, random, grant, std::move(keys), options));
  builder->ctx_ = ctx;
  if (!grant.has_base() || builder->keys_.base_snapshot_key.empty()) return builder;
  const absl::Status loaded = builder->LoadBase(ctx);
  if (absl::IsDataLoss(loaded) || absl::IsNotFound(loaded)) {
    builder->overlay_ = storage::Overlay();
    builder->base_captures_.clear();
    builder->base_fault_ = loaded;
    return builder;
  }
  MOORING_RETURN_IF_ERROR(loaded);
  builder->has_base_ = true;
  return builder;
}

absl::Status SnapshotBuilderImpl::LoadBase(const OpContext& ctx) {
  auto root = storage::OpenRoot(keys_.base_snapshot_key, AsBytes(grant_.base().root()));
  if (!root.ok()) return Annotate(root.status(), "root of the previous snapshot");
  if (root->header.device.bytes() != grant_.device_id() ||
      root->header.snapshot.bytes() != grant_.base().snapshot_id()) {
    return absl::DataLossError("root of the previous snapshot: it is another snapshot's");
  }
  auto overlay = LoadManifest(root->body, [&](const std::vector<ChunkId>& ids,
                                              absl::FunctionRef<absl::Status(Bytes)> sink) {
    return pipeline_.Read(ctx, ids, sink);
  });
  if (!overlay.ok()) return Annotate(overlay.status(), "previous snapshot");
  overlay_ = *std::move(overlay);
  base_captures_.assign(root->body.captures().begin(), root->body.captures().end());
  return absl::OkStatus();
}

bool SnapshotBuilderImpl::base_has_capture(int capture_kind) const {
  return std::any_of(base_captures_.begin(), base_captures_.end(), [&](const auto& capture) {
    return static_cast<int>(capture.kind()) == capture_kind;
  });
}

absl::StatusOr<std::unique_ptr<FileWriter>> SnapshotBuilderImpl::Put(const OpContext& ctx,
                                                                     std::string_view path,
                                                                     const FileFacts& facts,
                                                                     Domain domain) {
  if (writing_) return absl::FailedPreconditionError("another file is still being written");
  MOORING_RETURN_IF_ERROR(storage::CheckSnapshotPath(path));
  if (overlay_.IsDirectory(path)) {
    return absl::InvalidArgumentError("a file cannot replace a directory");
  }
  ctx_ = ctx;
  MOORING_RETURN_IF_ERROR(Remove(path));
  return std::unique_ptr<FileWriter>(
      std::make_unique<ChunkingWriter>(*this, ctx, std::string(path), facts, domain));
}

absl::Status SnapshotBuilderImpl::CloseFile(const std::string& path, storage::Entry entry,
                                            PendingFiles::Handle file) {
  pending_.Forget(path);
  MOORING_RETURN_IF_ERROR(overlay_.Put(path, Provisional(entry, keys_.person.id)));
  std::optional<PendingFiles::Complete> complete = pending_.Close(file, path, std::move(entry));
  if (complete) MOORING_RETURN_IF_ERROR(Complete(*std::move(complete)));
  return Apply();
}

absl::Status SnapshotBuilderImpl::Complete(PendingFiles::Complete file) {
  return overlay_.Put(file.path, file.entry);
}

absl::Status SnapshotBuilderImpl::Apply() {
  for (const SealedPiece& piece : pipeline_.TakeSealed()) {
    for (PendingFiles::Complete& file : pending_.Resolve(piece)) {
      MOORING_RETURN_IF_ERROR(Complete(std::move(file)));
    }
  }
  return absl::OkStatus();
}

absl::Status SnapshotBuilderImpl::AddToBundle(const OpContext& ctx, Domain domain, ByteView content,
                                              PendingFiles::Handle file) {
  Bundle& open = bundle(domain);
  if (!open.HasRoomFor(content.size())) MOORING_RETURN_IF_ERROR(SubmitBundle(ctx, domain));
  if (open.empty()) ++next_ticket_;
  const std::uint32_t offset = open.Add(content, next_ticket_ - 1);
  pending_.Extend(file, {open.ticket(), offset, static_cast<std::uint32_t>(content.size())});
  return absl::OkStatus();
}

absl::Status SnapshotBuilderImpl::SubmitBundle(const OpContext& ctx, Domain domain) {
  Bundle& open = bundle(domain);
  if (open.empty()) return absl::OkStatus();
  SealPipeline::Piece piece;
  piece.ticket = open.ticket();
  piece.organization_domain = domain == Domain::kOrganization;
  piece.content = open.Take();
  return pipeline_.Submit(ctx, std::move(piece));
}

absl::Status SnapshotBuilderImpl::Settle(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(SubmitBundle(ctx, Domain::kPerson));
  MOORING_RETURN_IF_ERROR(SubmitBundle(ctx, Domain::kOrganization));
  MOORING_RETURN_IF_ERROR(pipeline_.AwaitSealed(ctx));
  return Apply();
}

absl::Status SnapshotBuilderImpl::MakeDirectory(std::string_view path,
                                                std::int64_t modified_unix_ns) {
  return overlay_.MakeDirectory(path, modified_unix_ns);
}

absl::Status SnapshotBuilderImpl::PutSymlink(std::string_view path, std::string_view target,
                                             const FileFacts& facts) {
  storage::Entry entry;
  entry.type = storage::EntryType::kSymlink;
  entry.target = std::string(target);
  entry.modified_unix_ns = facts.modified_unix_ns;
  entry.mode = facts.mode;
  MOORING_RETURN_IF_ERROR(overlay_.Put(path, entry));
  pending_.Forget(path);
  return absl::OkStatus();
}

absl::Status SnapshotBuilderImpl::Remove(std::string_view path) {
  MOORING_RETURN_IF_ERROR(overlay_.Remove(path));
  pending_.Forget(path);
  return absl::OkStatus();
}

absl::Status SnapshotBuilderImpl::Rename(std::string_view from, std::string_view to) {
  MOORING_RETURN_IF_ERROR(overlay_.Rename(from, to));
  pending_.Move(from, to);
  return absl::OkStatus();
}

absl::Status SnapshotBuilderImpl::Copy(std::string_view from, std::string_view to) {
  // Two places for one pending file: wait until it is none.
  if (pending_.ContainsBelow(from)) MOORING_RETURN_IF_ERROR(Settle(ctx_));
  MOORING_RETURN_IF_ERROR(overlay_.Copy(from, to));
  pending_.Forget(to);
  return absl::OkStatus();
}

std::optional<storage::Entry> SnapshotBuilderImpl::Find(std::string_view path) const {
  return overlay_.Find(path);
}

bool SnapshotBuilderImpl::IsDirectory(std::string_view path) const {
  return overlay_.IsDirectory(path);
}

std::vector<storage::ListedEntry> SnapshotBuilderImpl::List(std::string_view directory) const {
  return overlay_.List(directory);
}

absl::Status SnapshotBuilderImpl::Visit(
    std::string_view prefix,
    absl::FunctionRef<absl::Status(std::string_view, const storage::Entry&)> visit) const {
  return overlay_.Visit(prefix, visit);
}

absl::StatusOr<std::unique_ptr<FileReader>> SnapshotBuilderImpl::Open(const OpContext& ctx,
                                                                      std::string_view path) {
  if (pending_.Contains(path)) MOORING_RETURN_IF_ERROR(Settle(ctx));
  std::optional<storage::Entry> entry = overlay_.Find(path);
  if (!entry || entry->type != storage::EntryType::kFile) {
    return absl::NotFoundError("no such file in the snapshot");
  }
  auto fetch =
      [this, ctx](const storage::ChunkRef& chunk) -> absl::StatusOr<std::shared_ptr<const Bytes>> {
    std::shared_ptr<const Bytes> content;
    MOORING_RETURN_IF_ERROR(pipeline_.Read(ctx, {chunk.id}, [&](Bytes sealed) -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(storage::OpenedChunk opened,
                               storage::OpenChunk(sealed, chunk.id, chunk.key));
      content = std::make_shared<const Bytes>(std::move(opened.content));
      return absl::OkStatus();
    }));
    if (content == nullptr) return absl::DataLossError("the server sent no chunk");
    return content;
  };
  return std::unique_ptr<FileReader>(
      std::make_unique<ExtentReader>(*std::move(entry), std::move(fetch)));
}

}  // namespace mooring::agent
