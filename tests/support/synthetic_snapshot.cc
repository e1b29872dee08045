#include "tests/support/synthetic_snapshot.h"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/manifest/manifest.h"
#include "storage/manifest/overlay.h"
#include "storage/seal/frame.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::testing {
namespace {

using storage::BegunSession;
using storage::ChunkKind;
using storage::ChunkRef;
using storage::ChunkSealer;
using storage::SealedChunk;

constexpr std::size_t kPieceBytes = 64 << 10;

// Seals pieces of content and keeps each chunk once.
class TreeSealer {
 public:
  TreeSealer(const BegunSession& session, SealedTree& tree)
      : session_(session),
        tree_(tree),
        person_(session.person_domain.domain_secret),
        organization_(session.organization_domain.domain_secret) {}

  absl::StatusOr<std::pair<ChunkRef, storage::FrameHash>> Seal(ByteView content, ChunkKind kind,
                                                               bool is_shared) {
    MOORING_ASSIGN_OR_RETURN(const storage::Frame frame,
                             storage::Frame::Make(content, storage::Compression::kProbe));
    MOORING_ASSIGN_OR_RETURN(SealedChunk chunk,
                             (is_shared ? organization_ : person_).Seal(frame, kind));
    const DomainId domain = is_shared ? session_.organization_domain.id : session_.person_domain.id;
    ChunkRef ref{.id = chunk.id, .key = chunk.key, .raw_bytes = chunk.raw_bytes, .domain = domain};
    const storage::FrameHash hash = chunk.frame_hash;
    if (refs_[domain].insert(chunk.id).second) {
      tree_.chunks.push_back({.domain = domain, .chunk = std::move(chunk)});
    }
    return std::pair(ref, hash);
  }

  const std::map<DomainId, std::set<ChunkId>>& refs() const { return refs_; }

 private:
  const BegunSession& session_;
  SealedTree& tree_;
  const ChunkSealer person_;
  const ChunkSealer organization_;
  std::map<DomainId, std::set<ChunkId>> refs_;
};

absl::StatusOr<storage::Entry> SealFile(TreeSealer& sealer, const std::string& path,
                                        const std::string& content) {
  storage::Entry entry;
  entry.size_bytes = content.size();
  entry.mode = 0644;
  entry.modified_unix_ns = 1'700'000'000'000'000'000;
  storage::FileDigester digester;
  for (std::size_t at = 0; at < content.size(); at += kPieceBytes) {
    const ByteView piece = AsBytes(std::string_view(content).substr(at, kPieceBytes));
    MOORING_ASSIGN_OR_RETURN(const auto sealed,
                             sealer.Seal(piece, ChunkKind::kFileData, path.rfind("apps/", 0) == 0));
    const std::uint32_t bytes = static_cast<std::uint32_t>(piece.size());
    entry.extents.push_back({.chunk = sealed.first, .offset = 0, .bytes = bytes});
    digester.Add(sealed.second, 0, bytes);
  }
  entry.digest = digester.Finish();
  return entry;
}

void FillRequest(const BegunSession& session, const TreeSealer& sealer,
                 const storage::Overlay& overlay, Clock& clock, Random& random,
                 v1::CommitSnapshotRequest& request) {
  request.set_session_id(session.session.bytes());
  request.set_idempotency_key(SessionId::Make(random).bytes());
  for (const auto& [domain, ids] : sealer.refs()) {
    v1::DomainRefs* const refs = request.add_refs();
    refs->set_domain_id(domain.bytes());
    for (const ChunkId& id : ids) refs->mutable_ids()->append(id.bytes());
  }
  request.set_file_count(overlay.file_count());
  request.set_logical_bytes(overlay.logical_bytes());
  request.set_read_bytes(overlay.logical_bytes());
  v1::Capture* const capture = request.add_captures();
  capture->set_kind(v1::CAPTURE_KIND_FULL);
  capture->set_result(v1::CAPTURE_RESULT_COMPLETE);
  capture->set_session_id(session.session.bytes());
  capture->mutable_started_at()->set_seconds(absl::ToUnixSeconds(clock.Now()) - 60);
  capture->mutable_completed_at()->set_seconds(absl::ToUnixSeconds(clock.Now()));
  capture->set_file_count(overlay.file_count());
  capture->set_logical_bytes(overlay.logical_bytes());
  if (session.base) request.set_parent_snapshot_id(session.base->snapshot.bytes());
}

absl::StatusOr<std::string> ReadFile(const storage::Entry& entry,
                                     const std::map<ChunkId, storage::OpenedChunk>& opened) {
  std::string content;
  storage::FileDigester digester;
  for (const storage::Extent& extent : entry.extents) {
    const storage::OpenedChunk& chunk = opened.at(extent.chunk.id);
    if (extent.offset + extent.bytes > chunk.content.size()) {
      return absl::DataLossError("an extent ends behind its chunk");
    }
    content += AsText(ByteView(chunk.content).subspan(extent.offset, extent.bytes));
    digester.Add(chunk.frame_hash, extent.offset, extent.bytes);
  }
  if (digester.Finish() != entry.digest) return absl::DataLossError("a file's digest is wrong");
  if (content.size() != entry.size_bytes) return absl::DataLossError("a file's size is wrong");
  return content;
}

// Opens these chunks, in batches, through `read`.
absl::StatusOr<std::map<ChunkId, storage::OpenedChunk>> OpenChunks(
    storage::Repository& repository, const OpContext& ctx, const SnapshotId& snapshot,
    const std::map<ChunkId, storage::ChunkKey>& wanted) {
  std::map<ChunkId, storage::OpenedChunk> opened;
  std::vector<ChunkId> ids;
  const auto flush = [&]() -> absl::Status {
    std::size_t next = 0;
    const absl::Status read =
        repository.ReadChunks(ctx, snapshot, ids, [&](ByteView sealed) -> absl::Status {
          const ChunkId& id = ids.at(next++);
          MOORING_ASSIGN_OR_RETURN(opened[id], storage::OpenChunk(sealed, id, wanted.at(id)));
          return absl::OkStatus();
        });
    MOORING_RETURN_IF_ERROR(read);
    MOORING_CHECK(next == ids.size());
    ids.clear();
    return absl::OkStatus();
  };
  for (const auto& [id, key] : wanted) {
    ids.push_back(id);
    if (ids.size() == 100) MOORING_RETURN_IF_ERROR(flush());
  }
  MOORING_RETURN_IF_ERROR(flush());
  return opened;
}

}  // namespace

