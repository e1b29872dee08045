// Planted bugs: each breaks one rule at a seam (a store, the catalog's answers),
// and the simulation must find it. README.md has the table.

#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {

enum class PlantedBug {
  kNone,
  kStoreLosesRename,       // Put and Commit say OK; a power cut undoes them.
  kStoreHidesShortObject,  // Stat gives the size that was asked for, not the one that was kept.
  kCommitLostButOk,        // The database drops a commit and says OK.
  kSweepTakesOpenPack,     // The sweep takes a pack that an open session is writing.
  kBeginKeyIgnored,        // Begin does not look for its idempotency key.
  kReceiptForgotten,       // A committed session looks open: its commit is not remembered.
  kTombstoneIsLate,        // The tombstone is durable only after the key is gone.
  kKeySlotForgotten,       // A snapshot's key slot is not written with its row.
  kSessionNotLocked,       // FOR UPDATE of sessions and devices locks nothing.
  kOwnerNotAsked,          // The organization's chunks exist for everybody.
  kCommitSkipsRecheck,     // References count as live whatever their state.
  kRepositoryNotLocked,    // The repository lock is not taken.
  kDoomedLivesAgain,       // An upload makes a doomed row live over its old bytes.
  kDeletionForgotten,      // A deletion says OK and leaves the row as it was.
};

struct PlantedBugInfo {
  PlantedBug bug;
  std::string_view name;
  std::string_view profile;  // Under which it is looked for.
};
const std::vector<PlantedBugInfo>& PlantedBugs();
std::optional<PlantedBug> PlantedBugOf(std::string_view name);

// The makers of the catalog's stores with this bug.
StoreMakers MakersWith(PlantedBug bug);

}  // namespace mooring::testing
