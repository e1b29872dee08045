#include "storage/catalog/private_postgres.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/database_url.h"
#include "storage/catalog/sql.h"

namespace mooring::storage {
namespace {

constexpr absl::Duration kBackoffFirst = absl::Milliseconds(200);
constexpr absl::Duration kBackoffMax = absl::Seconds(30);
constexpr absl::Duration kPoll = absl::Milliseconds(50);

std::vector<std::string> Arguments(const PrivatePostgresOptions& options,
                                   const PostgresFiles& files) {
  std::vector<std::string> arguments = {files.binaries + "/postgres", "-D", files.data_directory};
  const auto set = [&arguments](const std::string& name, const std::string& value) {
    arguments.push_back("-c");
    arguments.push_back(name + "=" + value);
  };
  set("listen_addresses", "");
  set("unix_socket_directories", files.socket_directory);
  set("unix_socket_permissions", "0700");
  set("hba_file", files.hba_file);
  set("ident_file", files.ident_file);
  set("max_connections", std::to_string(options.connections_max));
  set("shared_buffers", options.shared_buffers);
  // Durability is the point of the catalog; nothing here may be tuned away.
  set("fsync", "on");
  set("full_page_writes", "on");
  set("synchronous_commit", "on");
  set("wal_compression", "lz4");
  set("max_wal_size", "2GB");
  set("checkpoint_timeout", "15min");
  set("random_page_cost", "1.1");
  set("default_transaction_isolation", "read committed");
  set("logging_collector", "on");
  set("log_directory", "log");
  set("log_filename", "postgresql-%a.log");
  set("log_truncate_on_rotation", "on");
  set("log_rotation_age", "1d");
  set("log_rotation_size", "0");
  set("log_timezone", "UTC");
  // Terse: no values of rows, no statements with what they carry.
  set("log_error_verbosity", "terse");
  set("log_min_error_statement", "panic");
  set("log_statement", "none");
  return arguments;
}

}  // namespace

PrivatePostgres::PrivatePostgres(const PrivatePostgresOptions& options, PostgresFiles files,
                                 Clock& clock, OnState on_state)
    : options_(options),
      files_(std::move(files)),
      clock_(clock),
      on_state_(std::move(on_state)),
      url_(SocketUrl(files_.socket_directory, kPostgresRole, kPostgresDatabase)) {}

absl::StatusOr<std::unique_ptr<PrivatePostgres>> PrivatePostgres::Start(
    const OpContext& ctx, const PrivatePostgresOptions& options, Clock& clock, OnState on_state) {
  MOORING_ASSIGN_OR_RETURN(
      PostgresFiles files,
      PreparePostgresFiles(options.directory, options.run_as, options.binaries));
  MOORING_RETURN_IF_ERROR(EnsureCluster(ctx, files));
  std::unique_ptr<PrivatePostgres> postgres(
      new PrivatePostgres(options, std::move(files), clock, std::move(on_state)));
  MOORING_RETURN_IF_ERROR(postgres->BringUp(ctx));
  absl::Status created = postgres->CreateDatabase();
  if (!created.ok()) return created;  // The destructor stops it.
  postgres->Tell(State::kRunning, postgres->adopted_ ? "adopted" : "started");
  postgres->watcher_ =
      std::jthread([raw = postgres.get()](const std::stop_token& stop) { raw->Watch(stop); });
  return postgres;
}

PrivatePostgres::~PrivatePostgres() {
  // A failure leaves it to the next start, which adopts or recovers it.
  (void)Stop();
}

pid_t PrivatePostgres::pid() const {
  MutexLock lock(mutex_);
  return pid_;
}

void PrivatePostgres::Tell(State state, const std::string& message) {
  if (on_state_) on_state_(state, message);
}

// Adopts the postmaster that runs, or starts one.
absl::Status PrivatePostgres::BringUp(const OpContext& ctx) {
  const std::optional<Postmaster> running = FindPostmaster(files_);
  if (!running.has_value()) return Launch(ctx);
  if (running->socket_directory != files_.socket_directory && !running->socket_directory.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("a PostgreSQL with the socket in {} runs on {}: stop it (process {})",
                    running->socket_directory, files_.data_directory, running->pid));
  }
  absl::StatusOr<ProcessHandle> process = ProcessHandle::Adopt(running->pid);
  if (!process.ok()) return Launch(ctx);  // Gone between the two looks.
  MOORING_RETURN_IF_ERROR(WaitUntilReady(ctx, *process));
  process_ = *std::move(process);
  adopted_ = true;
  MutexLock lock(mutex_);
  pid_ = process_.pid();
  return absl::OkStatus();
}

