// mooring snapshot pin

#pragma once

#include "admin/cli/command.h"

namespace mooring::admin {

void AddSnapshotPin(CommandTree& tree, CLI::App& snapshot);

}  // namespace mooring::admin
