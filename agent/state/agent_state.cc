#include "agent/state/agent_state.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "agent/link/address_book.h"
#include "agent/state/certificate.h"
#include "proto/yaml_message.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::uint64_t kTextBytesMax = std::uint64_t{1} << 20;
constexpr char kConfig[] = "agent.yaml";
constexpr char kKey[] = "agent.key";
constexpr char kNewKey[] = "agent.key.new";
constexpr char kCertificate[] = "agent.pem";
constexpr char kCa[] = "ca.pem";
constexpr char kHpkeKey[] = "hpke.key";
constexpr char kServers[] = "servers";

}  // namespace

std::vector<std::string> AgentState::ConfiguredServers() const {
  std::vector<std::string> servers;
  if (!config.server().empty()) servers.push_back(config.server());
  servers.insert(servers.end(), config.servers().begin(), config.servers().end());
  return servers;
}

std::vector<std::string> AgentState::AllServers() const {
  std::vector<std::string> servers = ConfiguredServers();
  for (const std::string& address : learned_servers) {
    if (std::find(servers.begin(), servers.end(), address) == servers.end()) {
      servers.push_back(address);
    }
  }
  return servers;
}

bool StateDirectory::IsEnrolled() const {
  return files_.Stat(File(kConfig)).ok();
}

absl::StatusOr<std::string> StateDirectory::ReadText(const std::string& name) const {
  absl::StatusOr<Bytes> bytes = files_.Read(File(name), kTextBytesMax);
  if (!bytes.ok()) return Annotate(bytes.status(), File(name));
  return ToString(*bytes);
}

absl::StatusOr<AgentState> StateDirectory::Load() {
  if (!IsEnrolled()) {
    return absl::FailedPreconditionError(ToAbsl(
        fmt::format("{} holds no enrolled agent; run mooring-agent enroll --invite TOKEN", path_)));
  }
  AgentState state;
  MOORING_ASSIGN_OR_RETURN(const std::string config, ReadText(kConfig));
  MOORING_RETURN_IF_ERROR(Annotate(YamlToMessage(config, state.config), File(kConfig)));
  MOORING_ASSIGN_OR_RETURN(state.identity.ca, ReadText(kCa));
  MOORING_ASSIGN_OR_RETURN(state.identity.certificate_chain, ReadText(kCertificate));
  MOORING_ASSIGN_OR_RETURN(state.hpke_private_key, ReadSecretFile(files_, File(kHpkeKey)));
  MOORING_ASSIGN_OR_RETURN(SecretBytes key, ReadSecretFile(files_, File(kKey)));
  if (!CertifiesKey(state.identity.certificate_chain, key)) {
    // A renewal was cut off between its two renames.
    absl::StatusOr<SecretBytes> next = ReadSecretFile(files_, File(kNewKey));
    if (!next.ok() || !CertifiesKey(state.identity.certificate_chain, *next)) {
      return absl::DataLossError(
          ToAbsl(fmt::format("{} and {} do not fit together; enroll this agent again",
                             File(kCertificate), File(kKey))));
    }
    MOORING_RETURN_IF_ERROR(files_.Rename(File(kNewKey), File(kKey)));
    MOORING_RETURN_IF_ERROR(files_.SyncDirectory(path_));
    key = *std::move(next);
  }
  state.identity.private_key = ToString(key.view());
  // A convenience: without it there are the configuration's.
  const absl::StatusOr<std::string> servers = ReadText(kServers);
  if (servers.ok()) {
    std::istringstream lines(*servers);
    for (std::string line; std::getline(lines, line);) {
      if (state.learned_servers.size() == kAddressesMax) break;
      if (IsAddress(line)) state.learned_servers.push_back(line);
    }
  }
  if (state.AllServers().empty()) {
    return absl::FailedPreconditionError(
        ToAbsl(fmt::format("{} names no server; write server: HOST:PORT", File(kConfig))));
  }
  return state;
}

absl::Status StateDirectory::Create(const AgentState& state) {
  MOORING_RETURN_IF_ERROR(files_.CreateDirectories(path_, 0700));
  MOORING_RETURN_IF_ERROR(
      WriteFileDurably(files_, File(kKey), AsBytes(state.identity.private_key), 0600));
  MOORING_RETURN_IF_ERROR(
      WriteFileDurably(files_, File(kHpkeKey), state.hpke_private_key.view(), 0600));
  MOORING_RETURN_IF_ERROR(WriteFileDurably(files_, File(kCa), AsBytes(state.identity.ca), 0644));
  MOORING_RETURN_IF_ERROR(WriteFileDurably(files_, File(kCertificate),
                                           AsBytes(state.identity.certificate_chain), 0644));
  if (!state.learned_servers.empty()) {
    MOORING_RETURN_IF_ERROR(SaveServers(state.learned_servers));
  }
  return WriteFileDurably(files_, File(kConfig), AsBytes(MessageToYaml(state.config)), 0644);
}

absl::Status StateDirectory::SaveServers(const std::vector<std::string>& addresses) {
  std::string text;
  for (const std::string& address : addresses) text += address + "\n";
  return WriteFileDurably(files_, File(kServers), AsBytes(text), 0644);
}

absl::Status StateDirectory::ReplaceCertificate(const SecretBytes& private_key,
                                                const std::string& chain) {
  MOORING_RETURN_IF_ERROR(WriteFileDurably(files_, File(kNewKey), private_key.view(), 0600));
  // From here on the new certificate is in force; Load finds its key beside.
  MOORING_RETURN_IF_ERROR(WriteFileDurably(files_, File(kCertificate), AsBytes(chain), 0644));
  MOORING_RETURN_IF_ERROR(files_.Rename(File(kNewKey), File(kKey)));
  return files_.SyncDirectory(path_);
}

}  // namespace mooring::agent
