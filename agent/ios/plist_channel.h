// PlistChannel: property lists over a phone's stream, each behind a 32-bit
// big-endian length. DeviceLink, the installation proxy and the notification
// proxy all speak so.

#pragma once

#include <cstdint>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/ios/phone_stream.h"
#include "agent/ios/plist.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Thread-bound. `stream` must outlive it. A frame over `limits.bytes_max` is
// refused before any memory is taken for it.
class PlistChannel {
 public:
  PlistChannel(PhoneStream& stream, const PlistLimits& limits) : stream_(stream), limits_(limits) {}

  absl::Status SendBinary(const OpContext& ctx, const Plist& plist);
  absl::Status SendXml(const OpContext& ctx, const Plist& plist);
  // kInvalidArgument (CAUSE_PROTOCOL_ERROR): the frame is oversized or the guard refuses it.
  absl::StatusOr<Plist> Receive(const OpContext& ctx);

  PhoneStream& stream() { return stream_; }

 private:
  absl::Status Send(const OpContext& ctx, const Bytes& body);

  PhoneStream& stream_;
  const PlistLimits limits_;
};

}  // namespace mooring::agent
