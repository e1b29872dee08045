#include "agent/android/adb_shell.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::uint8_t kStdin = 0;
constexpr std::uint8_t kStdout = 1;
constexpr std::uint8_t kStderr = 2;
constexpr std::uint8_t kExit = 3;
constexpr std::uint8_t kCloseStdin = 4;

constexpr std::size_t kHeaderBytes = 5;
// No phone sends packets near this long; a length beyond is a lie.
constexpr std::size_t kPacketBytesMax = std::size_t{64} << 20;
constexpr std::size_t kStdinPacketBytes = std::size_t{32} << 10;
constexpr std::size_t kKeptBytesMax = std::size_t{4} << 20;
// Packets without data in a row: they bring nothing, so they are not endless.
constexpr std::size_t kEmptyPacketsMax = 1000;
constexpr std::size_t kPieceBytes = std::size_t{64} << 10;

Bytes Packet(std::uint8_t id, ByteView data) {
  Bytes packet;
  packet.reserve(kHeaderBytes + data.size());
  packet.push_back(static_cast<std::byte>(id));
  AppendLe32(packet, static_cast<std::uint32_t>(data.size()));
  Append(packet, data);
  return packet;
}

}  // namespace

absl::Status ShellStream::TakeErrors(const OpContext& ctx, std::size_t length) {
  std::array<std::byte, 4096> piece{};
  while (length > 0) {
    const std::span<std::byte> into(piece.data(), std::min(length, piece.size()));
    MOORING_RETURN_IF_ERROR(stream_->Read(ctx, into));
    length -= into.size();
    const std::size_t room = kShellErrorBytesMax - exit_.errors.size();
    exit_.errors += AsText(into).substr(0, room);
  }
  return absl::OkStatus();
}

absl::Status ShellStream::TakePacket(const OpContext& ctx) {
  std::array<std::byte, kHeaderBytes> header{};
  MOORING_RETURN_IF_ERROR(stream_->Read(ctx, header));
  const auto id = static_cast<std::uint8_t>(header[0]);
  const std::size_t length = LoadLe32(header, 1);
  if (length > kPacketBytesMax) return AdbProtocolError("a packet of a command that is too long");
  empty_packets_ = length == 0 ? empty_packets_ + 1 : 0;
  if (empty_packets_ > kEmptyPacketsMax) return AdbProtocolError("endless empty packets");
  switch (id) {
    case kStdout:
      output_left_ = length;
      return absl::OkStatus();
    case kStderr:
      return TakeErrors(ctx, length);
    case kExit: {
      std::array<std::byte, 1> status{};
      if (length != status.size()) return AdbProtocolError("an exit status that is none");
      MOORING_RETURN_IF_ERROR(stream_->Read(ctx, status));
      exit_.status = static_cast<int>(status[0]);
      ended_ = true;
      return absl::OkStatus();
    }
    default:
      return AdbProtocolError("a packet that a command does not send");
  }
}

absl::Status ShellStream::NextOutput(const OpContext& ctx) {
  while (output_left_ == 0 && !ended_) MOORING_RETURN_IF_ERROR(TakePacket(ctx));
  return absl::OkStatus();
}

absl::StatusOr<std::size_t> ShellStream::Read(const OpContext& ctx, std::span<std::byte> out) {
  if (out.empty()) return std::size_t{0};
  if (kept_at_ < kept_.size()) {
    const std::size_t count = std::min(out.size(), kept_.size() - kept_at_);
    std::memcpy(out.data(), kept_.data() + kept_at_, count);
    kept_at_ += count;
    if (kept_at_ == kept_.size()) {
      kept_.clear();
      kept_at_ = 0;
    }
    return count;
  }
  MOORING_RETURN_IF_ERROR(NextOutput(ctx));
  if (ended_) return std::size_t{0};
  MOORING_ASSIGN_OR_RETURN(
      const std::size_t count,
      stream_->ReadSome(ctx, out.subspan(0, std::min(out.size(), output_left_))));
  if (count == 0) return AdbClosed();
  output_left_ -= count;
  return count;
}

absl::Status ShellStream::Hear(const OpContext& ctx) {
  if (output_left_ == 0) MOORING_RETURN_IF_ERROR(TakePacket(ctx));
  const std::size_t count = std::min(output_left_, kPieceBytes);
  if (kept_.size() - kept_at_ + count > kKeptBytesMax) {
    return absl::ResourceExhaustedError(
        "a command on the phone answers more than it may before it has read its input");
  }
  if (count == 0) return absl::OkStatus();
  const std::size_t at = kept_.size();
  kept_.resize(at + count);
  const auto heard = stream_->ReadSome(ctx, std::span<std::byte>(kept_).subspan(at));
  kept_.resize(at + (heard.ok() ? *heard : 0));
  if (!heard.ok()) return heard.status();
  if (*heard == 0) return AdbClosed();
  output_left_ -= *heard;
  return absl::OkStatus();
}

absl::Status ShellStream::Send(const OpContext& ctx, ByteView packet) {
  while (!packet.empty()) {
    // A command that has ended takes no more; Finish tells how it ended.
    if (ended_) return absl::OkStatus();
    MOORING_ASSIGN_OR_RETURN(const std::size_t sent, stream_->WriteOrHear(ctx, packet));
    packet = packet.subspan(sent);
    if (sent == 0) MOORING_RETURN_IF_ERROR(Hear(ctx));
  }
  return absl::OkStatus();
}

absl::Status ShellStream::Write(const OpContext& ctx, ByteView bytes) {
  while (!bytes.empty()) {
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    const ByteView piece = bytes.subspan(0, std::min(bytes.size(), kStdinPacketBytes));
    MOORING_RETURN_IF_ERROR(Send(ctx, Packet(kStdin, piece)));
    bytes = bytes.subspan(piece.size());
  }
  return absl::OkStatus();
}

absl::Status ShellStream::CloseStdin(const OpContext& ctx) {
  return Send(ctx, Packet(kCloseStdin, {}));
}

absl::StatusOr<ShellExit> ShellStream::Finish(const OpContext& ctx) {
  kept_.clear();
  kept_at_ = 0;
  Bytes drop(kPieceBytes);
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t count, Read(ctx, drop));
    if (count == 0) return exit_;
  }
}

}  // namespace mooring::agent
