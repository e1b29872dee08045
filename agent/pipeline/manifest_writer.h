// Makes the manifest of a finished overlay: segments, sealed and on their way,
// and the list of every chunk that the snapshot references.

#pragma once

#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "agent/pipeline/seal_pipeline.h"
#include "mooring/format/v1/manifest.pb.h"
#include "storage/base/ids.h"
#include "storage/base/op_context.h"
#include "storage/manifest/overlay.h"

namespace mooring::agent {

// By domain ascending; ids ascending and unique.
using DomainRefList = std::vector<std::pair<DomainId, std::vector<ChunkId>>>;

struct WrittenManifest {
  // Segments, counts, refs digest and domains; the rest is the caller's.
  format::v1::ManifestRoot root;
  DomainRefList refs;
};

// Decodes every segment as it goes and compares it with the overlay; kInternal
// if the manifest would not say exactly what the overlay holds.
// `segment_domain` is the domain that segments are sealed in; tickets are taken
// from `next_ticket` on. No other piece may be unsettled.
absl::StatusOr<WrittenManifest> WriteManifest(const OpContext& ctx, const storage::Overlay& overlay,
                                              const DomainId& segment_domain,
                                              SealPipeline& pipeline, Ticket& next_ticket);

}  // namespace mooring::agent
