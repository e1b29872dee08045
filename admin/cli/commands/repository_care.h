// mooring repository status|scrub|replica|export|rebuild

#pragma once

#include "admin/cli/command.h"

namespace mooring::admin {

void AddRepositoryCareVerbs(CommandTree& tree, CLI::App& repository);

}  // namespace mooring::admin
