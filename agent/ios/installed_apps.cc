#include "agent/ios/installed_apps.h"

#include <utility>

#include "agent/ios/phone_failure.h"
#include "agent/ios/plist_channel.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr const char* kService = "com.apple.mobile.installation_proxy";
constexpr absl::Duration kSilenceMax = absl::Seconds(60);
// Far above any phone's; a proxy that never says Complete is cut off.
constexpr int kMessagesMax = 10'000;
constexpr std::uint32_t kAppsMax = 20'000;
// Metadata of one app is a few kilobytes.
constexpr PlistLimits kLimits = {.bytes_max = std::uint64_t{32} << 20};

Plist BrowseRequest() {
  Plist attributes = Plist::Array();
  for (const char* name : {"CFBundleIdentifier", "ApplicationSINF", "iTunesMetadata"}) {
    attributes.Add(Plist::String(name));
  }
  Plist options = Plist::Dict();
  options.Set("ApplicationType", Plist::String("User"))
      .Set("ReturnAttributes", std::move(attributes));
  Plist request = Plist::Dict();
  request.Set("Command", Plist::String("Browse")).Set("ClientOptions", std::move(options));
  return request;
}

absl::Status AddApp(PlistView app, InstalledApps& apps) {
  const std::optional<std::string> bundle_id = app.Get("CFBundleIdentifier").text();
  if (!bundle_id || bundle_id->empty()) return absl::OkStatus();
  if (apps.bundle_ids.view().size() >= kAppsMax) return ProtocolError("too many apps");
  apps.bundle_ids.Add(Plist::String(*bundle_id));
  const PlistView sinf = app.Get("ApplicationSINF");
  const PlistView metadata = app.Get("iTunesMetadata");
  if (!sinf.exists() || !metadata.exists()) return absl::OkStatus();
  Plist application = Plist::Dict();
  application.Set("ApplicationSINF", Plist::CopyOf(sinf))
      .Set("iTunesMetadata", Plist::CopyOf(metadata));
  apps.applications.Set(bundle_id->c_str(), std::move(application));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InstalledApps> ReadInstalledApps(const OpContext& ctx, Clock& clock,
                                                Lockdown& lockdown) {
  MOORING_ASSIGN_OR_RETURN(
      const PhoneService service,
      lockdown.Start(ctx, clock, kService, Lockdown::Escrow::kWithout, kSilenceMax));
  PlistChannel channel(*service.stream, kLimits);
  MOORING_RETURN_IF_ERROR(channel.SendXml(ctx, BrowseRequest()));
  InstalledApps apps{Plist::Array(), Plist::Dict()};
  for (int message = 0; message < kMessagesMax; ++message) {
    MOORING_ASSIGN_OR_RETURN(const Plist answer, channel.Receive(ctx));
    if (answer.view().Get("Error").exists()) return ProtocolError("no list of apps");
    MOORING_RETURN_IF_ERROR(answer.view().Get("CurrentList").ForEachItem([&](PlistView app) {
      return AddApp(app, apps);
    }));
    if (answer.view().Text("Status") == "Complete") return apps;
  }
  return ProtocolError("a list of apps without end");
}

}  // namespace mooring::agent
