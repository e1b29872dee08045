#include "tests/phones/android/packet.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

namespace mooring::testing::android {
namespace {

constexpr std::size_t kHeaderBytes = 24;

std::uint32_t Checksum(std::string_view bytes) {
  std::uint32_t sum = 0;
  for (const char c : bytes) sum += static_cast<unsigned char>(c);
  return sum;
}

}  // namespace

void AppendLittle32(std::string& out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

void AppendLittle64(std::string& out, std::uint64_t value) {
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}

std::uint32_t Little32(std::string_view bytes) {
  std::uint32_t value = 0;
  std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

PacketSocket::~PacketSocket() {
  close(socket_);
}

void PacketSocket::Shut() {
  shutdown(socket_, SHUT_RDWR);
}

bool PacketSocket::Readable(int milliseconds) const {
  pollfd poller{socket_, POLLIN, 0};
  return poll(&poller, 1, milliseconds) > 0;
}

bool PacketSocket::ReadExactly(char* out, std::size_t length) {
  while (length > 0) {
    const ssize_t got = recv(socket_, out, length, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    out += got;
    length -= static_cast<std::size_t>(got);
  }
  return true;
}

absl::StatusOr<Packet> PacketSocket::Read() {
  std::string header(kHeaderBytes, '\0');
  if (!ReadExactly(header.data(), header.size())) return absl::UnavailableError("hung up");
  const auto field = [&](std::size_t index) {
    return Little32(std::string_view(header).substr(index * 4));
  };
  Packet packet{field(0), field(1), field(2), {}};
  if ((packet.command ^ field(5)) != UINT32_MAX) {
    return absl::InvalidArgumentError("a packet's magic does not match its command");
  }
  if (field(3) > kPacketBytesMax) {
    return absl::InvalidArgumentError(fmt::format("a packet of {} bytes", field(3)));
  }
  packet.payload.resize(field(3));
  if (!ReadExactly(packet.payload.data(), packet.payload.size())) {
    return absl::UnavailableError("hung up in mid packet");
  }
  if (checks_ && field(4) != Checksum(packet.payload)) {
    return absl::InvalidArgumentError("a packet's checksum is wrong");
  }
  return packet;
}

std::string PacketSocket::Encode(const Packet& packet) const {
  std::string bytes;
  bytes.reserve(kHeaderBytes + packet.payload.size());
  AppendLittle32(bytes, packet.command);
  AppendLittle32(bytes, packet.first);
  AppendLittle32(bytes, packet.second);
  AppendLittle32(bytes, static_cast<std::uint32_t>(packet.payload.size()));
  AppendLittle32(bytes, sums_ ? Checksum(packet.payload) : 0);
  AppendLittle32(bytes, ~packet.command);
  return bytes + packet.payload;
}

bool PacketSocket::WriteAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool PacketSocket::Write(const Packet& packet) {
  const std::string bytes = Encode(packet);
  MutexLock lock(write_mutex_);
  return WriteAll(bytes);
}

void PacketSocket::Tear(const Packet& packet) {
  const std::string bytes = Encode(packet);
  MutexLock lock(write_mutex_);
  (void)WriteAll(std::string_view(bytes).substr(0, bytes.size() / 2));
  Shut();
}

}  // namespace mooring::testing::android
