#include "agent/cli/doctor.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "agent/desk/desk_socket.h"
#include "agent/process/message_pipe.h"
#include "agent/state/certificate.h"
#include "mooring/v1/agent.grpc.pb.h"
#include "proto/protocol_version.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr absl::Duration kSkewMax = absl::Minutes(5);

Check Ok(std::string name, std::string detail) {
  return {CheckResult::kOk, std::move(name), std::move(detail), ""};
}
Check Note(std::string name, std::string detail) {
  return {CheckResult::kInformation, std::move(name), std::move(detail), ""};
}
Check Finding(std::string name, std::string detail, std::string next_step) {
  return {CheckResult::kFinding, std::move(name), std::move(detail), std::move(next_step)};
}

Check CheckPermissions(const StateDirectory& state) {
  constexpr char kName[] = "state directory";
  for (const char* file : {"agent.key", "hpke.key"}) {
    struct stat info {};
    const std::string path = state.File(file);
    if (stat(path.c_str(), &info) != 0) {
      return Finding(kName, fmt::format("{}: {}", path, std::generic_category().message(errno)),
                     "enroll this agent again, or run as the user who did");
    }
    if ((info.st_mode & 0077U) != 0) {
      return Finding(kName, fmt::format("{} can be read by others", path),
                     fmt::format("chmod 600 {}; if others use this machine, revoke the agent and "
                                 "enroll it again",
                                 path));
    }
  }
  return Ok(kName, state.path());
}

Check CheckCertificate(const AgentState& state, absl::Time now) {
  constexpr char kName[] = "certificate";
  const absl::StatusOr<CertificateFacts> facts = ReadCertificate(state.identity.certificate_chain);
  if (!facts.ok()) {
    return Finding(kName, std::string(facts.status().message()), "enroll this agent again");
  }
  const std::string until =
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", facts->not_after, absl::UTCTimeZone());
  if (now >= facts->not_after) {
    return Finding(kName, fmt::format("expired at {}", until),
                   "ask for a new invitation and enroll again");
  }
  if (now < facts->not_before) {
    return Finding(kName, "is not valid yet: this workstation's clock is behind",
                   "set the clock, for example with systemd-timesyncd");
  }
  if (now > facts->renew_at + (facts->not_after - facts->renew_at) / 2) {
    return Finding(kName, fmt::format("expires at {} and was not renewed in time", until),
                   "keep mooring-agent run running, connected to the server");
  }
  return Ok(kName, fmt::format("valid until {}", until));
}

Check CheckCa(const AgentState& state, absl::Time now) {
  const absl::StatusOr<CertificateFacts> facts = ReadCertificate(state.identity.ca);
  if (!facts.ok() || now >= facts->not_after) {
    return Finding("server CA", facts.ok() ? "expired" : std::string(facts.status().message()),
                   "ask for a new invitation and enroll again");
  }
  const absl::StatusOr<Bytes> pin = PublicKeyHash(state.identity.ca);
  return Ok("server CA", fmt::format("pinned, {}", pin.ok() ? ToHex(*pin).substr(0, 16) : "?"));
}

// Says hello as the running agent does. The server answers with its time.
absl::StatusOr<v1::ServerHello> AskHello(const AgentState& state, const std::string& address) {
  const auto channel = MakeChannel(address, state.identity);
  const auto stub = v1::AgentService::NewStub(channel);
  grpc::ClientContext context;
  const CallScope scope(context, OpContext(), absl::Seconds(10));
  const auto stream = stub->Control(&context);
  v1::ControlRequest hello;
  hello.mutable_hello()->set_protocol_version(kProtocolVersion);
  hello.mutable_hello()->set_agent_version("doctor");
  v1::ControlResponse answer;
  const bool answered = stream->Write(hello) && stream->Read(&answer) && answer.has_hello();
  context.TryCancel();
  const absl::Status ended = FromGrpcStatus(stream->Finish());
  if (answered) return answer.hello();
  return ended;
}

Check CheckClock(absl::Duration skew) {
  if (skew <= kSkewMax && skew >= -kSkewMax) return Ok("clock", "as the server's");
  return Finding("clock", fmt::format("{} away from the server's", absl::FormatDuration(skew)),
                 "set the clock, for example with systemd-timesyncd");
}

