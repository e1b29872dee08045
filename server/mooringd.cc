// mooringd: init, join, rebuild and serve.

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <malloc.h>
#include <pthread.h>

#include "server/config/init.h"
#include "server/config/join.h"
#include "server/config/rebuild.h"
#include "server/config/server_config.h"
#include "server/log/log.h"
#include "server/rpc/tls.h"
#include "server/server.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

struct Options {
  std::string state_dir;
  std::string config_file;
  std::string ready_file;
  std::string recovery_kit;
  std::string kek_file;
  config::v1::ServerConfig config;
  std::vector<std::string> names;
  config::v1::S3 s3;
  CLI::App* init_s3 = nullptr;
  CLI::App* join_s3 = nullptr;
};

// Key material stays out of core dumps and of the swap as far as the system lets us.
void HardenProcess() {
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  rlimit memlock{};
  if (getrlimit(RLIMIT_MEMLOCK, &memlock) == 0) {
    memlock.rlim_cur = memlock.rlim_max;
    setrlimit(RLIMIT_MEMLOCK, &memlock);
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &unlimited);  // Root only; else what is allowed stays.
  }
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  signal(SIGPIPE, SIG_IGN);
}

// SIGTERM and SIGINT wait to be asked for: no handler runs in the middle of anything.
sigset_t BlockStopSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "mooringd: %s\n", std::string(status.message()).c_str());
  return 1;
}

OpContext StartContext(Clock& clock) {
  return {.deadline = clock.Now() + absl::Minutes(10), .stop = {}};
}

// serve may start elsewhere.
void MakeAbsolute(std::string& path) {
  std::error_code error;
  if (!path.empty()) path = std::filesystem::absolute(path, error).lexically_normal().string();
}

void TakeS3(const Options& options, const CLI::App& group, config::v1::ServerConfig& config) {
  if (group.count_all() == 0) return;
  *config.mutable_s3() = options.s3;
  MakeAbsolute(*config.mutable_s3()->mutable_credentials_file());
  MakeAbsolute(*config.mutable_s3()->mutable_ca_file());
}

int RunJoin(const Options& options) {
  const auto dir = StateDir::Of(options.state_dir);
  if (!dir.ok()) return Fail(dir.status());
  SystemClock clock;
  SystemRandom random;
  config::v1::ServerConfig config = options.config;
  for (const std::string& name : options.names) config.mutable_listen()->add_names(name);
  TakeS3(options, *options.join_s3, config);
  if (config.repository().find("://") == std::string::npos) {
    MakeAbsolute(*config.mutable_repository());
  }
  const InitEnvironment environment{RealFileSystem(), clock, random, [](const std::string& line) {
                                      std::printf("%s\n", line.c_str());
                                    }};
  const absl::Status status =
      JoinServer(StartContext(clock), environment, *dir, options.kek_file, config);
  if (!status.ok()) return Fail(status);
  std::printf(
      "configuration        %s\n\n"
      "Next:  mooringd serve --state-dir %s\n"
      "Agents hear of this server from the others while it runs. Keep %s as\n"
      "safe as the first server's: it holds the key-encryption key.\n",
      dir->config().c_str(), dir->path().c_str(), dir->path().c_str());
  return 0;
}

int RunInit(const Options& options) {
  const auto dir = StateDir::Of(options.state_dir);
  if (!dir.ok()) return Fail(dir.status());
  SystemClock clock;
  SystemRandom random;
  config::v1::ServerConfig config = options.config;
  if (config.organization().empty()) config.set_organization("Mooring");
  for (const std::string& name : options.names) config.mutable_listen()->add_names(name);
  TakeS3(options, *options.init_s3, config);
  const InitEnvironment environment{RealFileSystem(), clock, random, [](const std::string& line) {
                                      std::printf("%s\n", line.c_str());
                                    }};
  const absl::Status status = InitServer(StartContext(clock), environment, *dir, config);
  if (!status.ok()) {
    Fail(status);
    if (!absl::IsAlreadyExists(status)) {
      std::fprintf(stderr, "mooringd: nothing is lost; run the same command again to go on\n");
    }
    return 1;
  }
  std::printf(
      "admin token          %s\n"
      "configuration        %s\n\n"
      "Next:  mooringd serve --state-dir %s\n"
      "       mooring login --server HOST:7444 --ca %s --token-file %s\n",
      dir->admin_token().c_str(), dir->config().c_str(), dir->path().c_str(),
      dir->ca_certificate().c_str(), dir->admin_token().c_str());
  return 0;
}

void PrintRebuild(const storage::RebuildSummary& s) {
  std::printf("\ncatalog export       %s\n",
              s.export_name.empty() ? "none that can be read" : s.export_name.c_str());
  const auto line = [](const char* what, std::uint64_t count) {
    if (count > 0) std::printf("%-20s %s\n", what, fmt::format("{}", count).c_str());
  };
  line("rows", s.rows_loaded);
  line("packs", s.packs);
  line("packs unreadable", s.packs_unreadable);
  line("keys", s.keys);
  line("keys unreadable", s.keys_unreadable);
  line("snapshots", s.snapshots);
  line("  newer than it", s.snapshots_newer);
  line("  damaged", s.snapshots_damaged);
  line("  incomplete", s.snapshots_incomplete);
  line("  lost", s.snapshots_lost);
  line("deletions", s.tombstones);
  for (const std::string& remark : s.remarks) std::printf("- %s\n", remark.c_str());
}

