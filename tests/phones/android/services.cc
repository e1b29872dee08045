#include "tests/phones/android/services.h"

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "tests/phones/android/packet.h"
#include "tests/phones/android/shell.h"
#include "tests/phones/android/stream_reader.h"

namespace mooring::testing::android {
namespace {

// MAX_ARG_STRLEN of Linux: no more fits behind "sh -c".
constexpr std::size_t kCommandBytesMax = 128 << 10;
constexpr std::string_view kShellTwo = "shell,v2";

enum PacketId : char { kStandardInput = 0, kOutput = 1, kError = 2, kExit = 3, kCloseInput = 4 };

// Everything the command writes goes to the host as it is.
class RawSink final : public ByteSink {
 public:
  explicit RawSink(ServiceStream& stream) : stream_(stream) {}
  bool Write(std::string_view bytes) override {
    MutexLock lock(mutex_);
    return stream_.Write(bytes);
  }

 private:
  Mutex mutex_;
  ServiceStream& stream_;
};

class RawSource final : public ByteSource {
 public:
  RawSource(ServiceStream& stream, ByteSink& out) : reader_(stream), out_(out) {}
  std::size_t Read(std::span<char> out) override {
    (void)out_.Flush();  // The host may wait for it before it says more.
    const std::string bytes = reader_.ReadSome(out.size());
    bytes.copy(out.data(), bytes.size());
    return bytes.size();
  }

 private:
  StreamReader reader_;
  ByteSink& out_;
};

// The packets of shell protocol v2 that go to the host.
class PacketSink final : public ByteSink {
 public:
  PacketSink(AndroidPhone& phone, ServiceStream& stream, Mutex& mutex, PacketId id)
      : phone_(phone), stream_(stream), mutex_(mutex), id_(id) {}
  bool Write(std::string_view bytes) override {
    constexpr std::size_t kPacketMax = 64 << 10;
    MutexLock lock(mutex_);
    while (!bytes.empty()) {
      const std::size_t length = std::min(bytes.size(), kPacketMax);
      std::string packet(1, id_);
      const bool lies = phone_.IsHostile("shell-length");
      AppendLittle32(packet, lies ? 0xFFFFFFFF : static_cast<std::uint32_t>(length));
      if (phone_.IsHostile("shell-unknown-packet")) packet[0] = 99;
      if (!stream_.Write(packet.append(bytes.substr(0, length)))) return false;
      bytes.remove_prefix(length);
    }
    return true;
  }

 private:
  AndroidPhone& phone_;
  ServiceStream& stream_;
  Mutex& mutex_;
  const PacketId id_;
};

// What the host sends as standard input.
class PacketSource final : public ByteSource {
 public:
  PacketSource(AndroidPhone& phone, ServiceStream& stream, ByteSink& out)
      : phone_(phone), reader_(stream), out_(out) {}

  std::size_t Read(std::span<char> out) override {
    (void)out_.Flush();
    while (left_ == 0 && !is_closed_) {
      std::string header;
      if (!reader_.Read(5, header)) {
        is_closed_ = true;
        break;
      }
      const std::uint32_t length = Little32(std::string_view(header).substr(1));
      if (header[0] == kCloseInput) {
        is_closed_ = true;
      } else if (header[0] == kStandardInput) {
        left_ = length;
      } else if (length > 1024 || !reader_.Read(length, header)) {  // A window's size, mostly.
        phone_.AddViolation("shell: a packet that is none of the host's");
        is_closed_ = true;
      }
    }
    if (is_closed_) return 0;
    const std::string bytes = reader_.ReadSome(std::min<std::size_t>(out.size(), left_));
    if (bytes.empty()) is_closed_ = true;
    left_ -= bytes.size();
    bytes.copy(out.data(), bytes.size());
    return bytes.size();
  }

 private:
  AndroidPhone& phone_;
  StreamReader reader_;
  ByteSink& out_;
  std::size_t left_ = 0;
  bool is_closed_ = false;
};

void RunRaw(AndroidPhone& phone, std::string_view command, ServiceStream& stream) {
  RawSink raw(stream);
  BufferedSink out(raw);
  RawSource in(stream, out);
  ShellState state = FirstShellState();
  const ShellContext context{phone, state, in, out, out};
  (void)RunShell(context, command);
}

void RunPackets(AndroidPhone& phone, std::string_view command, ServiceStream& stream) {
  Mutex mutex;
  PacketSink raw_out(phone, stream, mutex, kOutput);
  PacketSink err(phone, stream, mutex, kError);
  int status = 0;
  {
    BufferedSink out(raw_out);
    PacketSource in(phone, stream, out);
    ShellState state = FirstShellState();
    const ShellContext context{phone, state, in, out, err};
    status = RunShell(context, command);
  }
  if (phone.IsHostile("no-exit")) return;
  std::string packet(1, kExit);
  AppendLittle32(packet, 1);
  (void)stream.Write(packet + static_cast<char>(status));
}

// Arguments separated by NULs, for a system service, without a shell.
void RunAbb(AndroidPhone& phone, std::string_view command, ServiceStream& stream) {
  Arguments arguments = {"cmd"};
  while (!command.empty()) {
    const std::size_t end = std::min(command.find('\0'), command.size());
    arguments.emplace_back(command.substr(0, end));
    command.remove_prefix(std::min(end + 1, command.size()));
  }
  RawSink raw(stream);
  BufferedSink out(raw);
  RawSource in(stream, out);
  ShellState state = FirstShellState();
  const ShellContext context{phone, state, in, out, out};
  (void)RunProgram(context, arguments);
}

}  // namespace

bool IsService(std::string_view service) {
  return service == "sync:" || service.starts_with("shell:") || service.starts_with("exec:") ||
         service.starts_with("abb_exec:") ||
         (service.starts_with(kShellTwo) && service.find(':') != std::string_view::npos);
}

void RunService(AndroidPhone& phone, const std::string& service, ServiceStream& host) {
  GatheringStream stream(host);
  const std::size_t colon = service.find(':');
  const std::string_view command = std::string_view(service).substr(colon + 1);
  if (service == "sync:") {
    RunSync(phone, stream);
  } else if (command.size() > kCommandBytesMax) {
    phone.AddViolation(fmt::format("shell: a command line of {} bytes", command.size()));
    (void)stream.Write("error: exec '/system/bin/sh' failed: Argument list too long\n");
  } else if (service.starts_with(kShellTwo)) {
    RunPackets(phone, command, stream);
  } else if (service.starts_with("abb_exec:")) {
    RunAbb(phone, command, stream);
  } else {
    RunRaw(phone, command, stream);
  }
}

}  // namespace mooring::testing::android