std::string SyntheticContent(std::uint64_t seed, std::size_t bytes) {
  SeededRandom random(seed);
  Bytes content(bytes);
  random.Fill(content);
  return ToString(content);
}

absl::StatusOr<SealedTree> SealFiles(const BegunSession& session, const Files& files, Clock& clock,
                                     Random& random) {
  SealedTree tree;
  TreeSealer sealer(session, tree);
  storage::Overlay overlay;
  for (const auto& [path, content] : files) {
    MOORING_ASSIGN_OR_RETURN(const storage::Entry entry, SealFile(sealer, path, content));
    MOORING_RETURN_IF_ERROR(overlay.Put(path, entry));
  }
  storage::Root root;
  root.header = {.snapshot = session.snapshot,
                 .device = session.device,
                 .parent = session.base ? session.base->snapshot : SnapshotId(),
                 .sequence = session.sequence,
                 .created_unix_us = absl::ToUnixMicros(clock.Now())};
  std::vector<DomainId> domains;
  MOORING_RETURN_IF_ERROR(storage::SegmentEncoder::Encode(
      overlay, domains,
      [&](ByteView content, std::string_view first_path, std::uint32_t entries) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(const auto sealed,
                                 sealer.Seal(content, ChunkKind::kManifestSegment, false));
        format::v1::SegmentRef* const segment = root.body.add_segments();
        segment->mutable_chunk()->set_id(sealed.first.id.bytes());
        segment->mutable_chunk()->set_key(sealed.first.key.bytes());
        segment->mutable_chunk()->set_raw_bytes(sealed.first.raw_bytes);
        segment->set_entry_count(entries);
        segment->set_first_path(std::string(first_path));
        tree.request.add_base_ids(sealed.first.id.bytes());
        return absl::OkStatus();
      }));
  // Segments are always the person's.
  auto person = std::find(domains.begin(), domains.end(), session.person_domain.id);
  if (person == domains.end()) person = domains.insert(domains.end(), session.person_domain.id);
  const auto person_index = static_cast<std::uint32_t>(person - domains.begin());
  for (format::v1::SegmentRef& segment : *root.body.mutable_segments()) {
    segment.mutable_chunk()->set_domain(person_index);
  }
  for (const DomainId& domain : domains) root.body.add_domains(domain.bytes());
  root.body.set_entry_count(overlay.entry_count());
  root.body.set_file_count(overlay.file_count());
  root.body.set_logical_bytes(overlay.logical_bytes());
  std::vector<std::pair<DomainId, std::vector<ChunkId>>> refs;
  for (const auto& [domain, ids] : sealer.refs()) {
    refs.emplace_back(domain, std::vector<ChunkId>(ids.begin(), ids.end()));
  }
  root.body.set_refs_digest(ToString(storage::RefsDigest(refs)));
  root.body.set_agent_version("test");
  MOORING_ASSIGN_OR_RETURN(const Bytes sealed_root,
                           storage::SealRoot(session.snapshot_key, random, root));
  tree.request.set_root(ToString(sealed_root));
  FillRequest(session, sealer, overlay, clock, random, tree.request);
  return tree;
}

