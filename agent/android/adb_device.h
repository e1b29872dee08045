// AdbDevice: what the engine needs of one phone over adb: commands and files.
//
// Abstract, so that tests can play a phone. The real one is opened by AdbServer.
// Protocol facts: agent/android/README.md.

#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/device/socket_wait.h"
#include "storage/base/bytes.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// What a server or a phone says it can do: words such as shell_v2, stat_v2.
using AdbFeatures = std::set<std::string, std::less<>>;

// Longest name of one entry in a listing, and longest path in a request.
inline constexpr std::size_t kAdbNameBytesMax = 255;
inline constexpr std::size_t kAdbPathBytesMax = 1024;
// Entries that one listing may have.
inline constexpr std::size_t kAdbEntriesMax = 1'000'000;
// What is kept of a command's stderr: its beginning.
inline constexpr std::size_t kShellErrorBytesMax = std::size_t{64} << 10;

struct ShellExit {
  int status = 0;  // 0 to 255.
  std::string errors;
};

// One running command: shell,v2,raw, the only service whose end is told from a
// phone that went away.
//
// Thread-bound. Dropped before Finish, the command is hung up on.
//
// Errors of all calls: kUnavailable (CAUSE_UNPLUGGED) when the stream ended
// without the exit packet, kInvalidArgument (CAUSE_PROTOCOL_ERROR) for what the
// protocol does not allow, kDeadlineExceeded (CAUSE_PHONE_STALLED) after a long
// silence, kCancelled and kDeadlineExceeded as the context asks.
class AdbShell {
 public:
  virtual ~AdbShell() = default;

  // Some bytes of stdout, at least one; 0 once the command has ended.
  virtual absl::StatusOr<std::size_t> Read(const OpContext& ctx, std::span<std::byte> out) = 0;
  // All of `bytes` to stdin. While the phone takes none, up to 4 MiB of stdout
  // are kept for Read, so a command that answers as it reads does not deadlock;
  // kResourceExhausted beyond.
  virtual absl::Status Write(const OpContext& ctx, ByteView bytes) = 0;
  // End of stdin. At most once.
  virtual absl::Status CloseStdin(const OpContext& ctx) = 0;
  // Drops what is left of stdout and returns how the command ended.
  virtual absl::StatusOr<ShellExit> Finish(const OpContext& ctx) = 0;
};

struct AdbStat {
  std::uint32_t mode = 0;  // As in stat(2), type included.
  std::uint64_t size_bytes = 0;
  // False where the phone tells sizes modulo 4 GiB (no stat_v2, ls_v2).
  bool size_is_exact = true;
  std::int64_t modified_unix_s = 0;
  std::uint64_t inode = 0;   // 0 where the phone does not tell.
  std::uint64_t device = 0;  // As inode.
  // In a listing: the entry is there but the phone could not stat it.
  bool unreadable = false;

  bool is_directory() const { return (mode & 0170000U) == 0040000U; }
  bool is_regular() const { return (mode & 0170000U) == 0100000U; }
  bool is_symlink() const { return (mode & 0170000U) == 0120000U; }
};

struct AdbSendFacts {
  std::uint32_t mode = 0100660;  // As in stat(2), type included.
  std::int64_t modified_unix_s = 0;
};

// Fills `out` with the next bytes of a file; 0 at its end.
using ByteSource = absl::FunctionRef<absl::StatusOr<std::size_t>(std::span<std::byte> out)>;

// Files of the phone, one request after the other. Opens its connection anew
// after a refusal or a broken request, so it stays usable for as long as the
// phone is there.
//
// Thread-bound. Paths are absolute, at most kAdbPathBytesMax bytes, without NUL.
//
// Errors: what the phone refuses for one file satisfies IsFileRefusal; all
// others are those of AdbShell, and the source's and the sink's own.
class AdbSync {
 public:
  virtual ~AdbSync() = default;

  // Does not follow a link. kNotFound: no such file (or, without stat_v2, one
  // that may not be seen).
  virtual absl::StatusOr<AdbStat> Stat(const OpContext& ctx, std::string_view path) = 0;
  // Every entry but . and .., in the phone's order. Names are one component,
  // any bytes but / and NUL. An unreadable directory may look empty: stat it.
  virtual absl::Status List(
      const OpContext& ctx, std::string_view path,
      absl::FunctionRef<absl::Status(std::string_view name, const AdbStat& stat)> visit) = 0;
  // Streams a file in order, in pieces of at most 64 KiB. OK only when the phone
  // said that it was all.
  virtual absl::Status Receive(const OpContext& ctx, std::string_view path,
                               absl::FunctionRef<absl::Status(ByteView)> sink) = 0;
  // Replaces the file, its parents made as needed. kResourceExhausted
  // (CAUSE_PHONE_FULL): no space on the phone.
  virtual absl::Status Send(const OpContext& ctx, std::string_view path, const AdbSendFacts& facts,
                            ByteSource source) = 0;
};

// The phone refused this one file (kNotFound, kPermissionDenied,
// kFailedPrecondition, kResourceExhausted, kUnknown); the next may do.
bool IsFileRefusal(const absl::Status& status);

// One phone that adb may use. Thread-safe; each shell and sync has a connection
// of its own and outlives neither the device nor the server.
class AdbDevice {
 public:
  virtual ~AdbDevice() = default;

  // What both the phone and the server can do.
  virtual const AdbFeatures& features() const = 0;
  // `command` goes to the phone's sh as it is: QuoteForShell what is a name.
  // kUnimplemented: the phone has no shell_v2 (Android 6 and older).
  virtual absl::StatusOr<std::unique_ptr<AdbShell>> Shell(const OpContext& ctx,
                                                          std::string_view command) = 0;
  virtual absl::StatusOr<std::unique_ptr<AdbSync>> Sync(const OpContext& ctx) = 0;
  // For what is opened from now on.
  virtual void SetQuietListener(QuietListener listener) = 0;
};

struct ShellResult {
  std::string output;
  ShellExit exit;
};

// Runs `command` without stdin to its end. kOutOfRange: more than
// `output_bytes_max` of stdout.
absl::StatusOr<ShellResult> RunShell(const OpContext& ctx, AdbDevice& device,
                                     std::string_view command, std::size_t output_bytes_max);

// `text` as one word for the phone's sh, whatever bytes (but NUL) it holds.
std::string QuoteForShell(std::string_view text);

}  // namespace mooring::agent
