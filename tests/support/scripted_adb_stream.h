// ScriptedAdbStream: an AdbStream whose other side is a list of bytes made in
// advance. What the host writes is kept. At the end of the script the other side
// has closed, as by an unplug. What is there to be read is heard before a write
// goes through.

#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/android/adb_stream.h"

namespace mooring::testing {

class ScriptedAdbStream final : public agent::AdbStream {
 public:
  explicit ScriptedAdbStream(std::string script, std::string* written = nullptr)
      : script_(std::move(script)), written_(written) {}

  absl::StatusOr<std::size_t> ReadSome(const OpContext&, std::span<std::byte> out) override {
    const std::size_t count = std::min(out.size(), script_.size() - read_);
    std::copy_n(AsBytes(script_).begin() + static_cast<std::ptrdiff_t>(read_), count, out.begin());
    read_ += count;
    return count;
  }
  absl::StatusOr<std::size_t> WriteOrHear(const OpContext& ctx, ByteView bytes) override {
    if (read_ < script_.size()) return std::size_t{0};
    const absl::Status status = Write(ctx, bytes);
    if (!status.ok()) return status;
    return bytes.size();
  }
  absl::Status Write(const OpContext&, ByteView bytes) override {
    if (written_ != nullptr) written_->append(AsText(bytes));
    return absl::OkStatus();
  }

 private:
  const std::string script_;
  std::string* const written_;
  std::size_t read_ = 0;
};

// Four little-endian bytes.
inline std::string Le32(std::uint32_t value) {
  Bytes bytes;
  AppendLe32(bytes, value);
  return ToString(bytes);
}
inline std::string Le64(std::uint64_t value) {
  Bytes bytes;
  AppendLe64(bytes, value);
  return ToString(bytes);
}
// A packet of shell,v2.
inline std::string ShellPacket(int id, std::string_view data) {
  return std::string(1, static_cast<char>(id)) + Le32(static_cast<std::uint32_t>(data.size())) +
         std::string(data);
}
// A frame of the sync service: an id, a length, bytes.
inline std::string SyncFrame(std::string_view id, std::string_view data) {
  return std::string(id) + Le32(static_cast<std::uint32_t>(data.size())) + std::string(data);
}
// The stat of version 2, without its id.
inline std::string StatV2(std::uint32_t error, std::uint32_t mode, std::uint64_t size,
                          std::int64_t mtime) {
  return Le32(error) + Le64(7) + Le64(99) + Le32(mode) + Le32(1) + Le32(0) + Le32(0) + Le64(size) +
         Le64(1) + Le64(static_cast<std::uint64_t>(mtime)) + Le64(3);
}

}  // namespace mooring::testing
