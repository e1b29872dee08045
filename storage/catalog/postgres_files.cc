#include "storage/catalog/postgres_files.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "storage/base/file.h"
#include "storage/base/status.h"

namespace mooring::storage {
namespace {

namespace fs = std::filesystem;

// sun_path holds 108 bytes with its end; "/.s.PGSQL.5432.lock" comes after the directory.
constexpr std::size_t kSocketDirectoryBytesMax = 88;
constexpr int kVersionMin = 13;  // Oldest whose features we use.

std::string ErrorText(int error) {
  return std::generic_category().message(error);
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

bool HasBinaries(const fs::path& folder) {
  return access((folder / "initdb").c_str(), X_OK) == 0 &&
         access((folder / "postgres").c_str(), X_OK) == 0;
}

// Major version of a cluster; empty without one.
std::string ClusterVersion(const std::string& data_directory) {
  std::string text = ReadText(data_directory + "/PG_VERSION");
  text.erase(std::find(text.begin(), text.end(), '\n'), text.end());
  return text;
}

// Major version of the binaries in a folder, from "postgres (PostgreSQL) 15.3"; empty if they
// do not say.
std::string BinaryVersion(const std::string& folder, const RunAs& run_as) {
  int pipe_fds[2];
  if (pipe2(pipe_fds, O_CLOEXEC) != 0) return "";
  absl::StatusOr<ProcessHandle> postgres =
      SpawnProcess({folder + "/postgres", "--version"}, run_as, pipe_fds[1]);
  close(pipe_fds[1]);
  std::string text(256, '\0');
  ssize_t got = 0;
  if (postgres.ok() && postgres->WaitForEnd(absl::Seconds(10))) {
    got = read(pipe_fds[0], text.data(), text.size());
  }
  close(pipe_fds[0]);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  const std::size_t digits = text.find_first_of("0123456789");
  if (digits == std::string::npos) return "";
  return text.substr(digits, text.find_first_not_of("0123456789", digits) - digits);
}

absl::StatusOr<std::string> FindBinaries(const std::string& data_directory, const RunAs& run_as) {
  const std::string cluster = ClusterVersion(data_directory);
  // Debian keeps each major version in a folder of its own.
  std::error_code error;
  int newest = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator("/usr/lib/postgresql", error)) {
    const std::string name = entry.path().filename();
    int version = 0;
    std::from_chars(name.data(), name.data() + name.size(), version);
    if (!HasBinaries(entry.path() / "bin")) continue;
    if (!cluster.empty() && name == cluster) return entry.path() / "bin";
    if (version >= kVersionMin) newest = std::max(newest, version);
  }
  if (cluster.empty() && newest > 0) return fmt::format("/usr/lib/postgresql/{}/bin", newest);
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    if (folder.empty() || !HasBinaries(folder)) continue;
    if (cluster.empty() || BinaryVersion(folder, run_as) == cluster) return folder;
  }
  return absl::FailedPreconditionError(
      cluster.empty()
          ? std::string("PostgreSQL is not installed: install postgresql, or give --database URL")
          : fmt::format("{} was made by PostgreSQL {}, which is not installed: install"
                        " postgresql-{}",
                        data_directory, cluster, cluster));
}

// Whether the user may pass through a folder, by its mode.
bool MayEnter(const struct stat& info, const RunAs& user) {
  if (info.st_uid == user.uid) return (info.st_mode & S_IXUSR) != 0;
  const bool in_group = info.st_gid == user.gid || std::find(user.groups.begin(), user.groups.end(),
                                                             info.st_gid) != user.groups.end();
  return (info.st_mode & (in_group ? S_IXGRP : S_IXOTH)) != 0;
}

absl::Status CheckParents(const std::string& directory, const RunAs& user) {
  if (!user.drop) return absl::OkStatus();
  for (fs::path path = directory; path != path.root_path(); path = path.parent_path()) {
    struct stat info {};
    if (stat(path.c_str(), &info) != 0) continue;  // To be created by us.
    if (!MayEnter(info, user)) {
      return absl::FailedPreconditionError(fmt::format(
          "user {}, whom PostgreSQL runs as, cannot enter {}: chmod o+x {} (what is in it stays"
          " unreadable), or choose a state directory elsewhere, such as /var/lib/mooring",
          user.name, path.string(), path.string()));
    }
  }
  return absl::OkStatus();
}

// A directory of exactly this owner and mode, and no symbolic link to one.
absl::Status EnsureDirectory(const std::string& path, unsigned mode, uid_t uid, gid_t gid) {
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    return absl::FailedPreconditionError(fmt::format("create {}: {}", path, ErrorText(errno)));
  }
  const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) {
    return absl::FailedPreconditionError(fmt::format("open {}: {}", path, ErrorText(errno)));
  }
  struct stat info {};
  bool good = fstat(fd, &info) == 0;
  if (good && (info.st_uid != uid || info.st_gid != gid)) {
    // In a shared folder another user could have made it first; root may take it over.
    good = fchown(fd, uid, gid) == 0;
  }
  good = good && fchmod(fd, mode) == 0;
  const int error = errno;
  close(fd);
  if (good) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{} belongs to another user: {}", path, ErrorText(error)));
}

