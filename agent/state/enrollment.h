// Enrollment: how a workstation becomes an agent, and stays one.

#pragma once

#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "agent/state/agent_state.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"

namespace mooring::agent {

struct Enrollment {
  std::string token;
  // Instead of the invitation's addresses; may be empty.
  std::vector<std::string> servers;
  std::string hostname;
  std::string agent_version;
};

struct Enrolled {
  std::string organization;
  std::string server;
  std::string agent_id;  // Hexadecimal.
  absl::Time expires_at;
};

// Checks the server against the invitation's pin, then asks for a certificate
// and writes the state. kAlreadyExists: this directory is an agent's already.
absl::StatusOr<Enrolled> Enroll(const OpContext& ctx, StateDirectory& state, Random& random,
                                const Enrollment& enrollment);

// Asks for a certificate of a new key and replaces the files. Returns the new
// identity.
absl::StatusOr<TlsIdentity> Renew(const OpContext& ctx, StateDirectory& state,
                                  const TlsIdentity& identity, ServerChannel& channel,
                                  const std::string& hostname);

}  // namespace mooring::agent
