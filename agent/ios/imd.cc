#include "agent/ios/imd.h"

#include <algorithm>
#include <array>
#include <string>

#include <fmt/format.h>

#include "agent/device/cause.h"

namespace mooring::agent {
namespace {

using absl::StatusCode;

struct Row {
  int error;
  StatusCode code;
  v1::Cause cause;
  const char* says;
  const char* next_step;
};

constexpr const char* kCheckCable = "Check the cable and plug the iPhone in again";
constexpr const char* kUnlock = "Unlock the iPhone";
constexpr const char* kTapTrust = "Unlock the iPhone, tap Trust and enter its passcode";
constexpr const char* kReplugTrust = "Unplug the iPhone, plug it in again, tap Trust";
constexpr const char* kAskAdmin = "Ask the administrator of the device management";

constexpr std::array kDeviceRows = {
    Row{IDEVICE_E_NO_DEVICE, StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED,
        "the iPhone is not connected", "Plug the iPhone in"},
    Row{IDEVICE_E_NOT_ENOUGH_DATA, StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED,
        "the connection ended", kCheckCable},
    Row{IDEVICE_E_TIMEOUT, StatusCode::kUnavailable, v1::CAUSE_PHONE_STALLED,
        "the iPhone did not answer in time", kUnlock},
    Row{IDEVICE_E_SSL_ERROR, StatusCode::kUnauthenticated, v1::CAUSE_TRUST_PENDING,
        "the iPhone no longer trusts this computer: pair again", kReplugTrust},
};

constexpr std::array kLockdownRows = {
    Row{LOCKDOWN_E_PASSWORD_PROTECTED, StatusCode::kFailedPrecondition, v1::CAUSE_LOCKED,
        "the iPhone is locked", kUnlock},
    Row{LOCKDOWN_E_ESCROW_LOCKED, StatusCode::kFailedPrecondition, v1::CAUSE_LOCKED,
        "the iPhone has not been unlocked since it was started", kUnlock},
    Row{LOCKDOWN_E_PAIRING_DIALOG_RESPONSE_PENDING, StatusCode::kFailedPrecondition,
        v1::CAUSE_TRUST_PENDING, "the iPhone asks whether to trust this computer", kTapTrust},
    Row{LOCKDOWN_E_USER_DENIED_PAIRING, StatusCode::kPermissionDenied, v1::CAUSE_TRUST_REFUSED,
        "trust was refused on the iPhone", kReplugTrust},
    Row{LOCKDOWN_E_INVALID_HOST_ID, StatusCode::kUnauthenticated, v1::CAUSE_TRUST_PENDING,
        "the iPhone no longer trusts this computer: pair again", kTapTrust},
    Row{LOCKDOWN_E_INVALID_PAIR_RECORD, StatusCode::kUnauthenticated, v1::CAUSE_TRUST_PENDING,
        "the pairing is not valid any more: pair again", kTapTrust},
    Row{LOCKDOWN_E_MISSING_PAIR_RECORD, StatusCode::kUnauthenticated, v1::CAUSE_TRUST_PENDING,
        "this computer is not paired with the iPhone", kTapTrust},
    Row{LOCKDOWN_E_INVALID_CONF, StatusCode::kUnauthenticated, v1::CAUSE_TRUST_PENDING,
        "the pairing kept on this computer is not readable: pair again", kReplugTrust},
    Row{LOCKDOWN_E_PAIRING_FAILED, StatusCode::kUnauthenticated, v1::CAUSE_TRUST_PENDING,
        "pairing failed", kReplugTrust},
    Row{LOCKDOWN_E_SAVE_PAIR_RECORD_FAILED, StatusCode::kFailedPrecondition,
        v1::CAUSE_TRUST_PENDING, "the pairing could not be saved on this computer",
        "Make /var/lib/lockdown writable for the user that usbmuxd runs as"},
    Row{LOCKDOWN_E_SSL_ERROR, StatusCode::kUnauthenticated, v1::CAUSE_TRUST_PENDING,
        "the secure connection failed: pair again", kReplugTrust},
    Row{LOCKDOWN_E_MC_PROTECTED, StatusCode::kPermissionDenied, v1::CAUSE_POLICY_REFUSED,
        "the iPhone is supervised and does not accept this computer", kAskAdmin},
    Row{LOCKDOWN_E_MC_CHALLENGE_REQUIRED, StatusCode::kPermissionDenied, v1::CAUSE_POLICY_REFUSED,
        "the iPhone is supervised and asks for its supervision identity", kAskAdmin},
    Row{LOCKDOWN_E_PAIRING_PROHIBITED_OVER_THIS_CONNECTION, StatusCode::kPermissionDenied,
        v1::CAUSE_POLICY_REFUSED, "the iPhone does not pair over this connection",
        "Connect the iPhone with a cable"},
    Row{LOCKDOWN_E_SERVICE_PROHIBITED, StatusCode::kPermissionDenied, v1::CAUSE_POLICY_REFUSED,
        "the iPhone's management forbids the service", kAskAdmin},
    Row{LOCKDOWN_E_FMIP_PROTECTED, StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR,
        "Find My is on", "Turn off Find My iPhone"},
    Row{LOCKDOWN_E_SERVICE_LIMIT, StatusCode::kUnavailable, v1::CAUSE_PHONE_ERROR,
        "too many connections to the iPhone are open", "Unplug the iPhone and plug it in again"},
    Row{LOCKDOWN_E_INVALID_SERVICE, StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR,
        "the iPhone does not offer the service", "Restart the iPhone"},
    Row{LOCKDOWN_E_MUX_ERROR, StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED, "the connection ended",
        kCheckCable},
    Row{LOCKDOWN_E_RECEIVE_TIMEOUT, StatusCode::kUnavailable, v1::CAUSE_PHONE_STALLED,
        "the iPhone did not answer in time", kUnlock},
    Row{LOCKDOWN_E_PLIST_ERROR, StatusCode::kUnavailable, v1::CAUSE_PROTOCOL_ERROR,
        "the iPhone's answer is not readable", "Restart the iPhone"},
};

constexpr std::array kAfcRows = {
    Row{AFC_E_OBJECT_NOT_FOUND, StatusCode::kNotFound, v1::CAUSE_PHONE_ERROR, "no such file", ""},
    Row{AFC_E_OBJECT_IS_DIR, StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR, "a directory",
        ""},
    Row{AFC_E_PERM_DENIED, StatusCode::kPermissionDenied, v1::CAUSE_PHONE_ERROR,
        "the iPhone refused access", kUnlock},
    Row{AFC_E_OP_WOULD_BLOCK, StatusCode::kAborted, v1::CAUSE_PHONE_ERROR,
        "the file is locked by another program", "Close other programs that sync the iPhone"},
    Row{AFC_E_NO_SPACE_LEFT, StatusCode::kResourceExhausted, v1::CAUSE_PHONE_FULL,
        "the iPhone is full", "Free some space on the iPhone"},
    Row{AFC_E_MUX_ERROR, StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED, "the connection ended",
        kCheckCable},
    Row{AFC_E_NOT_ENOUGH_DATA, StatusCode::kUnavailable, v1::CAUSE_UNPLUGGED,
        "the connection ended", kCheckCable},
    Row{AFC_E_OP_TIMEOUT, StatusCode::kUnavailable, v1::CAUSE_PHONE_STALLED,
        "the iPhone did not answer in time", kUnlock},
    Row{AFC_E_IO_ERROR, StatusCode::kUnavailable, v1::CAUSE_PHONE_ERROR,
        "the iPhone could not read the file", "Restart the iPhone"},
};

template <std::size_t kRows>
absl::Status Translate(const std::array<Row, kRows>& rows, int error, std::string_view library,
                       std::string_view doing) {
  const auto row = std::find_if(rows.begin(), rows.end(),
                                [error](const Row& candidate) { return candidate.error == error; });
  if (row != rows.end()) {
    return Failure(row->code, row->cause, fmt::format("{}: {}", doing, row->says), row->next_step);
  }
  return Failure(StatusCode::kInternal, v1::CAUSE_PHONE_ERROR,
                 fmt::format("{}: {} error {}", doing, library, error),
                 "Unplug the iPhone and plug it in again");
}

}  // namespace

absl::Status DeviceStatus(idevice_error_t error, std::string_view doing) {
  if (error == IDEVICE_E_SUCCESS) return absl::OkStatus();
  return Translate(kDeviceRows, error, "device", doing);
}

absl::Status LockdownStatus(lockdownd_error_t error, std::string_view doing) {
  if (error == LOCKDOWN_E_SUCCESS) return absl::OkStatus();
  return Translate(kLockdownRows, error, "lockdown", doing);
}

absl::Status AfcStatus(afc_error_t error, std::string_view doing) {
  if (error == AFC_E_SUCCESS) return absl::OkStatus();
  return Translate(kAfcRows, error, "AFC", doing);
}

}  // namespace mooring::agent
