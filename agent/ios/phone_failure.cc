#include "agent/ios/phone_failure.h"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "agent/device/cause.h"

namespace mooring::agent {
namespace {

using absl::StatusCode;

struct Row {
  std::int64_t phone_code;
  StatusCode code;
  v1::Cause cause;
  const char* says;
  const char* next_step;
};

// Codes of MBErrorDomain as hosts have reported them; Apple documents none.
constexpr std::array kRows = {
    Row{1, StatusCode::kUnavailable, v1::CAUSE_PHONE_ERROR,
        "the iPhone reported an error of its own, often a locked keychain",
        "Unlock the iPhone and try again"},
    Row{102, StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR,
        "the iPhone still finishes an earlier restore", "Restart the iPhone"},
    Row{103, StatusCode::kDataLoss, v1::CAUSE_VERIFICATION_FAILED,
        "the iPhone could not read the backup's lists",
        "Try again; restart the iPhone if it happens twice"},
    Row{104, StatusCode::kUnavailable, v1::CAUSE_PHONE_ERROR,
        "the iPhone could not read some of its files",
        "Restart the iPhone, free half a gigabyte on it, and try again"},
    Row{202, StatusCode::kCancelled, v1::CAUSE_CANCELLED_ON_PHONE, "cancelled on the iPhone",
        "Start again when it suits"},
    Row{205, StatusCode::kDataLoss, v1::CAUSE_VERIFICATION_FAILED,
        "the iPhone found the backup incomplete",
        "Try again; restart the iPhone if it happens twice"},
    Row{207, StatusCode::kUnauthenticated, v1::CAUSE_WRONG_BACKUP_PASSWORD,
        "the backup password is not the one that is set on the iPhone",
        "Give the password that the iPhone's backups are encrypted with"},
    Row{208, StatusCode::kFailedPrecondition, v1::CAUSE_PASSCODE_NOT_ENTERED,
        "the passcode was not entered on the iPhone",
        "Enter the passcode on the iPhone to start the backup"},
    Row{211, StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR, "Find My is still on",
        "Turn off Find My iPhone"},
    Row{212, StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR,
        "the iPhone's setup is not finished", "Finish the setup on the iPhone first"},
};

// The numbers of at least `digits` digits in `text`, for example "1024 and 4096".
std::string LargeNumbers(const std::string& text, std::size_t digits) {
  std::string found;
  std::size_t at = 0;
  while (at < text.size() && found.size() < 80) {
    std::size_t end = at;
    while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
    if (end - at >= digits && end - at <= 20) {
      found += (found.empty() ? "" : " and ") + text.substr(at, end - at);
    }
    at = std::max(end, at + 1);
  }
  return found;
}

absl::Status SpaceFailure(PhoneTask task, const std::string& description) {
  const std::string numbers = LargeNumbers(description, 4);
  const std::string bytes = numbers.empty() ? "" : fmt::format(" ({} bytes)", numbers);
  if (task == PhoneTask::kRestore) {
    return Failure(StatusCode::kResourceExhausted, v1::CAUSE_PHONE_FULL,
                   fmt::format("the iPhone has too little space for the restore{}", bytes),
                   "Free space on the iPhone, or restore to one with more storage");
  }
  return Failure(StatusCode::kResourceExhausted, v1::CAUSE_SERVER_FULL,
                 fmt::format("the iPhone expects its backup to be larger than allowed{}", bytes),
                 "Ask the administrator for more room for this phone");
}

}  // namespace

absl::Status ProtocolError(std::string_view what) {
  return Failure(StatusCode::kInvalidArgument, v1::CAUSE_PROTOCOL_ERROR,
                 fmt::format("the iPhone sent something that is not allowed: {}", what),
                 "Restart the iPhone and try again; tell the administrator if it happens again");
}

absl::Status PhoneResponseFailure(PhoneTask task, std::int64_t code,
                                  const std::string& description) {
  if (code == 105) return SpaceFailure(task, description);
  const auto row = std::find_if(kRows.begin(), kRows.end(),
                                [code](const Row& known) { return known.phone_code == code; });
  if (row == kRows.end()) {
    return Failure(StatusCode::kUnavailable, v1::CAUSE_PHONE_ERROR,
                   fmt::format("the iPhone ended with its error {}", code),
                   "Restart the iPhone and try again");
  }
  return Failure(row->code, row->cause, fmt::format("{} (its error {})", row->says, code),
                 row->next_step);
}

}  // namespace mooring::agent
