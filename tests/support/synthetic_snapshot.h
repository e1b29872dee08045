// Synthetic snapshots: what an agent makes of a phone, from a map of files, for
// tests of the repository. Frames, seals, segments and root are the real ones.

#pragma once

#include <map>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "mooring/v1/backup.pb.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "storage/repository/repository.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::testing {

// Path -> content. Paths under apps/ go to the organization's domain.
using Files = std::map<std::string, std::string>;

// Content of `bytes` bytes that does not compress and that `seed` names.
std::string SyntheticContent(std::uint64_t seed, std::size_t bytes);

struct SealedForDomain {
  DomainId domain;
  storage::SealedChunk chunk;
};

// A whole snapshot, sealed and not yet uploaded.
struct SealedTree {
  std::vector<SealedForDomain> chunks;  // Each once. Files in pieces of 64 KiB, then segments.
  v1::CommitSnapshotRequest request;    // With a random idempotency key.
};

// `request.parent_snapshot_id` is the session's base where it has one. Base ids
// are the segments.
absl::StatusOr<SealedTree> SealFiles(const storage::BegunSession& session, const Files& files,
                                     Clock& clock, Random& random);

// Uploads what the session lacks (what FindChunks does not know), and flushes.
// `all` uploads everything without asking.
absl::Status UploadTree(storage::Repository& repository, const OpContext& ctx,
                        const storage::BegunSession& session, const AgentId& agent,
                        const SealedTree& tree, bool all = false);

struct BackupOptions {
  DeviceId device;
  AgentId agent;
  Bytes idempotency_key;  // Made if empty.
};

// Begin, seal, upload, commit; chunks asked for are sent again, three times at most.
absl::StatusOr<v1::Receipt> Backup(storage::Repository& repository, const OpContext& ctx,
                                   const BackupOptions& options, const Files& files, Clock& clock,
                                   Random& random);

// Reads a snapshot back, checking every chunk, segment and digest.
absl::StatusOr<Files> ReadSnapshot(storage::Repository& repository, const OpContext& ctx,
                                   const SnapshotId& snapshot);

SnapshotId SnapshotOf(const v1::Receipt& receipt);

}  // namespace mooring::testing
