// SnapshotBuilderImpl: overlay, chunker, bundles and pipeline put together; and
// Finish, which makes the manifest and commits.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/pipeline/backup_link.h"
#include "agent/pipeline/bundle.h"
#include "agent/pipeline/pending_files.h"
#include "agent/pipeline/seal_pipeline.h"
#include "agent/pipeline/session_keys.h"
#include "agent/pipeline/snapshot_builder.h"
#include "mooring/v1/backup.pb.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/chunk/chunker.h"
#include "storage/manifest/overlay.h"

namespace mooring::agent {

// What the engine and the session know at the end of a capture.
struct CommitFacts {
  std::vector<v1::Capture> captures;
  v1::DeviceFacts device;
  // See BackupOutcome::base_paths.
  std::vector<std::string> base_paths;
};

class SnapshotBuilderImpl final : public SnapshotBuilder {
 public:
  struct Options {
    std::string agent_version;
    SealPipeline::Options pipeline;
  };

  // Opens the session's keys and loads the base, where there is one. A base that
  // does not verify is left out: the backup is then a full one, and base_fault says why.
  // `link` and `random` outlive the builder.
  static absl::StatusOr<std::unique_ptr<SnapshotBuilderImpl>> Create(
      const OpContext& ctx, BackupLink& link, Random& random, const v1::SessionGrant& grant,
      const SecretBytes& hpke_private_key, const Options& options);
  ~SnapshotBuilderImpl() override;

  bool has_base() const override { return has_base_; }
  const absl::Status& base_fault() const { return base_fault_; }
  bool base_has_capture(int capture_kind) const override;
  absl::StatusOr<std::unique_ptr<FileWriter>> Put(const OpContext& ctx, std::string_view path,
                                                  const FileFacts& facts, Domain domain) override;
  absl::Status MakeDirectory(std::string_view path, std::int64_t modified_unix_ns) override;
  absl::Status PutSymlink(std::string_view path, std::string_view target,
                          const FileFacts& facts) override;
  absl::Status Remove(std::string_view path) override;
  absl::Status Rename(std::string_view from, std::string_view to) override;
  absl::Status Copy(std::string_view from, std::string_view to) override;
  std::optional<storage::Entry> Find(std::string_view path) const override;
  bool IsDirectory(std::string_view path) const override;
  std::vector<storage::ListedEntry> List(std::string_view directory) const override;
  absl::Status Visit(std::string_view prefix,
                     absl::FunctionRef<absl::Status(std::string_view, const storage::Entry&)> visit)
      const override;
  absl::StatusOr<std::unique_ptr<FileReader>> Open(const OpContext& ctx,
                                                   std::string_view path) override;

  // Completes the snapshot: manifest, its check, flush, read-back of a sample,
  // commit. The builder is of no use afterwards.
  absl::StatusOr<v1::Receipt> Finish(const OpContext& ctx, const CommitFacts& facts);

  // Bytes written by the engine so far.
  std::uint64_t read_bytes() const { return read_bytes_; }
  std::uint64_t file_count() const { return overlay_.file_count(); }

 private:
  friend class ChunkingWriter;

  SnapshotBuilderImpl(BackupLink& link, Random& random, const v1::SessionGrant& grant,
                      SessionKeyRing keys, const Options& options);

  absl::Status LoadBase(const OpContext& ctx);
  // The writer's last step: the file stands in the tree, complete or pending.
  absl::Status CloseFile(const std::string& path, storage::Entry entry, PendingFiles::Handle file);
  // Puts files whose pieces are sealed into the overlay.
  absl::Status Apply();
  absl::Status Complete(PendingFiles::Complete file);
  // Seals the open bundles and waits until every closed file is complete.
  absl::Status Settle(const OpContext& ctx);
  absl::Status SubmitBundle(const OpContext& ctx, Domain domain);
  absl::Status AddToBundle(const OpContext& ctx, Domain domain, ByteView content,
                           PendingFiles::Handle file);
  const storage::Chunker& chunker(Domain domain) const {
    return domain == Domain::kPerson ? person_chunker_ : organization_chunker_;
  }
  Bundle& bundle(Domain domain) { return bundles_[domain == Domain::kPerson ? 0 : 1]; }

  absl::StatusOr<v1::CommitSnapshotRequest> MakeCommit(const OpContext& ctx,
                                                       const CommitFacts& facts);
  std::vector<v1::Capture> AllCaptures(const CommitFacts& facts) const;
  absl::Status AddBaseIds(const CommitFacts& facts, const format::v1::ManifestRoot& root,
                          v1::CommitSnapshotRequest& request) const;
  // L1: reads a few of the chunks just uploaded and opens them.
  absl::Status ReadBack(const OpContext& ctx);

  Random& random_;
  const v1::SessionGrant grant_;
  const SessionKeyRing keys_;
  const Options options_;
  const storage::Chunker person_chunker_;
  const storage::Chunker organization_chunker_;
  SealPipeline pipeline_;

  storage::Overlay overlay_;
  bool has_base_ = false;
  absl::Status base_fault_;
  std::vector<format::v1::RootCapture> base_captures_;

  PendingFiles pending_;
  std::array<Bundle, 2> bundles_;  // By domain.
  Ticket next_ticket_ = 1;
  bool writing_ = false;
  // Of the last Put, for the calls without one of their own.
  OpContext ctx_;
  // The one writer's buffer, kept between files.
  Bytes buffer_;
  std::uint64_t read_bytes_ = 0;
};

}  // namespace mooring::agent
