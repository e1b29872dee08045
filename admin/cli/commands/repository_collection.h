// mooring repository status|gc

#pragma once

#include "admin/cli/command.h"

namespace mooring::admin {

void AddCollectionCommands(CommandTree& tree, CLI::App& repository);

}  // namespace mooring::admin
