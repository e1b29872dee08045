// SessionRelay: answers what a session process asks, by asking the server.

#pragma once

#include <string>

#include <absl/functional/function_ref.h>

#include "agent/link/grpc_backup_link.h"
#include "agent/link/grpc_restore_link.h"
#include "agent/log/log.h"
#include "agent/process/message_pipe.h"
#include "agent/process/session_process.h"
#include "mooring/session/v1/session.pb.h"

namespace mooring::agent {

// One session. What comes out of the pipe is not trusted: the phone may have
// taken over the process. Thread-bound.
class SessionRelay {
 public:
  SessionRelay(MessagePipe& pipe, ServerChannel& channel, Clock& clock, Random& random, Log& log,
               const LinkOptions& options, SessionProcess::OnProgress on_progress);

  // Relays until the session is over. OK: it said how it ended; `end` has it.
  absl::Status Run(const OpContext& ctx, SessionEnd& end);

  // After the process is gone: gives back what was not used.
  void Settle(SessionEnd& end);

 private:
  absl::Status Handle(const OpContext& ctx, session::v1::FromSession& message, SessionEnd& end);
  absl::Status Reply(std::uint64_t call, session::v1::ToSession reply);
  absl::Status ReplyFailure(std::uint64_t call, const absl::Status& status);

  absl::Status OnBegin(const OpContext& ctx, const session::v1::FromSession& message);
  absl::Status OnFind(const OpContext& ctx, session::v1::FromSession& message);
  absl::Status OnUpload(const OpContext& ctx, session::v1::FromSession& message);
  absl::Status OnFlush(const OpContext& ctx, const session::v1::FromSession& message);
  absl::Status OnRead(const OpContext& ctx, const session::v1::FromSession& message);
  absl::Status OnCommit(const OpContext& ctx, session::v1::FromSession& message);
  absl::Status OnOpen(const OpContext& ctx, const session::v1::FromSession& message);
  void PassOn(v1::Progress progress);

  MessagePipe& pipe_;
  Clock& clock_;
  Log& log_;
  GrpcBackupLink backup_;
  GrpcRestoreLink restore_;
  Mutex progress_mutex_;  // Progress comes from this thread and from the link's.
  SessionProcess::OnProgress on_progress_ ABSL_GUARDED_BY(progress_mutex_);
  v1::Progress last_ ABSL_GUARDED_BY(progress_mutex_);
  bool upload_failed_ = false;
  bool committed_ = false;
};

}  // namespace mooring::agent