// Exit codes as those of mooring: 9 where something is lost for good.
int RunRebuild(const Options& options) {
  const auto dir = StateDir::Of(options.state_dir);
  if (!dir.ok()) return Fail(dir.status());
  SystemClock clock;
  SystemRandom random;
  config::v1::ServerConfig config = options.config;
  for (const std::string& name : options.names) config.mutable_listen()->add_names(name);
  const InitEnvironment environment{RealFileSystem(), clock, random, [](const std::string& line) {
                                      std::fprintf(stderr, "%s\n", line.c_str());
                                    }};
  const OpContext ctx{.deadline = absl::InfiniteFuture(), .stop = {}};
  const auto summary = RebuildServer(ctx, environment, *dir, options.recovery_kit, config);
  if (!summary.ok()) {
    Fail(summary.status());
    if (!absl::IsAlreadyExists(summary.status())) {
      std::fprintf(stderr, "mooringd: nothing is lost; run the same command again to go on\n");
    }
    return 1;
  }
  PrintRebuild(*summary);
  std::printf(
      "\nNothing is pruned or collected before a person has compared holds and policies with\n"
      "what they know, and confirmed it:\n"
      "       mooringd serve --state-dir %s\n"
      "       mooring login --server HOST:7444 --ca %s --token-file %s\n"
      "       mooring repository rebuild --confirm\n",
      dir->path().c_str(), dir->ca_certificate().c_str(), dir->admin_token().c_str());
  return summary->snapshots_damaged + summary->snapshots_lost > 0 ? 9 : 0;
}

absl::Status Serve(const Options& options, Clock& clock, Log& log) {
  std::string state_dir = options.state_dir;
  if (state_dir.empty()) {
    const std::size_t slash = options.config_file.rfind('/');
    state_dir = slash == std::string::npos ? "." : options.config_file.substr(0, slash);
  }
  MOORING_ASSIGN_OR_RETURN(const StateDir dir, StateDir::Of(state_dir));
  const std::string config_file = options.config_file.empty() ? dir.config() : options.config_file;
  MOORING_ASSIGN_OR_RETURN(const config::v1::ServerConfig config,
                           LoadServerConfig(RealFileSystem(), config_file, dir));
  const sigset_t stop_signals = BlockStopSignals();
  SystemRandom random;
  const ServerEnvironment environment{RealFileSystem(), clock, random, log};
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<Server> server,
                           Server::Start(StartContext(clock), environment, dir, config));
  const Endpoints& at = server->endpoints();
  const std::string ready = fmt::format("mooringd ready agents={} enrollment={} metrics={}\n",
                                        at.agents, at.enrollment, at.metrics);
  if (!options.ready_file.empty()) {
    MOORING_RETURN_IF_ERROR(
        WriteFileDurably(RealFileSystem(), options.ready_file, AsBytes(ready), 0644));
  }
  std::fputs(ready.c_str(), stdout);
  std::fflush(stdout);
  log.Info("server.ready", {{"agents", at.agents}, {"enrollment", at.enrollment}});
  int signal_number = 0;
  while (sigwait(&stop_signals, &signal_number) == EINTR) {
  }
  log.Info("server.signal", {{"signal", static_cast<std::int64_t>(signal_number)}});
  server->Stop();
  return absl::OkStatus();
}

int RunServe(const Options& options) {
  SystemClock clock;
  JsonLog log(clock);
  const absl::Status status = Serve(options, clock, log);
  if (status.ok()) return 0;
  log.Error("server.failed", {{"message", std::string(status.message())}});
  return Fail(status);
}

// Where a bucket is, for --repository s3://...
CLI::App* AddS3(CLI::App& command, Options& options) {
  CLI::App& group = *command.add_option_group("S3");
  config::v1::S3& s3 = options.s3;
  group.add_option("--s3-endpoint", *s3.mutable_endpoint(),
                   "https://HOST[:PORT] of the store; left out: AWS");
  group.add_option("--s3-region", *s3.mutable_region(), "Region (us-east-1)");
  group.add_option("--s3-credentials-file", *s3.mutable_credentials_file(),
                   "File (0600) with aws_access_key_id and aws_secret_access_key; left out: "
                   "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of the environment");
  group.add_option("--s3-ca-file", *s3.mutable_ca_file(),
                   "PEM file of the CAs to trust; left out: the system's");
  group.add_option("--s3-addressing", *s3.mutable_addressing(),
                   "path (https://HOST/BUCKET) or host (https://BUCKET.HOST)");
  group.add_option_function<std::uint64_t>(
      "--s3-quota-bytes", [&s3](const std::uint64_t& bytes) { s3.set_quota_bytes(bytes); },
      "Bytes that the store may hold; left out: no limit is known");
  command.add_option_function<std::uint32_t>(
      "--object-lock-days",
      [&options](const std::uint32_t& days) { options.config.set_object_lock_days(days); },
      "Lock packs and commit records against deletion for so long; needs a bucket with object "
      "lock");
  return &group;
}

