// The conditions under which an iPhone's full capture may become a snapshot.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/pipeline/snapshot_builder.h"
#include "storage/base/op_context.h"
#include "storage/base/secret_bytes.h"

namespace mooring::agent {

struct CaptureVerdict {
  std::uint64_t file_count = 0;
  std::uint64_t logical_bytes = 0;
  bool is_encrypted = false;
  // Rows of Manifest.db were compared with what is stored.
  bool rows_verified = false;
  std::vector<std::string> remarks;
};

// Checks what the phone left in `builder`: Status.plist says finished, nothing
// is left in Snapshot/, and every file row of Manifest.db has its payload. Where
// the phone encrypts, the rows can be read with `backup_password` alone; without
// it a remark says so. kDataLoss (CAUSE_VERIFICATION_FAILED): do not commit.
absl::StatusOr<CaptureVerdict> CheckCapture(const OpContext& ctx, SnapshotBuilder& builder,
                                            const SecretBytes& backup_password);

}  // namespace mooring::agent
