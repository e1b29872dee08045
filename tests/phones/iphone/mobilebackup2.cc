// com.apple.mobilebackup2: greets the host, takes its requests and answers each.

#include <set>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/iphone/backup_run.h"
#include "tests/phones/iphone/device_link.h"
#include "tests/phones/iphone/restore_run.h"
#include "tests/phones/iphone/services.h"

namespace mooring::testing {
namespace {

constexpr absl::Duration kGoodbyeWait = absl::Seconds(5);

std::string TextOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

class MobileBackup2Conversation {
 public:
  MobileBackup2Conversation(Phone& phone, Channel& channel)
      : phone_(phone), channel_(channel), link_(phone, channel) {}

  absl::Status Run();

 private:
  absl::Status Hello();
  absl::Status Answer(const Plist& request);
  absl::Status Backup(const Plist& request);
  absl::Status Restore(const Plist& request);
  absl::Status ChangePassword(const Plist& request);
  // Records the operation, and tells the host unless the connection is beyond use.
  absl::Status Conclude(OperationRecord record, absl::Status status);
  void CheckTarget(const Plist& request);

  Phone& phone_;
  Channel& channel_;
  DeviceLink link_;
  bool wants_reboot_ = false;
};

absl::Status MobileBackup2Conversation::Run() {
  MOORING_RETURN_IF_ERROR(link_.Handshake());
  MOORING_RETURN_IF_ERROR(Hello());
  absl::Status status;
  while (status.ok()) {
    if (wants_reboot_ && !channel_.HasInput(kGoodbyeWait)) break;
    channel_.set_read_timeout(absl::InfiniteDuration());
    absl::StatusOr<Plist> request = link_.ReceiveRequest();
    status = request.ok() ? Answer(*request) : request.status();
  }
  if (wants_reboot_) {
    phone_.Unplug(static_cast<std::uint64_t>(
        std::max<std::int64_t>(1, absl::ToInt64Milliseconds(phone_.options().reboot_time))));
  }
  return absl::IsNotFound(status) ? absl::OkStatus() : status;
}

absl::Status MobileBackup2Conversation::Hello() {
  MOORING_ASSIGN_OR_RETURN(const Plist request, link_.ReceiveRequest());
  if (request.StringOr("MessageName", "") != "Hello" ||
      request.Find("SupportedProtocolVersions").array_size() == 0) {
    return absl::InvalidArgumentError("the first request is not Hello");
  }
  return link_.Respond(0, "", Plist::Dict().Set("ProtocolVersion", Plist::Real(2.1)));
}

void MobileBackup2Conversation::CheckTarget(const Plist& request) {
  if (request.StringOr("TargetIdentifier", "") != phone_.identity().udid) {
    phone_.Violation("mobilebackup2: TargetIdentifier is not this phone");
  }
}

absl::Status MobileBackup2Conversation::Answer(const Plist& request) {
  const std::string name = request.StringOr("MessageName", "");
  if (name == "Backup") return Backup(request);
  if (name == "Restore") return Restore(request);
  if (name == "ChangePassword") return ChangePassword(request);
  if (name == "EnableCloudBackup") return link_.Respond(0, "", Plist());
  if (name == "Info" || name == "List" || name == "Unback" || name == "Extract" ||
      name == "EraseDevice") {
    return link_.Respond(1, fmt::format("{} is not supported (MBErrorDomain/1)", name), Plist());
  }
  phone_.Violation(fmt::format("mobilebackup2: unknown request {}", name));
  return link_.Respond(1, "Unknown request (MBErrorDomain/1)", Plist());
}

absl::Status MobileBackup2Conversation::Conclude(OperationRecord record, absl::Status status) {
  phone_.set_current_step("");
  if (const auto planned = phone_.faults().TakeAtStep(FaultKind::kFinalError, "");
      planned && status.ok()) {
    status =
        MbError(planned->code, fmt::format("Simulated error (MBErrorDomain/{})", planned->code));
  }
  const std::optional<int> code = MbErrorCode(status);
  record.error_code = code.value_or(0);
  record.is_finished = status.ok() || code.has_value();
  phone_.Record(record);
  if (!record.is_finished) return status;
  return link_.Respond(record.error_code, status.ok() ? "" : TextOf(status), Plist());
}

absl::Status MobileBackup2Conversation::Backup(const Plist& request) {
  CheckTarget(request);
  BackupRun run(link_, phone_.identity().udid,
                request.Find("Options").BooleanOr("ForceFullBackup", false));
  absl::Status status = run.Run();
  return Conclude(run.record(), std::move(status));
}

absl::Status MobileBackup2Conversation::Restore(const Plist& request) {
  CheckTarget(request);
  const PlistView wishes = request.Find("Options");
  RestoreOptions options;
  options.source = request.StringOr("SourceIdentifier", phone_.identity().udid);
  options.password = wishes.StringOr("Password", "");
  options.restores_system_files = wishes.BooleanOr("RestoreSystemFiles", false);
  options.removes_others = wishes.BooleanOr("RemoveItemsNotRestored", false);
  options.reboots = wishes.BooleanOr("RestoreShouldReboot", false);
  RestoreRun run(link_, options);
  absl::Status status = run.Run();
  wants_reboot_ = status.ok() && options.reboots;
  return Conclude(run.record(), std::move(status));
}

absl::Status MobileBackup2Conversation::ChangePassword(const Plist& request) {
  CheckTarget(request);
  OperationRecord record;
  record.operation = "change-password";
  absl::Status status;
  if (!phone_.AwaitPasscode()) {
    status = MbError(208, "Device locked (MBErrorDomain/208)");
  } else if (!phone_
                  .ChangePassword(request.StringOr("OldPassword", ""),
                                  request.StringOr("NewPassword", ""))
                  .ok()) {
    status = MbError(207, "Invalid password (MBErrorDomain/207)");
  }
  return Conclude(std::move(record), std::move(status));
}

}  // namespace

absl::Status ServeMobileBackup2(Phone& phone, Channel& channel) {
  return MobileBackup2Conversation(phone, channel).Run();
}

}  // namespace mooring::testing
