// MmsCapture: what of MMS is not a list: attachments and addresses, each message's
// and part's in a file of its own. Neither ever changes, so only what is new is
// asked for.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/android/content_reader.h"
#include "agent/android/storage_capture.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

inline constexpr std::string_view kMmsPartsRoot = "records/mms";
inline constexpr std::string_view kMmsAddressesRoot = "records/mms-addresses";
inline constexpr std::string_view kMmsAddressesFormat = "mooring.android.mms-addresses/1";

// Thread-bound.
class MmsCapture {
 public:
  explicit MmsCapture(const CaptureParts& parts) : parts_(parts), reader_(parts.line) {}

  // Errors as ContentReader::Read has them, or the snapshot's.
  absl::Status Parts(const OpContext& ctx);
  absl::Status Addresses(const OpContext& ctx);

 private:
  absl::StatusOr<std::vector<std::string>> Ids(const OpContext& ctx, const std::string& uri,
                                               bool with_text);
  // Removes what `root` has of ids that are gone; returns those that it lacks.
  absl::StatusOr<std::vector<std::string>> NewOnes(const OpContext& ctx, std::string_view root,
                                                   std::vector<std::string> ids);
  absl::StatusOr<std::string> AddressesOf(const OpContext& ctx, const std::string& id);
  absl::Status Put(const OpContext& ctx, const std::string& path, std::string_view content);

  const CaptureParts parts_;
  ContentReader reader_;
};

}  // namespace mooring::agent
