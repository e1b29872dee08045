// Pruning pause: a device whose newest snapshots shrink or lose categories is not
// pruned, so that a bad state never pushes the good ones out. Pure.
//
// Looked at are the captures of each kind, each once, oldest first, as far as their
// snapshots are there. One is *normal* if it has at least half of the median files
// and half of the median bytes of the last five normal ones, and everything that the
// phone let be read at the last normal one (of this kind) can be read still. The
// first is normal. One that is not begins a pause; three normal ones in a row end it,
// and so does a person, who accepts what there is as the new normal.
//
// Pruning thins the captures that are looked at. So that what three normal ones
// settled is not questioned again when two of them are gone, the pruner remembers up
// to which snapshot it found a lineage in order.

#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include <google/protobuf/repeated_ptr_field.h>

#include "mooring/v1/retention.pb.h"

namespace mooring::storage {

// What is remembered of one lineage, as sequences of snapshots; 0 for nothing.
struct PauseMemory {
  std::uint64_t accepted = 0;  // By a person: up to here, what is not normal is the new normal.
  std::uint64_t settled = 0;   // By the pruner: up to here, what is not normal is past.
};
// By lineage of one device.
using PauseMemories = std::map<std::uint32_t, PauseMemory>;

// `snapshots` are one device's, not deleted, in any order. One pause at most for
// each lineage: of the capture whose pause began first.
std::vector<v1::PruningPause> JudgePauses(
    const google::protobuf::RepeatedPtrField<v1::SnapshotFacts>& snapshots,
    const PauseMemories& memories);

}  // namespace mooring::storage