// A short name for a long path, the same each time (FNV-1a).
std::string ShortName(const std::string& path) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:016x}", hash);
}

std::string ChooseSocketDirectory(const std::string& directory, const RunAs& run_as) {
  std::string beside = directory + "/run";
  if (beside.size() <= kSocketDirectoryBytesMax) return beside;
  if (geteuid() == 0) return "/run/mooring-" + ShortName(directory);
  return fmt::format("/tmp/mooring-{}-{}", run_as.uid, ShortName(directory));
}

absl::Status RunInitdb(const OpContext& ctx, const PostgresFiles& files, const std::string& into) {
  const int log = open(files.start_log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (log < 0) {
    return absl::FailedPreconditionError(
        fmt::format("open {}: {}", files.start_log, ErrorText(errno)));
  }
  absl::StatusOr<ProcessHandle> initdb = SpawnProcess(
      {files.binaries + "/initdb", "--pgdata=" + into, "--username=" + std::string(kPostgresRole),
       "--auth=peer", "--encoding=UTF8", "--no-locale", "--data-checksums", "--no-instructions"},
      files.run_as, log);
  close(log);
  if (!initdb.ok()) return initdb.status();
  if (!initdb->WaitForEnd(absl::Minutes(5), ctx.stop)) {
    (void)initdb->Signal(SIGKILL);
    initdb->WaitForEnd(absl::Seconds(10));
    return absl::DeadlineExceededError("initdb did not end in time");
  }
  if (initdb->exit_code() != 0) {
    return absl::UnavailableError(
        fmt::format("initdb failed ({}): {}", initdb->how_it_ended(), LastWords(files)));
  }
  return absl::OkStatus();
}

// Whether a process is PostgreSQL at work in this cluster; it lives in its data directory.
bool WorksIn(const std::string& pid, const std::string& data_directory) {
  std::error_code error;
  const fs::path cwd = fs::read_symlink("/proc/" + pid + "/cwd", error);
  if (error) return false;
  return fs::equivalent(cwd, data_directory, error) &&
         ReadText("/proc/" + pid + "/comm").starts_with("postgres");
}

}  // namespace

absl::StatusOr<PostgresFiles> PreparePostgresFiles(const std::string& directory,
                                                   const std::string& run_as,
                                                   const std::string& binaries) {
  if (!directory.starts_with('/')) {
    return absl::InvalidArgumentError("the directory of PostgreSQL must be an absolute path");
  }
  PostgresFiles files;
  MOORING_ASSIGN_OR_RETURN(files.run_as, FindRunAs(run_as));
  files.data_directory = directory + "/data";
  files.socket_directory = ChooseSocketDirectory(directory, files.run_as);
  files.hba_file = directory + "/pg_hba.conf";
  files.ident_file = directory + "/pg_ident.conf";
  files.start_log = directory + "/start.log";
  files.binaries = binaries;
  if (binaries.empty()) {
    MOORING_ASSIGN_OR_RETURN(files.binaries, FindBinaries(files.data_directory, files.run_as));
  } else if (!HasBinaries(binaries)) {
    return absl::FailedPreconditionError(fmt::format("no initdb and postgres in {}", binaries));
  }
  MOORING_RETURN_IF_ERROR(CheckParents(fs::path(directory).parent_path(), files.run_as));
  MOORING_RETURN_IF_ERROR(RealFileSystem().CreateDirectories(directory, 0711));
  // Ours, so that the user of PostgreSQL cannot plant files that root then opens.
  MOORING_RETURN_IF_ERROR(EnsureDirectory(directory, 0711, geteuid(), getegid()));
  MOORING_RETURN_IF_ERROR(EnsureSocketDirectory(files));
  return files;
}