void AddListen(CLI::App& command, Options& options) {
  config::v1::Listen& listen = *options.config.mutable_listen();
  command.add_option("--listen-agents", *listen.mutable_agents(), "HOST:PORT (0.0.0.0:7443)");
  command.add_option("--listen-enrollment", *listen.mutable_enrollment(),
                     "HOST:PORT (0.0.0.0:7444)");
  command.add_option("--listen-metrics", *listen.mutable_metrics(), "HOST:PORT (127.0.0.1:9464)");
  command.add_option("--name", options.names,
                     "Host name or address by which agents reach this server; may be repeated");
}

void AddJoin(CLI::App& app, Options& options) {
  CLI::App* join = app.add_subcommand("join", "Make another server of an organization");
  join->footer(
      "All servers share one PostgreSQL and one repository.\nExample:\n"
      "  mooringd join --database postgresql://mooring@db.example.com/mooring \\\n"
      "    --repository /mnt/mooring --kek-file /media/kit/kek --state-dir /var/lib/mooring");
  join->add_option("--state-dir", options.state_dir, "Directory of this server; empty or new")
      ->required();
  join->add_option("--database", *options.config.mutable_database_url(),
                   "PostgreSQL URL of the organization, as this host reaches it")
      ->required();
  join->add_option("--repository", *options.config.mutable_repository(),
                   "Its repository: a directory on shared storage, or s3://BUCKET[/PREFIX]")
      ->required();
  join->add_option("--kek-file", options.kek_file,
                   "Its key-encryption key: `kek` of the recovery kit; copied")
      ->required();
  options.join_s3 = AddS3(*join, options);
  AddListen(*join, options);
}

void AddRebuild(CLI::App& app, Options& options) {
  CLI::App* rebuild = app.add_subcommand(
      "rebuild", "Bring a server back from its repository and its recovery kit alone");
  rebuild->add_option("--state-dir", options.state_dir, "Directory of the new server; empty or new")
      ->required();
  rebuild
      ->add_option("--repository", *options.config.mutable_repository(),
                   "Directory of the repository, or of its replica")
      ->required();
  rebuild->add_option("--recovery-kit", options.recovery_kit, "Folder that init made")->required();
  rebuild->add_option("--database", *options.config.mutable_database_url(),
                      "PostgreSQL URL of an empty database; left out: a private one");
  AddListen(*rebuild, options);
}

void AddInit(CLI::App& app, Options& options) {
  CLI::App* init = app.add_subcommand("init", "Make a server: keys, CA, database, repository");
  init->add_option("--state-dir", options.state_dir, "Directory of the server; empty or new")
      ->required();
  const auto text = [&](const char* name, std::string* target, const char* help) {
    init->add_option(name, *target, help);
  };
  text("--organization", options.config.mutable_organization(), "Name of the company");
  text("--database", options.config.mutable_database_url(),
       "PostgreSQL URL; left out: a private one in the state directory");
  text("--repository", options.config.mutable_repository(),
       "Directory of the repository, or s3://BUCKET[/PREFIX]; left out: in the state directory");
  options.init_s3 = AddS3(*init, options);
  AddListen(*init, options);
  init->add_flag_callback(
      "--single-admin", [&options] { options.config.set_single_admin(true); },
      "One person may approve their own requests; recorded for good");
}

// Messages and packs come and go by the MiB. What glibc gives back to the kernel
// after each of them is mapped and zeroed again for the next: 200,000 page faults
// and 0.4 CPU-s for a GiB that is backed up. Two arenas bound what is kept.
void KeepFreedMemory() {
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_ARENA_MAX, 2);
}

int Main(int argc, char** argv) {
  KeepFreedMemory();
  HardenProcess();
  RequireTls13();
  Options options;
  CLI::App app{"The Mooring server"};
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("mooringd ") + MOORING_VERSION);
  AddInit(app, options);
  AddJoin(app, options);
  AddRebuild(app, options);
  CLI::App* serve = app.add_subcommand("serve", "Run the server until SIGTERM");
  serve->add_option("--state-dir", options.state_dir, "Directory that init made");
  serve->add_option("--config", options.config_file,
                    "Configuration file; its directory is the state directory");
  serve->add_option("--ready-file", options.ready_file,
                    "Write the ready line here too, once the server listens");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (app.got_subcommand("init")) return RunInit(options);
  if (app.got_subcommand("join")) return RunJoin(options);
  if (app.got_subcommand("rebuild")) return RunRebuild(options);
  if (options.state_dir.empty() && options.config_file.empty()) {
    std::fprintf(stderr, "mooringd serve: give --state-dir or --config\n");
    return 2;
  }
  return RunServe(options);
}

}  // namespace
}  // namespace mooring::server

int main(int argc, char** argv) {
  return mooring::server::Main(argc, argv);
}
