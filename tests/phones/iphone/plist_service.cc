#include "tests/phones/iphone/plist_service.h"

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

constexpr std::uint32_t kMessageBytesMax = 64 << 20;

absl::Status SendBytes(Channel& channel, const std::string& bytes) {
  MOORING_RETURN_IF_ERROR(channel.WriteBe32(static_cast<std::uint32_t>(bytes.size())));
  MOORING_RETURN_IF_ERROR(channel.Write(bytes));
  return channel.Flush();
}

}  // namespace

absl::StatusOr<Plist> ReceivePlist(Channel& channel) {
  MOORING_ASSIGN_OR_RETURN(const std::uint32_t length, channel.ReadBe32());
  if (length == 0 || length > kMessageBytesMax) {
    return absl::InvalidArgumentError(fmt::format("message of {} bytes", length));
  }
  MOORING_ASSIGN_OR_RETURN(const std::string bytes, channel.ReadString(length));
  return Plist::Parse(bytes);
}

absl::Status SendXmlPlist(Channel& channel, const Plist& plist) {
  return SendBytes(channel, plist.Xml());
}

absl::Status SendBinaryPlist(Channel& channel, const Plist& plist) {
  return SendBytes(channel, plist.Binary());
}

}  // namespace mooring::testing
