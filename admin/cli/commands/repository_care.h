// mooring repository health|scrub|replica|export|rebuild

#pragma once

#include "admin/cli/command.h"

namespace mooring::admin {

// Prints how well everything is, for people; exit code as that of `repository health`.
absl::StatusOr<ExitCode> PrintHealth(Invocation& run);

void AddRepositoryCareVerbs(CommandTree& tree, CLI::App& repository);

}  // namespace mooring::admin
