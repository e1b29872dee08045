#include "agent/restore/snapshot_reader_impl.h"

#include <algorithm>
#include <utility>

#include <absl/container/flat_hash_set.h>

#include "agent/pipeline/base_loader.h"
#include "agent/pipeline/bundle.h"
#include "agent/pipeline/extent_reader.h"
#include "agent/pipeline/session_keys.h"
#include "storage/base/check.h"
#include "storage/base/status.h"
#include "storage/seal/digest.h"
#include "storage/seal/hpke.h"

namespace mooring::agent {
namespace {

// Extents of one file that are planned at a time.
constexpr std::size_t kPlanAhead = 64;

}  // namespace

SnapshotReaderImpl::SnapshotReaderImpl(RestoreLink& link, const v1::DeviceFacts& device,
                                       storage::Overlay overlay,
                                       const ChunkFetcher::Options& options)
    : device_(device), overlay_(std::move(overlay)), fetcher_(link, options) {
  absl::flat_hash_set<ChunkId> seen;
  const absl::Status counted = overlay_.Visit("", [&](std::string_view, const storage::Entry& e) {
    for (const storage::Extent& extent : e.extents) {
      // Chunks of a file of their own are most of all, and are not worth a count.
      const bool is_whole = e.extents.size() > 1 || e.size_bytes >= kBundledFileBytesMax;
      if (is_whole) continue;
      if (!seen.insert(extent.chunk.id).second)
        ++shared_.try_emplace(extent.chunk.id, 1).first->second;
    }
    return absl::OkStatus();
  });
  MOORING_CHECK(counted.ok());
}

ChunkFetcher::Use SnapshotReaderImpl::UseOf(const ChunkId& id) {
  const auto shared = shared_.find(id);
  if (shared == shared_.end()) return ChunkFetcher::Use::kLast;
  if (--shared->second > 0) return ChunkFetcher::Use::kAgain;
  shared_.erase(shared);
  return ChunkFetcher::Use::kLast;
}

absl::StatusOr<std::unique_ptr<SnapshotReaderImpl>> SnapshotReaderImpl::Create(
    const OpContext& ctx, RestoreLink& link, const v1::OpenSnapshotResponse& opened,
    const SecretBytes& hpke_private_key, const ChunkFetcher::Options& options) {
  auto key = storage::HpkeOpen(hpke_private_key, kSnapshotKeyInfo, AsBytes(opened.snapshot_id()),
                               AsBytes(opened.sealed_snapshot_key()));
  if (!key.ok()) return Annotate(key.status(), "snapshot key");
  auto root = storage::OpenRoot(*key, AsBytes(opened.root()));
  if (!root.ok()) return Annotate(root.status(), "root of the snapshot");
  if (root->header.snapshot.bytes() != opened.snapshot_id()) {
    return absl::DataLossError("root of the snapshot: it is another snapshot's");
  }
  auto overlay = LoadManifest(root->body, [&](const std::vector<ChunkId>& ids,
                                              absl::FunctionRef<absl::Status(Bytes)> sink) {
    return link.ReadChunks(ctx, ids, sink);
  });
  if (!overlay.ok()) return Annotate(overlay.status(), "snapshot");
  return std::unique_ptr<SnapshotReaderImpl>(
      new SnapshotReaderImpl(link, opened.device(), *std::move(overlay), options));
}

std::optional<storage::Entry> SnapshotReaderImpl::Find(std::string_view path) const {
  return overlay_.Find(path);
}

bool SnapshotReaderImpl::IsDirectory(std::string_view path) const {
  return overlay_.IsDirectory(path);
}

std::vector<storage::ListedEntry> SnapshotReaderImpl::List(std::string_view directory) const {
  return overlay_.List(directory);
}

absl::Status SnapshotReaderImpl::Visit(
    std::string_view prefix,
    absl::FunctionRef<absl::Status(std::string_view, const storage::Entry&)> visit) const {
  return overlay_.Visit(prefix, visit);
}

absl::StatusOr<storage::Entry> SnapshotReaderImpl::FindFile(std::string_view path) const {
  std::optional<storage::Entry> entry = overlay_.Find(path);
  if (!entry || entry->type != storage::EntryType::kFile) {
    return absl::NotFoundError("no such file in the snapshot");
  }
  return *std::move(entry);
}

absl::Status SnapshotReaderImpl::Read(const OpContext& ctx, std::string_view path,
                                      absl::FunctionRef<absl::Status(ByteView)> sink) {
  MOORING_ASSIGN_OR_RETURN(const storage::Entry entry, FindFile(path));
  storage::Sha256Stream digest;
  for (std::size_t i = 0; i < entry.extents.size(); ++i) {
    const storage::Extent& extent = entry.extents[i];
    if (i % kPlanAhead == 0 && !fetcher_.IsExpected(extent.chunk.id)) {
      std::vector<storage::ChunkRef> ahead;
      const std::size_t end = std::min(entry.extents.size(), i + 2 * kPlanAhead);
      for (std::size_t j = i; j < end; ++j) ahead.push_back(entry.extents[j].chunk);
      fetcher_.Plan(ahead, true);
    }
    MOORING_ASSIGN_OR_RETURN(const FetchedChunk chunk,
                             fetcher_.Get(ctx, extent.chunk, UseOf(extent.chunk.id)));
    if (std::uint64_t{extent.offset} + extent.bytes > chunk.content->size()) {
      return absl::DataLossError("a chunk is shorter than its manifest says");
    }
    Bytes lengths;
    AppendLe32(lengths, extent.offset);
    AppendLe32(lengths, extent.bytes);
    digest.Update(chunk.frame_hash.view());
    digest.Update(lengths);
    MOORING_RETURN_IF_ERROR(sink(ByteView(*chunk.content).subspan(extent.offset, extent.bytes)));
  }
  const storage::Sha256Digest actual = digest.Finish();
  if (!std::equal(actual.begin(), actual.end(), entry.digest.view().begin())) {
    return absl::DataLossError("a file does not have the digest that its manifest says");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<FileReader>> SnapshotReaderImpl::Open(const OpContext& ctx,
                                                                     std::string_view path) {
  MOORING_ASSIGN_OR_RETURN(storage::Entry entry, FindFile(path));
  auto fetch =
      [this, ctx](const storage::ChunkRef& chunk) -> absl::StatusOr<std::shared_ptr<const Bytes>> {
    MOORING_ASSIGN_OR_RETURN(const FetchedChunk fetched,
                             fetcher_.Get(ctx, chunk, ChunkFetcher::Use::kAgain));
    return fetched.content;
  };
  return std::unique_ptr<FileReader>(
      std::make_unique<ExtentReader>(std::move(entry), std::move(fetch)));
}

void SnapshotReaderImpl::Prefetch(const std::vector<std::string>& paths) {
  std::vector<storage::ChunkRef> chunks;
  for (const std::string& path : paths) {
    const std::optional<storage::Entry> entry = overlay_.Find(path);
    if (!entry) continue;
    for (const storage::Extent& extent : entry->extents) chunks.push_back(extent.chunk);
  }
  fetcher_.Plan(chunks, false);
}

}  // namespace mooring::agent
