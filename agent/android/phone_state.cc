#include "agent/android/phone_state.h"

#include <fmt/format.h>

#include "agent/device/cause.h"

namespace mooring::agent {

PhoneState PhoneStateOf(AdbState state) {
  switch (state) {
    case AdbState::kDevice:
      return PhoneState::kUsable;
    case AdbState::kUnauthorized:
      return PhoneState::kUnauthorized;
    case AdbState::kAuthorizing:
      return PhoneState::kAuthorizing;
    case AdbState::kNoPermissions:
      return PhoneState::kNoPermissions;
    case AdbState::kRecovery:
    case AdbState::kSideload:
    case AdbState::kBootloader:
    case AdbState::kRescue:
      return PhoneState::kNotStarted;
    case AdbState::kOffline:
    case AdbState::kConnecting:
    case AdbState::kOther:
      return PhoneState::kOffline;
  }
  return PhoneState::kOffline;
}

StateWords WordsOf(PhoneState state) {
  switch (state) {
    case PhoneState::kUnauthorized:
      return {v1::WAITING_FOR_TRUST, v1::CAUSE_TRUST_PENDING,
              "The phone asks whether to allow USB debugging from this computer",
              "Unlock the phone, tick Always allow from this computer, and tap Allow; if it does "
              "not ask, unplug it and plug it in again"};
    case PhoneState::kAuthorizing:
      return {
          v1::WAITING_FOR_TRUST, v1::CAUSE_TRUST_PENDING,
          "The phone is checking whether it allows this computer",
          "Unlock the phone; if nothing happens within a minute, unplug it and plug it in again"};
    case PhoneState::kNoPermissions:
      return {v1::WAITING_FOR_USB_RIGHTS, v1::CAUSE_NO_USB_RIGHTS,
              "This computer may not open the phone's USB device",
              "The computer's administrator installs the udev rules (on Debian: apt-get install "
              "android-sdk-platform-tools-common), then unplug the phone and plug it in again"};
    case PhoneState::kNoAdb:
      return {v1::WAITING_FOR_USB_RIGHTS, v1::CAUSE_NO_USB_RIGHTS,
              "This computer cannot talk to Android phones: no adb server runs here",
              "The computer's administrator installs adb (on Debian: apt-get install adb); "
              "mooring-agent doctor says more"};
    case PhoneState::kNotStarted:
      return {v1::WAITING_FOR_PHONE_START, v1::CAUSE_PHONE_NOT_STARTED,
              "The phone is in recovery or bootloader mode",
              "Restart the phone (hold its power button) and wait for its home screen"};
    case PhoneState::kDebuggingOff:
      return {v1::WAITING_FOR_USB_DEBUGGING, v1::CAUSE_USB_DEBUGGING_OFF,
              "USB debugging is off on this phone, so nothing can be backed up",
              "Settings > About phone: tap Build number seven times; then Settings > System > "
              "Developer options: switch USB debugging on. If that cannot be switched on, your "
              "company's device management forbids it: tell the helpdesk, it is not your doing"};
    case PhoneState::kUsable:
    case PhoneState::kOffline:
      break;
  }
  return {v1::WAITING_FOR_REPLUG, v1::CAUSE_PHONE_OFFLINE,
          "The phone is plugged in but does not answer",
          "Unplug the phone, unlock it, and plug it in again; try another cable if that does not "
          "help"};
}

absl::Status UnusableFailure(PhoneState state) {
  const StateWords words = WordsOf(state);
  return Failure(absl::StatusCode::kFailedPrecondition, words.cause, words.message,
                 words.next_step);
}

}  // namespace mooring::agent
