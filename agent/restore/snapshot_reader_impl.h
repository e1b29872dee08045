// SnapshotReaderImpl: the manifest of an opened snapshot in memory, its content
// through a ChunkFetcher.

#pragma once

#include <memory>
#include <string>

#include <absl/container/flat_hash_map.h>

#include "agent/restore/chunk_fetcher.h"
#include "agent/restore/restore_link.h"
#include "agent/restore/snapshot_reader.h"
#include "mooring/v1/restore.pb.h"
#include "storage/base/secret_bytes.h"
#include "storage/manifest/overlay.h"

namespace mooring::agent {

class SnapshotReaderImpl final : public SnapshotReader {
 public:
  // Opens what the server answered to OpenSnapshot. kDataLoss: root, manifest or
  // key do not fit together. `link` outlives the reader.
  static absl::StatusOr<std::unique_ptr<SnapshotReaderImpl>> Create(
      const OpContext& ctx, RestoreLink& link, const v1::OpenSnapshotResponse& opened,
      const SecretBytes& hpke_private_key, const ChunkFetcher::Options& options);

  const v1::DeviceFacts& device() const override { return device_; }
  std::optional<storage::Entry> Find(std::string_view path) const override;
  bool IsDirectory(std::string_view path) const override;
  std::vector<storage::ListedEntry> List(std::string_view directory) const override;
  absl::Status Visit(std::string_view prefix,
                     absl::FunctionRef<absl::Status(std::string_view, const storage::Entry&)> visit)
      const override;
  absl::Status Read(const OpContext& ctx, std::string_view path,
                    absl::FunctionRef<absl::Status(ByteView)> sink) override;
  absl::StatusOr<std::unique_ptr<FileReader>> Open(const OpContext& ctx,
                                                   std::string_view path) override;
  void Prefetch(const std::vector<std::string>& paths) override;

  std::uint64_t file_count() const { return overlay_.file_count(); }
  std::uint64_t logical_bytes() const { return overlay_.logical_bytes(); }

 private:
  SnapshotReaderImpl(RestoreLink& link, const v1::DeviceFacts& device, storage::Overlay overlay,
                     const ChunkFetcher::Options& options);

  absl::StatusOr<storage::Entry> FindFile(std::string_view path) const;
  // Counts one read of the chunk.
  ChunkFetcher::Use UseOf(const ChunkId& id);

  const v1::DeviceFacts device_;
  const storage::Overlay overlay_;
  // Chunks that several extents lie in, and how many of those are still unread.
  absl::flat_hash_map<ChunkId, std::uint32_t> shared_;
  ChunkFetcher fetcher_;
};

}  // namespace mooring::agent
