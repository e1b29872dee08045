// FileTaker: one file of a phone on its way into the snapshot. Hashes what it
// passes on, and keeps the copy that the base had until the new one is whole.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include <absl/status/status.h>

#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/op_context.h"
#include "storage/seal/digest.h"

namespace mooring::agent {

// Thread-bound; one at a time per builder, which outlives it. Dropped before
// Close, the snapshot is as it was.
class FileTaker {
 public:
  FileTaker(SnapshotBuilder& builder, std::string path, Domain domain = Domain::kPerson)
      : builder_(builder), path_(std::move(path)), domain_(domain) {}
  ~FileTaker();
  FileTaker(const FileTaker&) = delete;
  FileTaker& operator=(const FileTaker&) = delete;

  // Errors are the snapshot's, not the phone's. kInvalidArgument of Begin alone:
  // a snapshot cannot hold such a file.
  absl::Status Begin(const OpContext& ctx, const FileFacts& facts);
  absl::Status Write(ByteView bytes);
  absl::Status Close();

  bool has_begun() const { return writer_ != nullptr; }
  std::uint64_t bytes() const { return bytes_; }
  // After Close.
  const storage::Sha256Digest& sha256() const { return sha256_; }

 private:
  SnapshotBuilder& builder_;
  const std::string path_;
  const Domain domain_;
  std::unique_ptr<FileWriter> writer_;
  storage::Sha256Stream hash_;
  storage::Sha256Digest sha256_{};
  std::uint64_t bytes_ = 0;
  bool has_aside_ = false;
};

}  // namespace mooring::agent
