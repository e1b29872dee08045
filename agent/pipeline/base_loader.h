// Reads manifest segments through any source of chunks into an overlay: the
// base of a backup session, and the snapshot of a restore.

#pragma once

#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>

#include "mooring/format/v1/manifest.pb.h"
#include "storage/base/ids.h"
#include "storage/manifest/overlay.h"

namespace mooring::agent {

// Gives sealed chunks in the order asked.
using ReadSealed = absl::FunctionRef<absl::Status(
    const std::vector<ChunkId>& ids, absl::FunctionRef<absl::Status(Bytes sealed)> sink)>;

// kDataLoss: a segment does not verify, or counts or references do not match the root.
absl::StatusOr<storage::Overlay> LoadManifest(const format::v1::ManifestRoot& root,
                                              ReadSealed read);

// A chunk reference of a root. kDataLoss unless its lengths and its domain are right.
absl::StatusOr<storage::ChunkRef> ParseChunkRef(const format::v1::ChunkRef& ref,
                                                const std::vector<DomainId>& domains);
absl::StatusOr<std::vector<DomainId>> ParseDomains(const format::v1::ManifestRoot& root);

}  // namespace mooring::agent
