#include "tests/phones/iphone/services.h"

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/iphone/tls.h"

namespace mooring::testing {
namespace {

using Serve = absl::Status (*)(Phone& phone, Channel& channel);

constexpr std::array<std::pair<std::string_view, Serve>, 7> kServices = {{
    {"com.apple.mobilebackup2", ServeMobileBackup2},
    {"com.apple.afc", ServeAfc},
    {"com.apple.mobile.notification_proxy", ServeNotificationProxy},
    {"com.apple.mobile.insecure_notification_proxy", ServeNotificationProxy},
    {"com.apple.mobile.installation_proxy", ServeInstallationProxy},
    {"com.apple.springboardservices", ServeSpringBoard},
    {"com.apple.mobile.diagnostics_relay", ServeDiagnosticsRelay},
}};

absl::Status BeginTls(Phone& phone, const std::string& host_id, Channel& channel) {
  const std::optional<HostTrust> trust = phone.FindHost(host_id);
  if (!trust) return absl::UnauthenticatedError("the pairing is gone");
  MOORING_ASSIGN_OR_RETURN(const PhoneKey key, phone.Key());
  MOORING_ASSIGN_OR_RETURN(const TlsEndpoint endpoint, TlsEndpoint::Make(key, *trust));
  return channel.StartTls(endpoint);
}

}  // namespace

bool IsKnownService(std::string_view name) {
  for (const auto& [known, serve] : kServices) {
    if (known == name) return true;
  }
  return false;
}

void ServeService(Phone& phone, const Phone::PendingService& service, Channel& channel) {
  const std::stop_token attachment = phone.attachment();
  absl::Status status;
  if (!service.host_id.empty()) status = BeginTls(phone, service.host_id, channel);
  for (const auto& [name, serve] : kServices) {
    if (status.ok() && name == service.name) {
      status = serve(phone, channel);
      break;
    }
  }
  const bool is_host_fault =
      !status.ok() && !absl::IsUnavailable(status) && !absl::IsAborted(status);
  if (is_host_fault && !attachment.stop_requested()) {
    phone.Violation(
        fmt::format("{}: {}", service.name,
                    std::string_view(status.message().data(), status.message().size())));
  }
}

}  // namespace mooring::testing
