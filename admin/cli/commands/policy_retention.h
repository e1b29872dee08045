// mooring policy plan|explain|simulate

#pragma once

#include "admin/cli/command.h"
#include "mooring/v1/policy.pb.h"

namespace mooring::admin {

// At most one byte more than a document may have, so that a longer one is refused.
// "-" is standard input.
absl::StatusOr<v1::Policy> ReadPolicyFile(Environment& env, const std::string& file);

void AddPolicyRetention(CommandTree& tree, CLI::App& policy);

}  // namespace mooring::admin
