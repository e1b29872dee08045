// PrivatePostgres: a PostgreSQL that belongs to mooringd alone, for sites that
// bring none. Reached over a Unix socket by peer authentication; no TCP port,
// no password. Made with data checksums; started, watched and stopped by us.
//
// A mooringd that dies leaves it running, and the next one adopts it. Started
// by root, it runs as an ordinary user: PostgreSQL refuses root.
//
// Under `directory`: data/ (the cluster), run/ (the socket, unless the path is
// too long for one), pg_hba.conf, pg_ident.conf, start.log. PostgreSQL's own log
// is data/log, a week of files by weekday.

#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "storage/base/op_context.h"
#include "storage/catalog/postgres_files.h"
#include "storage/catalog/postgres_process.h"

namespace mooring::storage {

struct PrivatePostgresOptions {
  std::string directory;            // Absolute. Created if missing.
  std::string run_as = "postgres";  // Only where this process is root.
  std::string binaries;             // Folder of initdb and postgres; empty: looked for.
  std::string shared_buffers = "128MB";
  int connections_max = 100;
  absl::Duration start_max = absl::Minutes(5);  // Recovery after a crash included.
  absl::Duration stop_max = absl::Minutes(1);   // Before harder means are taken.
};

// Thread-safe.
class PrivatePostgres {
 public:
  enum class State {
    kRunning,
    kRestarting,  // It died, or does not come up; tried again with backoff.
    kStopped,
  };
  // Called from the watching thread, one call at a time.
  using OnState = std::function<void(State state, const std::string& message)>;

  // Runs until ready: initdb where there is no cluster, start where none runs,
  // else adoption. `clock` outlives it.
  //
  // kFailedPrecondition: no binaries, no such user, a folder that the user cannot
  // enter, a cluster of another version; the message says what to do.
  // kUnavailable: it did not come up; the message ends with its last words.
  static absl::StatusOr<std::unique_ptr<PrivatePostgres>> Start(
      const OpContext& ctx, const PrivatePostgresOptions& options, Clock& clock,
      OnState on_state = {});

  // Stops it as Stop does.
  ~PrivatePostgres();

  // Of the database "mooring", which exists and may be empty.
  const std::string& url() const { return url_; }
  bool adopted() const { return adopted_; }
  pid_t pid() const;

  // Fast shutdown (running transactions are rolled back), and waits for its end.
  // OK if it is stopped. kDeadlineExceeded: it had to be killed; the next start recovers.
  absl::Status Stop();

 private:
  PrivatePostgres(const PrivatePostgresOptions& options, PostgresFiles files, Clock& clock,
                  OnState on_state);

  absl::Status BringUp(const OpContext& ctx);
  absl::Status Launch(const OpContext& ctx);
  absl::Status WaitUntilReady(const OpContext& ctx, ProcessHandle& process);
  absl::Status CreateDatabase();
  void Watch(const std::stop_token& stop);
  void Tell(State state, const std::string& message);

  const PrivatePostgresOptions options_;
  const PostgresFiles files_;
  Clock& clock_;
  const OnState on_state_;
  std::string url_;
  bool adopted_ = false;
  mutable Mutex mutex_;
  pid_t pid_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  ProcessHandle process_;  // Of the watching thread; of Stop once that has ended.
  std::jthread watcher_;
};

}  // namespace mooring::storage
