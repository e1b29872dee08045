#include "agent/ios/notifications.h"

#include <utility>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr const char* kService = "com.apple.mobile.notification_proxy";
// A proxy that stops in the middle of a message must not hold up the backup.
constexpr absl::Duration kSilenceMax = absl::Seconds(10);

Plist Command(const char* command, const char* name) {
  Plist plist = Plist::Dict();
  plist.Set("Command", Plist::String(command)).Set("Name", Plist::String(name));
  return plist;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Notifications>> Notifications::Start(const OpContext& ctx,
                                                                    Clock& clock,
                                                                    Lockdown& lockdown) {
  MOORING_ASSIGN_OR_RETURN(
      PhoneService service,
      lockdown.Start(ctx, clock, kService, Lockdown::Escrow::kWithout, kSilenceMax));
  std::unique_ptr<Notifications> started(new Notifications(std::move(service)));
  for (const char* name : {kSyncCancelRequest, kPasscodeSheetShown, kPasscodeSheetGone}) {
    MOORING_RETURN_IF_ERROR(started->Observe(ctx, name));
  }
  return started;
}

absl::Status Notifications::Observe(const OpContext& ctx, const char* name) {
  return channel_.SendXml(ctx, Command("ObserveNotification", name));
}

absl::Status Notifications::Post(const OpContext& ctx, const char* name) {
  return channel_.SendXml(ctx, Command("PostNotification", name));
}

absl::StatusOr<std::string> Notifications::Next(const OpContext& ctx) {
  if (!service_.stream->HasInput()) return std::string();
  MOORING_ASSIGN_OR_RETURN(const Plist message, channel_.Receive(ctx));
  if (message.view().Text("Command") != "RelayNotification") return std::string();
  return message.view().Text("Name");
}

}  // namespace mooring::agent
