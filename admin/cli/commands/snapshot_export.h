// The longest verb of `mooring snapshot`, in a file of its own.

#pragma once

#include "admin/cli/command.h"

namespace mooring::admin {

void AddSnapshotExport(CommandTree& tree, CLI::App& snapshot);

}  // namespace mooring::admin
