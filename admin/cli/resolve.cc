#include "admin/cli/resolve.h"

#include <algorithm>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include "mooring/v1/access.grpc.pb.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "proto/plain_text.h"
#include "storage/base/bytes.h"
#include "storage/base/status.h"

namespace mooring::admin {
namespace {

constexpr std::size_t kIdHexLength = 32;

bool IsHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](unsigned char c) { return absl::ascii_isxdigit(c); });
}

template <typename Records, typename GetId>
std::vector<std::string> IdsOf(const Records& records, GetId get_id) {
  std::vector<std::string> ids;
  for (const auto& record : records) ids.push_back(get_id(record));
  return ids;
}

}  // namespace

absl::StatusOr<std::string> ResolveId(
    std::string_view text, std::string_view noun,
    const std::function<absl::StatusOr<std::vector<std::string>>()>& list) {
  if (!IsHex(text) || text.size() < kIdPrefixMin || text.size() > kIdHexLength) {
    return absl::InvalidArgumentError(fmt::format(
        "'{}' is not the id of {} {}; write at least {} of its hexadecimal characters",
        CleanText(text), noun[0] == 'a' || noun[0] == 'i' ? "an" : "a", noun, kIdPrefixMin));
  }
  const std::string prefix = absl::AsciiStrToLower(ToAbsl(text));
  if (prefix.size() == kIdHexLength) return ToString(*FromHex(prefix));
  MOORING_ASSIGN_OR_RETURN(std::vector<std::string> ids, list());
  std::erase_if(
      ids, [&](const std::string& id) { return !absl::StartsWith(ToHex(AsBytes(id)), prefix); });
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  if (ids.empty()) return absl::NotFoundError(fmt::format("no {} begins with {}", noun, prefix));
  if (ids.size() > 1) {
    return absl::InvalidArgumentError(
        fmt::format("{} {}s begin with {}: write more of it", ids.size(), noun, prefix));
  }
  return ids.front();
}

absl::StatusOr<std::string> ResolveInvitation(Connection& connection, std::string_view text) {
  return ResolveId(text, "invitation", [&]() -> absl::StatusOr<std::vector<std::string>> {
    MOORING_ASSIGN_OR_RETURN(
        const auto response,
        connection.Call(&v1::FleetService::Stub::ListInvitations, v1::ListInvitationsRequest()));
    return IdsOf(response.invitations(), [](const auto& record) { return record.id(); });
  });
}

absl::StatusOr<std::string> ResolveAgent(Connection& connection, std::string_view text) {
  if (text.size() == kIdHexLength && IsHex(text)) return ToString(*FromHex(text));
  MOORING_ASSIGN_OR_RETURN(const auto response, connection.Call(&v1::FleetService::Stub::ListAgents,
                                                                v1::ListAgentsRequest()));
  std::vector<std::string> named;
  for (const v1::Agent& agent : response.agents()) {
    if (!agent.revoked() && agent.hostname() == text) named.push_back(agent.id());
  }
  if (named.size() == 1) return named.front();
  if (named.size() > 1) {
    return absl::InvalidArgumentError(fmt::format(
        "{} agents have the host name {}: name one by its id", named.size(), CleanText(text)));
  }
  return ResolveId(text, "agent", [&]() -> absl::StatusOr<std::vector<std::string>> {
    return IdsOf(response.agents(), [](const auto& agent) { return agent.id(); });
  });
}

absl::StatusOr<std::string> ResolveSnapshot(Connection& connection, std::string_view text) {
  return ResolveId(text, "snapshot", [&]() -> absl::StatusOr<std::vector<std::string>> {
    MOORING_ASSIGN_OR_RETURN(
        const auto response,
        connection.Call(&v1::FleetService::Stub::ListSnapshots, v1::ListSnapshotsRequest()));
    return IdsOf(response.snapshots(), [](const auto& snapshot) { return snapshot.id(); });
  });
}

absl::StatusOr<std::string> ResolveRequest(Connection& connection, std::string_view text) {
  return ResolveId(text, "request", [&]() -> absl::StatusOr<std::vector<std::string>> {
    MOORING_ASSIGN_OR_RETURN(
        const auto response,
        connection.Call(&v1::AccessService::Stub::ListRequests, v1::ListRequestsRequest()));
    return IdsOf(response.requests(), [](const auto& request) { return request.id(); });
  });
}

absl::StatusOr<std::string> ResolveRestore(Connection& connection, std::string_view text) {
  return ResolveId(text, "restore", [&]() -> absl::StatusOr<std::vector<std::string>> {
    MOORING_ASSIGN_OR_RETURN(
        const auto response,
        connection.Call(&v1::AccessService::Stub::ListRestores, v1::ListRestoresRequest()));
    return IdsOf(response.restores(), [](const auto& restore) { return restore.id(); });
  });
}

absl::StatusOr<std::string> ResolveDevice(Connection& connection, const std::string& text) {
  if (text.size() < kIdPrefixMin || text.size() >= kIdHexLength || !IsHex(text)) return text;
  MOORING_ASSIGN_OR_RETURN(
      const auto response,
      connection.Call(&v1::FleetService::Stub::ListDevices, v1::ListDevicesRequest()));
  // A serial number may look like the beginning of an id; it goes first.
  for (const v1::Device& device : response.devices()) {
    if (absl::EqualsIgnoreCase(device.serial(), text)) return text;
  }
  MOORING_ASSIGN_OR_RETURN(
      const std::string id,
      ResolveId(text, "device", [&]() -> absl::StatusOr<std::vector<std::string>> {
        return IdsOf(response.devices(), [](const auto& device) { return device.id(); });
      }));
  return ToHex(AsBytes(id));
}

}  // namespace mooring::admin
