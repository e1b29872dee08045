// SessionTask: what one session does, from the phone's first answer to the
// receipt. Runs in the session process; tests run it anywhere.

#pragma once

#include <string>

#include <absl/status/statusor.h>

#include "agent/device/device.h"
#include "agent/pipeline/backup_link.h"
#include "agent/pipeline/seal_pipeline.h"
#include "agent/restore/restore_link.h"
#include "mooring/session/v1/session.pb.h"
#include "storage/base/op_context.h"
#include "storage/base/random.h"

namespace mooring::agent {

// Everything it refers to outlives it. Thread-bound to the engine's thread.
class SessionTask {
 public:
  SessionTask(Engine& engine, BackupLink& backup_link, RestoreLink& restore_link, Random& random,
              ProgressSink& progress, const SealPipeline::Options& pipeline);

  absl::StatusOr<session::v1::Probed> Probe(const OpContext& ctx);

  // A backup or a restore as `start` says. Failures are in the answer.
  session::v1::Finished Run(const OpContext& ctx, const session::v1::Start& start);

 private:
  absl::Status Backup(const OpContext& ctx, const session::v1::Start& start,
                      session::v1::Finished& finished);
  absl::Status Restore(const OpContext& ctx, const session::v1::Start& start,
                       session::v1::Finished& finished);

  Engine& engine_;
  BackupLink& backup_link_;
  RestoreLink& restore_link_;
  Random& random_;
  ProgressSink& progress_;
  const SealPipeline::Options pipeline_;
};

}  // namespace mooring::agent