absl::Status EnsureSocketDirectory(const PostgresFiles& files) {
  return EnsureDirectory(files.socket_directory, 0700, files.run_as.uid, files.run_as.gid);
}

absl::Status EnsureCluster(const OpContext& ctx, const PostgresFiles& files) {
  if (!ClusterVersion(files.data_directory).empty()) return absl::OkStatus();
  const std::string into = files.data_directory + ".new";
  std::error_code error;
  fs::remove_all(into, error);  // Half of one, from a crash.
  MOORING_RETURN_IF_ERROR(EnsureDirectory(into, 0700, files.run_as.uid, files.run_as.gid));
  // initdb ends with an fsync of all that it wrote.
  MOORING_RETURN_IF_ERROR(RunInitdb(ctx, files, into));
  MOORING_RETURN_IF_ERROR(RealFileSystem().RenameNoReplace(into, files.data_directory));
  return RealFileSystem().SyncDirectory(fs::path(files.data_directory).parent_path());
}

absl::Status WriteAccessFiles(const PostgresFiles& files) {
  const std::string hba =
      "# Written by mooringd at every start.\n"
      "local all all peer map=mooring\n";
  // Our processes are root's or, without root, of the same user as PostgreSQL.
  std::vector<std::string> users = {files.run_as.name};
  if (files.run_as.drop) users.emplace_back("root");
  std::string ident = "# Written by mooringd at every start.\n";
  for (const std::string& user : users) {
    ident += fmt::format("mooring \"{}\" {}\n", user, kPostgresRole);
  }
  MOORING_RETURN_IF_ERROR(WriteFileDurably(RealFileSystem(), files.hba_file, AsBytes(hba), 0644));
  return WriteFileDurably(RealFileSystem(), files.ident_file, AsBytes(ident), 0644);
}

std::optional<Postmaster> FindPostmaster(const PostgresFiles& files) {
  // Lines: pid, data directory, start time, port, socket directory, listen
  // address, shared memory key, status (PostgreSQL, miscadmin.h, "postmaster.pid").
  std::istringstream text(ReadText(files.data_directory + "/postmaster.pid"));
  std::vector<std::string> lines;
  for (std::string line; lines.size() < 8 && std::getline(text, line);) lines.push_back(line);
  if (lines.empty() || lines[0].empty() || !WorksIn(lines[0], files.data_directory)) {
    return std::nullopt;
  }
  Postmaster postmaster;
  std::from_chars(lines[0].data(), lines[0].data() + lines[0].size(), postmaster.pid);
  if (postmaster.pid <= 1) return std::nullopt;
  if (lines.size() >= 5) postmaster.socket_directory = lines[4];
  postmaster.ready = lines.size() >= 8 && lines[7].starts_with("ready");
  return postmaster;
}

void RemoveMisleadingLockFiles(const PostgresFiles& files) {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator("/proc", error)) {
    const std::string pid = entry.path().filename();
    if (std::all_of(pid.begin(), pid.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
        WorksIn(pid, files.data_directory)) {
      return;  // A child of the dead postmaster: PostgreSQL must judge.
    }
  }
  fs::remove(files.data_directory + "/postmaster.pid", error);
  // The socket's directory is this cluster's alone.
  fs::remove(files.socket_directory + "/.s.PGSQL.5432.lock", error);
}

std::string LastWords(const PostgresFiles& files) {
  constexpr std::size_t kBytesMax = 600;
  std::string text = ReadText(files.start_log);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  if (text.size() > kBytesMax) text = "..." + text.substr(text.size() - kBytesMax);
  return text.empty() ? "it said nothing; see " + files.data_directory + "/log" : text;
}

}  // namespace mooring::storage
