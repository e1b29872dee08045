#include "agent/ios/plist_channel.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "agent/ios/phone_failure.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

}  // namespace

absl::Status PlistChannel::SendBinary(const OpContext& ctx, const Plist& plist) {
  return Send(ctx, plist.ToBinary());
}

absl::Status PlistChannel::SendXml(const OpContext& ctx, const Plist& plist) {
  return Send(ctx, plist.ToXml());
}

absl::Status PlistChannel::Send(const OpContext& ctx, const Bytes& body) {
  Bytes frame;
  frame.reserve(body.size() + 4);
  AppendBe32(frame, static_cast<std::uint32_t>(body.size()));
  Append(frame, body);
  return stream_.Write(ctx, frame);
}

absl::StatusOr<Plist> PlistChannel::Receive(const OpContext& ctx) {
  std::array<std::byte, 4> header{};
  MOORING_RETURN_IF_ERROR(stream_.Read(ctx, header));
  const std::uint32_t length = LoadBe32(header, 0);
  if (length == 0 || length > limits_.bytes_max) {
    return ProtocolError(fmt::format("a message of {} bytes", length));
  }
  // Grows with what arrives: an announced length alone costs nothing.
  Bytes body;
  while (body.size() < length) {
    const std::size_t have = body.size();
    body.resize(have + std::min<std::size_t>(length - have, kPieceBytes));
    MOORING_RETURN_IF_ERROR(stream_.Read(ctx, std::span(body).subspan(have)));
  }
  absl::StatusOr<Plist> plist = Plist::Parse(body, limits_);
  if (!plist.ok()) return ProtocolError(ToStdView(plist.status().message()));
  return plist;
}

}  // namespace mooring::agent
