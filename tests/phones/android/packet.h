// Packet: the unit of adb's transport protocol, and the TCP connection that carries it.
// Format: packages/modules/adb/protocol.txt of AOSP.

#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/mutex.h"

namespace mooring::testing::android {

// Four letters, first one lowest.
constexpr std::uint32_t Letters(const char (&text)[5]) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(text[i]);
  return value;
}

inline constexpr std::uint32_t kConnect = Letters("CNXN");
inline constexpr std::uint32_t kAuth = Letters("AUTH");
inline constexpr std::uint32_t kOpen = Letters("OPEN");
inline constexpr std::uint32_t kOkay = Letters("OKAY");
inline constexpr std::uint32_t kWrite = Letters("WRTE");
inline constexpr std::uint32_t kClose = Letters("CLSE");

inline constexpr std::uint32_t kVersionWithChecksums = 0x01000000;
inline constexpr std::uint32_t kVersionWithout = 0x01000001;
inline constexpr std::uint32_t kPacketBytesMax = 1 << 20;

struct Packet {
  std::uint32_t command = 0;
  std::uint32_t first = 0;
  std::uint32_t second = 0;
  std::string payload;
};

void AppendLittle32(std::string& out, std::uint32_t value);
void AppendLittle64(std::string& out, std::uint64_t value);
std::uint32_t Little32(std::string_view bytes);  // Of the first four.

// Owns the socket. One thread reads; any may write.
class PacketSocket {
 public:
  explicit PacketSocket(int socket) : socket_(socket) {}
  ~PacketSocket();
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;

  // kUnavailable: the connection is gone. kInvalidArgument: the host broke the protocol.
  absl::StatusOr<Packet> Read();
  // False if the connection is gone.
  bool Write(const Packet& packet);
  // Sends the first half of a packet and hangs up: a cable that goes in mid frame.
  void Tear(const Packet& packet);
  // Ends both directions; readers and writers return.
  void Shut();
  // Whether something can be read within `milliseconds`.
  bool Readable(int milliseconds) const;
  // Until told otherwise, checksums are checked and sent.
  void StopChecking() { checks_ = false; }
  void StopSumming() { sums_ = false; }

 private:
  std::string Encode(const Packet& packet) const;
  bool ReadExactly(char* out, std::size_t length);
  bool WriteAll(std::string_view bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);

  const int socket_;
  std::atomic<bool> checks_ = true;
  std::atomic<bool> sums_ = true;
  Mutex write_mutex_;
};

}  // namespace mooring::testing::android
