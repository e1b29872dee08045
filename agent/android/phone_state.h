// The states in which a phone can be here and yet not be backed up, each with
// the words for its owner.

#pragma once

#include <string>

#include <absl/status/status.h>

#include "agent/android/adb_list.h"
#include "mooring/v1/common.pb.h"

namespace mooring::agent {

enum class PhoneState {
  kUsable,
  kUnauthorized,
  kAuthorizing,
  kOffline,
  kNoPermissions,
  kNotStarted,  // Recovery, sideload, bootloader, rescue.
  // On USB, but adb does not list it: USB debugging is off, or the company's
  // device management forbids it; the phone does not tell which.
  kDebuggingOff,
  // It offers adb, and this computer has no adb.
  kNoAdb,
};

PhoneState PhoneStateOf(AdbState state);

struct StateWords {
  v1::WaitingFor waiting_for = v1::WAITING_FOR_UNSPECIFIED;
  v1::Cause cause = v1::CAUSE_UNSPECIFIED;
  std::string message;    // What is, one sentence without a full stop.
  std::string next_step;  // What its owner (or the administrator) does.
};

// Of every state but kUsable.
StateWords WordsOf(PhoneState state);

// The failure of a session that needs a usable phone.
absl::Status UnusableFailure(PhoneState state);

}  // namespace mooring::agent
