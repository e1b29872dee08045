// SnapshotWriter: snapshots made by hand, honest ones and others, for tests of
// the export.

#pragma once

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "storage/manifest/manifest.h"
#include "storage/manifest/overlay.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::testing {

class SnapshotWriter {
 public:
  SnapshotWriter() : sealer_(SecretBytes::Make(random_, 32)) {
    domain_ = DomainId::Make(random_);
    root_.header.snapshot = SnapshotId::Make(random_);
  }

  // A chunk of file content, kept in `chunks`.
  storage::SealedChunk Seal(ByteView content,
                            storage::ChunkKind kind = storage::ChunkKind::kFileData) {
    auto frame = storage::Frame::Make(content, storage::Compression::kProbe);
    auto sealed = sealer_.Seal(*frame, kind);
    chunks_[sealed->id] = sealed->bytes;
    return *sealed;
  }

  // A file of these ranges.
  struct Range {
    storage::SealedChunk chunk;
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
  };
  storage::Entry MakeFile(const std::vector<Range>& ranges) const {
    storage::Entry entry;
    storage::FileDigester digest;
    for (const Range& range : ranges) {
      entry.extents.push_back({{range.chunk.id, range.chunk.key, range.chunk.raw_bytes, domain_},
                               range.offset,
                               range.bytes});
      entry.size_bytes += range.bytes;
      digest.Add(range.chunk.frame_hash, range.offset, range.bytes);
    }
    entry.digest = digest.Finish();
    entry.modified_unix_ns = 1'500'000'000'000'000'000;
    return entry;
  }
  storage::Entry MakeFile(const std::string& content) {
    if (content.empty()) return MakeFile(std::vector<Range>());
    const storage::SealedChunk chunk = Seal(AsBytes(content));
    return MakeFile({{chunk, 0, chunk.raw_bytes}});
  }

  void Put(const std::string& path, const storage::Entry& entry) {
    const absl::Status put = overlay_.Put(path, entry);
    EXPECT_TRUE(put.ok()) << path << ": " << put;
  }
  void Put(const std::string& path, const std::string& content) { Put(path, MakeFile(content)); }

  storage::Overlay& overlay() { return overlay_; }
  std::map<ChunkId, Bytes>& chunks() { return chunks_; }

  // The root over everything that was put.
  storage::Root Finish() {
    std::vector<DomainId> domains;
    const absl::Status encoded = storage::SegmentEncoder::Encode(
        overlay_, domains,
        [&](ByteView content, std::string_view first_path, std::uint32_t entries) {
          AddSegment(content, first_path, entries);
          return absl::OkStatus();
        });
    EXPECT_TRUE(encoded.ok()) << encoded;
    for (const DomainId& domain : domains) root_.body.add_domains(domain.bytes());
    // The export reads what entries name, not what was committed.
    root_.body.set_refs_digest(std::string(32, 'r'));
    root_.body.set_entry_count(overlay_.entry_count());
    root_.body.set_file_count(overlay_.file_count());
    root_.body.set_logical_bytes(overlay_.logical_bytes());
    return root_;
  }

  // A segment as it is, well formed or not.
  void AddSegment(ByteView content, std::string_view first_path, std::uint32_t entries) {
    const storage::SealedChunk sealed = Seal(content, storage::ChunkKind::kManifestSegment);
    auto* segment = root_.body.add_segments();
    segment->mutable_chunk()->set_id(sealed.id.bytes());
    segment->mutable_chunk()->set_key(sealed.key.bytes());
    segment->mutable_chunk()->set_raw_bytes(sealed.raw_bytes);
    segment->set_first_path(std::string(first_path));
    segment->set_entry_count(entries);
  }

 private:
  SeededRandom random_{7};
  storage::ChunkSealer sealer_;
  DomainId domain_;
  storage::Overlay overlay_;
  storage::Root root_;
  std::map<ChunkId, Bytes> chunks_;
};

}  // namespace mooring::testing
