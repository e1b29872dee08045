// A backup, a restore and an export through the RPCs alone, of synthetic files.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

#include "mooring/v1/restore.grpc.pb.h"
#include "tests/integration/server/server_fixture.h"
#include "tests/integration/server/test_agent.h"
#include "tests/support/synthetic_snapshot.h"

namespace mooring::testing {

struct WireBackup {
  v1::Receipt receipt;
  bool incremental = false;
};

// Begins (with polling), finds, uploads what is missing, commits.
absl::StatusOr<WireBackup> BackUpOverWire(TestAgent& agent, const std::string& serial,
                                          const Files& files, Random& random);

// Uploads what the session lacks; the server closes a pack after each `chunks_a_pack`.
absl::Status UploadOverWire(TestAgent& agent, const storage::BegunSession& session,
                            const SealedTree& tree, std::size_t chunks_a_pack = SIZE_MAX);

// kDataLoss: the server asks for chunks.
absl::StatusOr<v1::Receipt> CommitOverWire(TestAgent& agent, const SealedTree& tree);

// Uploads what the session lacks, and commits.
absl::StatusOr<v1::Receipt> FinishOverWire(TestAgent& agent, const storage::BegunSession& session,
                                           const SealedTree& tree);

// Opens the snapshot of `code`, reads and checks everything, and says that it is done.
absl::StatusOr<Files> ReadOverWire(v1::RestoreService::Stub& stub, const storage::HpkeKeyPair& hpke,
                                   const std::string& code, const std::string& target_serial);

// Requests, approves, redeems and reads an export as one administrator.
absl::StatusOr<Files> ExportOverWire(AdminStubs& admin, const std::string& snapshot_id,
                                     Random& random);

}  // namespace mooring::testing
