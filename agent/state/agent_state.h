// The agent's state directory: everything that it keeps, and it keeps nothing
// of any phone.
//
//   agent.yaml   AgentConfig
//   agent.key    private key of the certificate, PEM   (0600)
//   agent.pem    certificate, then the issuing CA, PEM
//   ca.pem       the CA that server certificates must chain to
//   servers      agent addresses of the servers, as one of them said last, one a line
//   hpke.key     X25519 private key, 32 bytes          (0600)
//   agent.sock   where commands reach the running agent

#pragma once

#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/link/channel.h"
#include "mooring/config/v1/config.pb.h"
#include "storage/base/file.h"
#include "storage/base/secret_bytes.h"

namespace mooring::agent {

struct AgentState {
  config::v1::AgentConfig config;
  TlsIdentity identity;
  SecretBytes hpke_private_key;
  // What a server said last of where servers are; beside those of the configuration.
  std::vector<std::string> learned_servers;

  std::vector<std::string> ConfiguredServers() const;
  // Those and the learned ones, each once.
  std::vector<std::string> AllServers() const;
};

// Thread-compatible.
class StateDirectory {
 public:
  StateDirectory(FileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::string socket_path() const { return File("agent.sock"); }

  bool IsEnrolled() const;
  // kFailedPrecondition: not enrolled. Completes a renewal that was interrupted.
  absl::StatusOr<AgentState> Load();
  // All files of a new enrollment; agent.yaml comes last and makes it one.
  absl::Status Create(const AgentState& state);
  absl::Status SaveServers(const std::vector<std::string>& addresses);
  // Replaces key and certificate so that after a crash at any point Load finds a
  // pair that fits: the old or the new.
  absl::Status ReplaceCertificate(const SecretBytes& private_key, const std::string& chain);

 private:
  absl::StatusOr<std::string> ReadText(const std::string& name) const;

  FileSystem& files_;
  const std::string path_;
};

inline constexpr char kDefaultStateDirectory[] = "/var/lib/mooring-agent";

}  // namespace mooring::agent
