// StateDir: where a server's files lie, and the lock that keeps two processes
// from using them at once.
//
//   mooringd.yaml   configuration; written last by init, so it says that init is done
//   kek             key-encryption key, 0600
//   ca.pem, ca.key  the CA: its certificate, and its key wrapped by the KEK
//   tls/            certificate and key of this server, renewed by it
//   postgres/       the private PostgreSQL
//   repository/     the disk repository
//   admin-token     token of the first account
//   endpoints.json  where the running server listens
//   server-id       which one it is among the servers of its organization
//   recovery-kit/   copies to be kept elsewhere

#pragma once

#include <memory>
#include <string>
#include <utility>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

namespace mooring::server {

class StateDir {
 public:
  explicit StateDir(std::string path) : path_(std::move(path)) {}

  // `path` made absolute against the working directory.
  static absl::StatusOr<StateDir> Of(const std::string& path);

  const std::string& path() const { return path_; }
  std::string config() const { return path_ + "/mooringd.yaml"; }
  std::string kek() const { return path_ + "/kek"; }
  std::string ca_certificate() const { return path_ + "/ca.pem"; }
  std::string ca_key() const { return path_ + "/ca.key"; }
  std::string tls() const { return path_ + "/tls"; }
  std::string server_certificate() const { return path_ + "/tls/server.pem"; }
  std::string server_key() const { return path_ + "/tls/server.key"; }
  std::string postgres() const { return path_ + "/postgres"; }
  std::string repository() const { return path_ + "/repository"; }
  std::string admin_token() const { return path_ + "/admin-token"; }
  std::string endpoints() const { return path_ + "/endpoints.json"; }
  std::string server_id() const { return path_ + "/server-id"; }
  std::string recovery_kit() const { return path_ + "/recovery-kit"; }

 private:
  std::string path_;
};

// Held by the one process that uses a state directory, until it ends.
class StateLock {
 public:
  // kFailedPrecondition: another process holds it.
  static absl::StatusOr<std::unique_ptr<StateLock>> Take(const StateDir& dir);
  ~StateLock();
  StateLock(const StateLock&) = delete;
  StateLock& operator=(const StateLock&) = delete;

 private:
  explicit StateLock(int fd) : fd_(fd) {}
  const int fd_;
};

}  // namespace mooring::server