absl::Status UploadTree(storage::Repository& repository, const OpContext& ctx,
                        const BegunSession& session, const AgentId& agent, const SealedTree& tree,
                        bool all) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<storage::PackUpload> upload,
                           repository.Upload(ctx, session.session, agent));
  for (const SealedForDomain& sealed : tree.chunks) {
    MOORING_ASSIGN_OR_RETURN(
        const std::vector<bool> present,
        repository.Find(ctx, session.session, sealed.domain, {sealed.chunk.id}));
    if (present.front() && !all) continue;
    MOORING_RETURN_IF_ERROR(upload->Put(ctx, sealed.domain, sealed.chunk.bytes));
  }
  return upload->Close(ctx);
}

absl::StatusOr<v1::Receipt> Backup(storage::Repository& repository, const OpContext& ctx,
                                   const BackupOptions& options, const Files& files, Clock& clock,
                                   Random& random) {
  const SessionId made = SessionId::Make(random);
  MOORING_ASSIGN_OR_RETURN(
      const BegunSession session,
      repository.Begin(ctx, {.idempotency_key = options.idempotency_key.empty()
                                                    ? Bytes(made.view().begin(), made.view().end())
                                                    : options.idempotency_key,
                             .device = options.device,
                             .agent = options.agent,
                             .captures = {v1::CAPTURE_KIND_FULL},
                             .lease = absl::Minutes(10)}));
  MOORING_ASSIGN_OR_RETURN(const SealedTree tree, SealFiles(session, files, clock, random));
  for (int attempt = 0; attempt < 4; ++attempt) {
    MOORING_RETURN_IF_ERROR(UploadTree(repository, ctx, session, options.agent, tree));
    MOORING_ASSIGN_OR_RETURN(const storage::CommitOutcome outcome,
                             repository.Commit(ctx, options.agent, tree.request));
    if (outcome.receipt) return *outcome.receipt;
  }
  return absl::InternalError("the repository asks for chunks again and again");
}

absl::StatusOr<Files> ReadSnapshot(storage::Repository& repository, const OpContext& ctx,
                                   const SnapshotId& snapshot) {
  MOORING_ASSIGN_OR_RETURN(const auto opened, repository.OpenSnapshot(ctx, snapshot));
  MOORING_ASSIGN_OR_RETURN(const storage::Root root,
                           storage::OpenRoot(opened.snapshot_key, opened.root));
  std::vector<DomainId> domains;
  for (const std::string& domain : root.body.domains()) {
    domains.push_back(DomainId::FromBytes(domain).value());
  }
  std::map<ChunkId, storage::ChunkKey> wanted;
  for (const format::v1::SegmentRef& segment : root.body.segments()) {
    wanted[ChunkId::FromBytes(segment.chunk().id()).value()] =
        storage::ChunkKey::FromBytes(segment.chunk().key()).value();
  }
  MOORING_ASSIGN_OR_RETURN(const auto segments, OpenChunks(repository, ctx, snapshot, wanted));
  std::map<std::string, storage::Entry> entries;
  wanted.clear();
  for (const auto& [id, segment] : segments) {
    MOORING_ASSIGN_OR_RETURN(const auto decoded, storage::DecodeSegment(segment.content, domains));
    for (const storage::PathEntry& entry : decoded) {
      if (entry.entry.type != storage::EntryType::kFile) continue;
      entries[entry.path] = entry.entry;
      for (const storage::Extent& extent : entry.entry.extents) {
        wanted[extent.chunk.id] = extent.chunk.key;
      }
    }
  }
  MOORING_ASSIGN_OR_RETURN(const auto chunks, OpenChunks(repository, ctx, snapshot, wanted));
  Files files;
  for (const auto& [path, entry] : entries) {
    MOORING_ASSIGN_OR_RETURN(files[path], ReadFile(entry, chunks));
  }
  return files;
}

SnapshotId SnapshotOf(const v1::Receipt& receipt) {
  return SnapshotId::FromBytes(receipt.snapshot_id()).value();
}

}  // namespace mooring::testing
