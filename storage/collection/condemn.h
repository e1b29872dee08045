// Condemn and doom: the two transitions under the exclusive repository lock, in
// batches, so that no commit waits for long.

#pragma once

#include <cstdint>
#include <optional>

#include <absl/status/status.h>
#include <absl/time/time.h>

#include "storage/catalog/chunk_index.h"
#include "storage/collection/mark.h"
#include "storage/collection/round.h"
#include "storage/collection/stock.h"

namespace mooring::storage {

// Live -> condemned for the stock's candidates that no newer commit references
// and no open session was told of.
absl::Status CondemnCandidates(const OpContext& ctx, Round& round, const Stock& stock);

// Condemned -> doomed for what has been condemned long enough and was seen
// unreferenced by enough later marks; lost -> doomed for what nothing references;
// then packs without a useful row -> doomed. kDataLoss: one of those is referenced.
absl::Status DoomCondemned(const OpContext& ctx, Round& round, const Mark& mark, Stock& stock);

// Whether a condemned chunk's time is up. `newest_export`: see CollectionParts.
bool IsDue(const ChunkRow& row, const CollectionOptions& options, std::uint64_t generation,
           absl::Time now, std::optional<absl::Time> newest_export);

}  // namespace mooring::storage
