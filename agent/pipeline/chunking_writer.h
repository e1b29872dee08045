// ChunkingWriter: one file on its way into a snapshot. Cuts what it is given
// into pieces and submits them; a small file goes into a bundle at Close.

#pragma once

#include <cstdint>
#include <string>

#include "agent/pipeline/snapshot_builder_impl.h"

namespace mooring::agent {

// Made by SnapshotBuilderImpl::Put, which outlives it. Thread-bound.
class ChunkingWriter final : public FileWriter {
 public:
  ChunkingWriter(SnapshotBuilderImpl& builder, const OpContext& ctx, std::string path,
                 const FileFacts& facts, Domain domain);
  ~ChunkingWriter() override;

  absl::Status Write(ByteView bytes) override;
  absl::Status Close() override;

 private:
  // Submits pieces until less than a whole chunk is left; all of it at the end.
  absl::Status Cut(bool is_end);
  absl::Status SubmitPiece(std::size_t bytes);
  // Media is recognized by its first bytes.
  void LookAtHead();
  ByteView rest() const;

  SnapshotBuilderImpl& builder_;
  const OpContext ctx_;
  const std::string path_;
  const FileFacts facts_;
  const Domain domain_;
  const PendingFiles::Handle file_;
  std::uint64_t size_ = 0;
  std::size_t begin_ = 0;  // Where the unsubmitted part of the buffer begins.
  bool cut_ = false;       // Something was submitted already.
  bool head_seen_ = false;
  bool media_ = false;
  bool closed_ = false;
};

}  // namespace mooring::agent
