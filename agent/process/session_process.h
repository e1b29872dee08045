// SessionProcess: one device session as the agent sees it. Starts the process,
// relays between its pipe and the server, and knows how it ended, even when the
// process did not live to say.

#pragma once

#include <string>

#include <absl/functional/function_ref.h>

#include "agent/link/channel.h"
#include "agent/link/grpc_backup_link.h"
#include "agent/log/log.h"
#include "agent/process/child_process.h"
#include "mooring/session/v1/session.pb.h"
#include "storage/base/clock.h"
#include "storage/base/random.h"

namespace mooring::agent {

struct SessionEnd {
  // Always filled, whoever found out.
  session::v1::Finished finished;
  // Of a probe that succeeded.
  bool has_probed = false;
  session::v1::Probed probed;
  // Empty where the server granted none.
  std::string session_id;
  std::string restore_id;
};

// Everything it refers to outlives it. One Run at a time.
class SessionProcess {
 public:
  using OnProgress = absl::FunctionRef<void(const v1::Progress&)>;

  SessionProcess(ServerChannel& channel, Clock& clock, Random& random, Log& log,
                 const LinkOptions& options, SessionCommand command);

  // Blocks until the session has ended and its process is gone. When `ctx` stops,
  // the session is asked to end, and killed if it does not. A slot that was
  // granted is given back unless the snapshot was committed, with the cause that
  // `why_stopped` then gives.
  SessionEnd Run(const OpContext& ctx, const session::v1::Start& start, OnProgress on_progress,
                 absl::FunctionRef<v1::Cause()> why_stopped);

 private:
  ServerChannel& channel_;
  Clock& clock_;
  Random& random_;
  Log& log_;
  const LinkOptions options_;
  const SessionCommand command_;
};

}  // namespace mooring::agent
