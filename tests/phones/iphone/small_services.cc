// The three services of which a backup needs a few answers: installation_proxy,
// springboardservices and diagnostics_relay.

#include <array>
#include <string_view>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/iphone/plist_service.h"
#include "tests/phones/iphone/services.h"

namespace mooring::testing {
namespace {

constexpr std::array<std::string_view, 3> kApps = {"com.example.chat", "com.example.mail",
                                                   "com.example.office"};

// A PNG of one pixel.
constexpr std::string_view kIcon{
    "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f"
    "\x15\xc4\x89\x00\x00\x00\rIDATx\x9c"
    "c\xf8\xcf\xc0\xf0\x1f\x00\x05\x00\x01\xff\x89\x99=\x1d"
    "\x00\x00\x00\x00IEND\xae"
    "B`\x82",
    70};

Plist DescribeApp(std::string_view bundle_id) {
  return Plist::Dict()
      .Set("CFBundleIdentifier", bundle_id)
      .Set("CFBundleDisplayName", bundle_id.substr(bundle_id.rfind('.') + 1))
      .Set("CFBundleShortVersionString", "1.2.3")
      .Set("ApplicationType", "User")
      .Set("ApplicationSINF", Plist::Data(fmt::format("sinf of {}", bundle_id)))
      .Set("iTunesMetadata", Plist::Data(fmt::format("metadata of {}", bundle_id)));
}

absl::Status Browse(Channel& channel) {
  Plist list = Plist::Array();
  for (const std::string_view app : kApps) list.Add(DescribeApp(app));
  MOORING_RETURN_IF_ERROR(
      SendXmlPlist(channel, Plist::Dict()
                                .Set("Status", "BrowsingApplications")
                                .Set("CurrentIndex", Plist::Integer(0))
                                .Set("CurrentAmount", Plist::Integer(kApps.size()))
                                .Set("CurrentList", std::move(list))));
  return SendXmlPlist(channel, Plist::Dict().Set("Status", "Complete"));
}

absl::Status Lookup(Channel& channel) {
  Plist found = Plist::Dict();
  for (const std::string_view app : kApps) {
    found.Set(std::string(app).c_str(), DescribeApp(app));
  }
  return SendXmlPlist(
      channel, Plist::Dict().Set("Status", "Complete").Set("LookupResult", std::move(found)));
}

}  // namespace

absl::Status ServeInstallationProxy(Phone& phone, Channel& channel) {
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const Plist request, ReceivePlist(channel));
    const std::string command = request.StringOr("Command", "");
    if (command == "Browse") {
      MOORING_RETURN_IF_ERROR(Browse(channel));
    } else if (command == "Lookup") {
      MOORING_RETURN_IF_ERROR(Lookup(channel));
    } else {
      phone.Violation(fmt::format("installation_proxy: unknown command {}", command));
      MOORING_RETURN_IF_ERROR(SendXmlPlist(channel, Plist::Dict().Set("Error", "UnknownCommand")));
    }
  }
}

absl::Status ServeSpringBoard(Phone& phone, Channel& channel) {
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const Plist request, ReceivePlist(channel));
    const std::string command = request.StringOr("command", "");
    Plist reply = Plist::Dict();
    if (command == "getIconPNGData") {
      reply.Set("pngData", Plist::Data(kIcon));
    } else {
      phone.Violation(fmt::format("springboardservices: unknown command {}", command));
    }
    MOORING_RETURN_IF_ERROR(SendXmlPlist(channel, reply));
  }
}

absl::Status ServeDiagnosticsRelay(Phone& phone, Channel& channel) {
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const Plist request, ReceivePlist(channel));
    const std::string name = request.StringOr("Request", "");
    Plist reply = Plist::Dict();
    reply.Set("Status", "Success");
    if (name == "MobileGestalt") {
      Plist answers = Plist::Dict();
      answers.Set("Status", "Success")
          .Set("PasswordConfigured",
               Plist::Boolean(phone.options().passcode != PasscodeMode::kNone));
      reply.Set("Diagnostics", Plist::Dict().Set("MobileGestalt", std::move(answers)));
    } else if (name != "Goodbye") {
      reply = Plist::Dict().Set("Status", "UnknownRequest");
    }
    MOORING_RETURN_IF_ERROR(SendXmlPlist(channel, reply));
    if (name == "Goodbye") return absl::OkStatus();
  }
}

}  // namespace mooring::testing