Check NotReached(const std::string& address, const std::string& why, bool refused) {
  return Finding("server", fmt::format("{}: {}", address, why),
                 refused ? "this agent may have been revoked: ask your administrator"
                         : "check the address in agent.yaml, the network and the firewall");
}

// A running agent is asked how it is connected: a second connection under its
// name would end the first.
std::vector<Check> CheckRunning(const session::v1::AgentStatus& status) {
  if (!status.connected()) {
    return {NotReached(status.server(), status.connection_message(), false)};
  }
  return {Ok("server", fmt::format("{}, connected", status.server())),
          CheckClock(absl::Seconds(status.clock_skew_seconds()))};
}

std::vector<Check> CheckServer(const AgentState& state, const StateDirectory& directory,
                               absl::Time now) {
  session::v1::DeskRequest request;
  request.mutable_status();
  std::vector<Check> checks;
  const absl::Status asked =
      AskDesk(directory.socket_path(), request, [&](const session::v1::DeskResponse& response) {
        if (response.has_status()) checks = CheckRunning(response.status());
      });
  if (asked.ok() && !checks.empty()) return checks;
  bool answered = false;
  for (const std::string& address : state.AllServers()) {
    const absl::StatusOr<v1::ServerHello> hello = AskHello(state, address);
    if (!hello.ok()) {
      checks.push_back(NotReached(
          address, std::string(hello.status().message()),
          absl::IsPermissionDenied(hello.status()) || absl::IsUnauthenticated(hello.status())));
      continue;
    }
    checks.push_back(Ok("server", fmt::format("{}, version {}", address, hello->server_version())));
    if (!std::exchange(answered, true)) {
      checks.push_back(CheckClock(now - absl::FromUnixSeconds(hello->server_time().seconds())));
    }
  }
  return checks;
}

bool Connects(int family, const sockaddr* address, socklen_t size) {
  const OwnedFd fd(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return fd.valid() && connect(fd.get(), address, size) == 0;
}

Check CheckUsbmuxd() {
  const char* const other = std::getenv("USBMUXD_SOCKET_ADDRESS");
  if (other != nullptr) {
    return Note("usbmuxd", fmt::format("USBMUXD_SOCKET_ADDRESS points to {}", other));
  }
  static constexpr char kPath[] = "/var/run/usbmuxd";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, kPath, sizeof(kPath));
  if (Connects(AF_UNIX, reinterpret_cast<const sockaddr*>(&address), sizeof(address))) {
    return Ok("usbmuxd", kPath);
  }
  const bool refused = errno == EACCES;
  return Finding("usbmuxd", fmt::format("{}: {}", kPath, std::generic_category().message(errno)),
                 refused ? "run the agent as root or as a user who may use usbmuxd"
                         : "install usbmuxd; it starts when an iPhone is plugged in "
                           "(systemctl start usbmuxd)");
}

Check CheckPairingRecords() {
  static constexpr char kPath[] = "/var/lib/lockdown";
  if (access(kPath, R_OK | X_OK) == 0) return Ok("pairing records", kPath);
  if (errno == ENOENT) {
    return Note("pairing records", fmt::format("{} does not exist yet; usbmuxd makes it", kPath));
  }
  return Finding("pairing records",
                 fmt::format("{}: {}", kPath, std::generic_category().message(errno)),
                 "run the agent as root, or let its user read this directory");
}

}  // namespace

std::vector<Check> RunDoctor(Clock& clock, StateDirectory& state,
                             const std::function<std::vector<Check>()>& platform_checks) {
  std::vector<Check> checks;
  const absl::StatusOr<AgentState> loaded = state.Load();
  if (loaded.ok()) {
    checks.push_back(CheckPermissions(state));
    checks.push_back(CheckCertificate(*loaded, clock.Now()));
    checks.push_back(CheckCa(*loaded, clock.Now()));
    for (Check& check : CheckServer(*loaded, state, clock.Now()))
      checks.push_back(std::move(check));
  } else {
    checks.push_back(Finding("enrollment", std::string(loaded.status().message()),
                             "mooring-agent enroll --invite TOKEN"));
  }
  checks.push_back(CheckUsbmuxd());
  checks.push_back(CheckPairingRecords());
  if (platform_checks) {
    for (Check& check : platform_checks()) checks.push_back(std::move(check));
  }
  return checks;
}

}  // namespace mooring::agent
