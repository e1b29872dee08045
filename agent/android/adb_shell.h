// ShellStream: a command's packets (shell,v2), parsed from a stream.

#pragma once

#include <memory>

#include "agent/android/adb_device.h"
#include "agent/android/adb_stream.h"

namespace mooring::agent {

// Packets: one byte id, length (u32, little-endian), data. Thread-bound.
class ShellStream final : public AdbShell {
 public:
  explicit ShellStream(std::unique_ptr<AdbStream> stream) : stream_(std::move(stream)) {}

  absl::StatusOr<std::size_t> Read(const OpContext& ctx, std::span<std::byte> out) override;
  absl::Status Write(const OpContext& ctx, ByteView bytes) override;
  absl::Status CloseStdin(const OpContext& ctx) override;
  absl::StatusOr<ShellExit> Finish(const OpContext& ctx) override;

 private:
  // Reads headers, stderr and the exit packet, until stdout is at hand or the
  // command has ended.
  absl::Status NextOutput(const OpContext& ctx);
  absl::Status TakePacket(const OpContext& ctx);
  absl::Status TakeErrors(const OpContext& ctx, std::size_t length);
  // One packet, hearing what the phone says meanwhile.
  absl::Status Send(const OpContext& ctx, ByteView packet);
  // Keeps stdout that came while we wrote.
  absl::Status Hear(const OpContext& ctx);

  std::unique_ptr<AdbStream> stream_;
  std::size_t output_left_ = 0;  // Of the stdout packet that is being read.
  std::size_t empty_packets_ = 0;
  Bytes kept_;
  std::size_t kept_at_ = 0;
  bool ended_ = false;
  ShellExit exit_;
};

}  // namespace mooring::agent
