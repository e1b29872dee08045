// Doctor: looks for what keeps this workstation from backing phones up, and
// says what to do about each finding. Changes nothing.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "agent/state/agent_state.h"
#include "storage/base/clock.h"

namespace mooring::agent {

enum class CheckResult { kOk, kInformation, kFinding };

struct Check {
  CheckResult result = CheckResult::kOk;
  std::string name;
  std::string detail;
  std::string next_step;  // Of a finding.
};

// `platform_checks` may be empty.
std::vector<Check> RunDoctor(Clock& clock, StateDirectory& state,
                             const std::function<std::vector<Check>()>& platform_checks);

}  // namespace mooring::agent