absl::Status PrivatePostgres::Launch(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(EnsureSocketDirectory(files_));
  MOORING_RETURN_IF_ERROR(WriteAccessFiles(files_));
  RemoveMisleadingLockFiles(files_);
  const int log = open(files_.start_log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (log < 0) return absl::FailedPreconditionError("open " + files_.start_log);
  absl::StatusOr<ProcessHandle> process =
      SpawnProcess(Arguments(options_, files_), files_.run_as, log);
  close(log);
  if (!process.ok()) return process.status();
  absl::Status ready = WaitUntilReady(ctx, *process);
  if (!ready.ok()) {
    (void)process->Signal(SIGQUIT);
    if (!process->WaitForEnd(absl::Seconds(10))) (void)process->Signal(SIGKILL);
    process->WaitForEnd(absl::Seconds(10));
    return ready;
  }
  process_ = *std::move(process);
  MutexLock lock(mutex_);
  pid_ = process_.pid();
  return absl::OkStatus();
}

absl::Status PrivatePostgres::WaitUntilReady(const OpContext& ctx, ProcessHandle& process) {
  const absl::Duration start = clock_.Monotonic();
  const absl::Duration wait = std::min(options_.start_max, ctx.deadline - clock_.Now());
  while (clock_.Monotonic() - start < wait) {
    if (ctx.stop.stop_requested()) return absl::CancelledError("start PostgreSQL: stopped");
    const std::optional<Postmaster> postmaster = FindPostmaster(files_);
    if (postmaster.has_value() && postmaster->pid == process.pid() && postmaster->ready) {
      return absl::OkStatus();
    }
    if (process.WaitForEnd(kPoll)) {
      return absl::UnavailableError(fmt::format("PostgreSQL did not start ({}): {}",
                                                process.how_it_ended(), LastWords(files_)));
    }
  }
  return absl::DeadlineExceededError(
      fmt::format("PostgreSQL was not ready in time; see {}/log", files_.data_directory));
}

absl::Status PrivatePostgres::CreateDatabase() {
  MOORING_ASSIGN_OR_RETURN(
      const std::unique_ptr<SqlSession> sql,
      SqlSession::Connect(SocketUrl(files_.socket_directory, kPostgresRole, "postgres")));
  MOORING_ASSIGN_OR_RETURN(
      const SqlResult there,
      sql->Exec("SELECT 1 FROM pg_database WHERE datname = $1", kPostgresDatabase));
  if (!there.empty()) return absl::OkStatus();
  return sql->ExecScript(fmt::format("CREATE DATABASE {}", kPostgresDatabase));
}

void PrivatePostgres::Watch(const std::stop_token& stop) {
  absl::Duration backoff = kBackoffFirst;
  while (!stop.stop_requested()) {
    if (process_.valid()) {
      const absl::Duration up_since = clock_.Monotonic();
      while (!process_.WaitForEnd(absl::Minutes(1), stop)) {
        if (stop.stop_requested()) return;
      }
      if (clock_.Monotonic() - up_since > kBackoffMax) backoff = kBackoffFirst;
      Tell(State::kRestarting, fmt::format("PostgreSQL ended ({})", process_.how_it_ended()));
      process_ = ProcessHandle();
    }
    if (!clock_.Sleep(backoff, stop)) return;
    backoff = std::min(backoff * 2, kBackoffMax);
    const absl::Status up = BringUp(OpContext{absl::InfiniteFuture(), stop});
    if (stop.stop_requested()) return;
    Tell(up.ok() ? State::kRunning : State::kRestarting,
         up.ok() ? "started again" : std::string(up.message()));
  }
}

absl::Status PrivatePostgres::Stop() {
  {
    MutexLock lock(mutex_);
    if (stopped_) return absl::OkStatus();
    stopped_ = true;
  }
  if (watcher_.joinable()) {
    watcher_.request_stop();
    watcher_.join();
  }
  absl::Status status;
  if (process_.valid()) {
    status = process_.Signal(SIGINT);
    if (status.ok() && !process_.WaitForEnd(options_.stop_max)) {
      status = absl::DeadlineExceededError("PostgreSQL did not stop in time and was killed");
      // Immediate shutdown, then the last resort; both are recovered from by its log.
      (void)process_.Signal(SIGQUIT);
      if (!process_.WaitForEnd(absl::Seconds(10))) (void)process_.Signal(SIGKILL);
      process_.WaitForEnd(absl::Seconds(10));
    }
  }
  // A short one outside `directory` is nobody else's; one that is not empty stays.
  if (!files_.socket_directory.starts_with(options_.directory)) {
    (void)rmdir(files_.socket_directory.c_str());
  }
  Tell(State::kStopped, status.ok() ? "stopped" : std::string(status.message()));
  return status;
}

}  // namespace mooring::storage
