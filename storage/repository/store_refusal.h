// What an object store's refusal of the server's own credentials is to whoever asked
// the repository: an agent has done nothing wrong and may go on once they are renewed.

#pragma once

#include <string>

#include <absl/status/status.h>

namespace mooring::storage {

// kPermissionDenied of an object store as kUnavailable; all else as it is.
inline absl::Status ForCaller(absl::Status status) {
  if (!absl::IsPermissionDenied(status)) return status;
  std::string message = "the object store refuses the server: ";
  message.append(status.message().data(), status.message().size());
  return absl::UnavailableError(message);
}

}  // namespace mooring::storage
