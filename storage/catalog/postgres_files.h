// Where a private PostgreSQL keeps its files, made ready for it to run.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/op_context.h"
#include "storage/catalog/postgres_process.h"

namespace mooring::storage {

// Role and database of ours in a private PostgreSQL.
inline constexpr char kPostgresRole[] = "mooring";
inline constexpr char kPostgresDatabase[] = "mooring";

struct PostgresFiles {
  RunAs run_as;
  std::string binaries;          // Folder of initdb and postgres.
  std::string data_directory;    // The cluster.
  std::string socket_directory;  // Short enough for a socket's path.
  std::string hba_file;
  std::string ident_file;
  std::string start_log;
};

// Resolves users, binaries and paths and creates the folders, each owned by the
// one who needs it. No cluster is made.
absl::StatusOr<PostgresFiles> PreparePostgresFiles(const std::string& directory,
                                                   const std::string& run_as,
                                                   const std::string& binaries);

// Makes the cluster with initdb if there is none: beside its place, then renamed,
// so that a crash leaves none rather than half of one.
absl::Status EnsureCluster(const OpContext& ctx, const PostgresFiles& files);

// Writes who may connect: the users of our processes, over the socket.
absl::Status WriteAccessFiles(const PostgresFiles& files);

// The socket's directory, again: it may be on a file system that a reboot empties.
absl::Status EnsureSocketDirectory(const PostgresFiles& files);

// What postmaster.pid says.
struct Postmaster {
  pid_t pid = 0;
  std::string socket_directory;
  bool ready = false;
};

// The postmaster of this cluster, if one runs: postmaster.pid, checked against
// the process itself. One left by a crash does not count.
std::optional<Postmaster> FindPostmaster(const PostgresFiles& files);

// Removes postmaster.pid and the socket's lock file, where no process of PostgreSQL works in
// the cluster. After a power cut they may be empty, or hold a number that now belongs to
// another program; PostgreSQL itself would refuse to start.
void RemoveMisleadingLockFiles(const PostgresFiles& files);

// The last bytes of the start log, for a message.
std::string LastWords(const PostgresFiles& files);

}  // namespace mooring::storage
