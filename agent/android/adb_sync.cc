#include "agent/android/adb_sync.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include <absl/strings/match.h>
#include <fmt/format.h>

#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// All integers little-endian; ids are four letters.
constexpr std::size_t kWordBytes = 4;
constexpr std::size_t kStatV1Bytes = 12;  // mode, size, mtime
constexpr std::size_t kStatV2Bytes = 68;  // error to ctime
constexpr std::size_t kDataBytesMax = std::size_t{64} << 10;
constexpr std::size_t kRefusalBytesMax = std::size_t{64} << 10;

AdbStat ParseStatV1(ByteView bytes) {
  AdbStat stat;
  stat.mode = LoadLe32(bytes, 0);
  stat.size_bytes = LoadLe32(bytes, 4);
  stat.size_is_exact = false;
  stat.modified_unix_s = LoadLe32(bytes, 8);
  stat.unreadable = stat.mode == 0 && stat.size_bytes == 0 && stat.modified_unix_s == 0;
  return stat;
}

AdbStat ParseStatV2(ByteView bytes) {
  AdbStat stat;
  stat.unreadable = LoadLe32(bytes, 0) != 0;
  stat.device = LoadLe64(bytes, 4);
  stat.inode = LoadLe64(bytes, 12);
  stat.mode = LoadLe32(bytes, 20);
  stat.size_bytes = LoadLe64(bytes, 36);
  stat.modified_unix_s = static_cast<std::int64_t>(LoadLe64(bytes, 52));
  return stat;
}

absl::Status Refusal(absl::StatusCode code, std::string_view why) {
  return absl::Status(code, ToAbsl(fmt::format("the phone refuses the file: {}", why)));
}

// Phones send errno as Linux has it.
absl::Status RefusalOfErrno(std::uint32_t error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
      return Refusal(absl::StatusCode::kNotFound, "no such file");
    case EACCES:
    case EPERM:
      return Refusal(absl::StatusCode::kPermissionDenied, "permission denied");
    default:
      return Refusal(absl::StatusCode::kUnknown, fmt::format("error {}", error));
  }
}

// The phone's text may name the file: only what is known is taken from it.
absl::Status RefusalOfText(std::string_view text) {
  const auto says = [text](std::string_view words) {
    return absl::StrContains(ToAbsl(text), ToAbsl(words));
  };
  if (says("No space left")) {
    return Failure(absl::StatusCode::kResourceExhausted, v1::CAUSE_PHONE_FULL,
                   "the phone has no space left", "Free space on the phone and try again");
  }
  if (says("No such file")) return RefusalOfErrno(ENOENT);
  if (says("Permission denied") || says("not permitted")) return RefusalOfErrno(EACCES);
  for (const std::string_view known :
       {"Read-only file system", "Is a directory", "Not a directory", "File name too long",
        "Invalid argument", "Input/output error", "File exists", "Transport endpoint"}) {
    if (says(known)) return Refusal(absl::StatusCode::kFailedPrecondition, known);
  }
  return Refusal(absl::StatusCode::kUnknown, "for a reason that is not known here");
}

absl::Status CheckPath(std::string_view path) {
  if (path.size() > kAdbPathBytesMax) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "its path is too long for adb");
  }
  if (path.empty() || path.front() != '/' || path.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError("not an absolute path");
  }
  return absl::OkStatus();
}

// One component of a path, as a file system may have it.
absl::Status CheckName(std::string_view name) {
  if (name.empty() || name.find_first_of(std::string_view("/\0", 2)) != std::string_view::npos) {
    return AdbProtocolError("a file name that is none");
  }
  return absl::OkStatus();
}

}  // namespace

bool IsFileRefusal(const absl::Status& status) {
  // All that ends a connection says its cause.
  const auto detail = DetailOf(status);
  if (detail) return detail->cause() == v1::CAUSE_PHONE_FULL;
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kUnknown:
      return true;
    default:
      return false;
  }
}

SyncConnection::SyncConnection(Opener opener, const AdbFeatures& features)
    : opener_(std::move(opener)),
      has_stat_v2_(features.contains("stat_v2")),
      has_list_v2_(features.contains("ls_v2")) {}

SyncConnection::~SyncConnection() = default;

absl::Status SyncConnection::Start(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(stream_, opener_(ctx));
  spent_ = false;
  return absl::OkStatus();
}

absl::Status SyncConnection::Begin(const OpContext& ctx, std::string_view id,
                                   std::string_view path) {
  if (spent_) {
    stream_.reset();
    MOORING_RETURN_IF_ERROR(Start(ctx));
  }
  spent_ = true;
  Bytes request = ToBytes(id);
  AppendLe32(request, static_cast<std::uint32_t>(path.size()));
  Append(request, AsBytes(path));
  return stream_->Write(ctx, request);
}

absl::StatusOr<AdbStat> SyncConnection::Stat(const OpContext& ctx, std::string_view path) {
  MOORING_RETURN_IF_ERROR(CheckPath(path));
  MOORING_RETURN_IF_ERROR(Begin(ctx, has_stat_v2_ ? "LST2" : "STAT", path));
  return ReadStat(ctx);
}

absl::StatusOr<AdbStat> SyncConnection::ReadStat(const OpContext& ctx) {
  std::array<std::byte, kWordBytes> id{};
  MOORING_RETURN_IF_ERROR(stream_->Read(ctx, id));
  if (AsText(id) != (has_stat_v2_ ? "LST2" : "STAT")) {
    return AdbProtocolError("an answer to another question");
  }
  std::array<std::byte, kStatV2Bytes> bytes{};
  const std::span<std::byte> used(bytes.data(), has_stat_v2_ ? kStatV2Bytes : kStatV1Bytes);
  MOORING_RETURN_IF_ERROR(stream_->Read(ctx, used));
  Done();
  const AdbStat stat = has_stat_v2_ ? ParseStatV2(used) : ParseStatV1(used);
  if (!stat.unreadable) return stat;
  return RefusalOfErrno(has_stat_v2_ ? LoadLe32(used, 0) : ENOENT);
}

absl::Status SyncConnection::TakeRefusal(const OpContext& ctx, std::size_t length) {
  if (length > kRefusalBytesMax) return AdbProtocolError("an explanation that is too long");
  std::string text(length, '\0');
  MOORING_RETURN_IF_ERROR(
      stream_->Read(ctx, std::as_writable_bytes(std::span<char>(text.data(), text.size()))));
  return RefusalOfText(text);
}

absl::Status SyncConnection::List(
    const OpContext& ctx, std::string_view path,
    absl::FunctionRef<absl::Status(std::string_view name, const AdbStat& stat)> visit) {
  MOORING_RETURN_IF_ERROR(CheckPath(path));
  MOORING_RETURN_IF_ERROR(Begin(ctx, has_list_v2_ ? "LIS2" : "LIST", path));
  MOORING_RETURN_IF_ERROR(ListEntries(ctx, visit));
  Done();
  return absl::OkStatus();
}

absl::Status SyncConnection::ListEntries(
    const OpContext& ctx,
    absl::FunctionRef<absl::Status(std::string_view name, const AdbStat& stat)> visit) {
  const std::size_t stat_bytes = has_list_v2_ ? kStatV2Bytes : kStatV1Bytes;
  for (std::size_t count = 0; count <= kAdbEntriesMax; ++count) {
    std::array<std::byte, kWordBytes> id{};
    MOORING_RETURN_IF_ERROR(stream_->Read(ctx, id));
    if (AsText(id) == "FAIL") {
      std::array<std::byte, kWordBytes> length{};
      MOORING_RETURN_IF_ERROR(stream_->Read(ctx, length));
      return TakeRefusal(ctx, LoadLe32(length, 0));
    }
    std::array<std::byte, kStatV2Bytes + kWordBytes> bytes{};
    const std::span<std::byte> used(bytes.data(), stat_bytes + kWordBytes);
    MOORING_RETURN_IF_ERROR(stream_->Read(ctx, used));
    if (AsText(id) == "DONE") return absl::OkStatus();
    if (AsText(id) != (has_list_v2_ ? "DNT2" : "DENT")) {
      return AdbProtocolError("something that is no entry of a directory");
    }
    const std::size_t length = LoadLe32(used, stat_bytes);
    if (length > kAdbNameBytesMax) return AdbProtocolError("a file name that is too long");
    std::array<char, kAdbNameBytesMax> buffer{};
    MOORING_RETURN_IF_ERROR(
        stream_->Read(ctx, std::as_writable_bytes(std::span<char>(buffer.data(), length))));
    const std::string_view name(buffer.data(), length);
    MOORING_RETURN_IF_ERROR(CheckName(name));
    if (name == "." || name == "..") continue;
    MOORING_RETURN_IF_ERROR(visit(name, has_list_v2_ ? ParseStatV2(used) : ParseStatV1(used)));
  }
  return AdbProtocolError("a directory without end");
}

absl::Status SyncConnection::Receive(const OpContext& ctx, std::string_view path,
                                     absl::FunctionRef<absl::Status(ByteView)> sink) {
  MOORING_RETURN_IF_ERROR(CheckPath(path));
  MOORING_RETURN_IF_ERROR(Begin(ctx, "RECV", path));
  Bytes piece(kDataBytesMax);
  while (true) {
    std::array<std::byte, 2 * kWordBytes> header{};
    MOORING_RETURN_IF_ERROR(stream_->Read(ctx, header));
    const std::string_view id = AsText(header).substr(0, kWordBytes);
    const std::size_t length = LoadLe32(header, kWordBytes);
    if (id == "FAIL") return TakeRefusal(ctx, length);
    if (id == "DONE") {
      Done();
      return absl::OkStatus();
    }
    if (id != "DATA") return AdbProtocolError("something that is no piece of a file");
    if (length == 0 || length > kDataBytesMax) {
      return AdbProtocolError("a piece of a file of a length that is not allowed");
    }
    const std::span<std::byte> used(piece.data(), length);
    MOORING_RETURN_IF_ERROR(stream_->Read(ctx, used));
    MOORING_RETURN_IF_ERROR(sink(used));
  }
}

absl::StatusOr<bool> SyncConnection::WriteUnlessHeard(const OpContext& ctx, ByteView bytes) {
  while (!bytes.empty()) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t sent, stream_->WriteOrHear(ctx, bytes));
    if (sent == 0) return false;
    bytes = bytes.subspan(sent);
  }
  return true;
}

absl::Status SyncConnection::Send(const OpContext& ctx, std::string_view path,
                                  const AdbSendFacts& facts, ByteSource source) {
  MOORING_RETURN_IF_ERROR(CheckPath(path));
  // The mode stands behind the last comma, whatever commas the path has.
  const std::string target = fmt::format("{},{}", path, facts.mode);
  if (target.size() > kAdbPathBytesMax) {
    return Refusal(absl::StatusCode::kFailedPrecondition, "its path is too long for adb");
  }
  MOORING_RETURN_IF_ERROR(Begin(ctx, "SEND", target));
  MOORING_ASSIGN_OR_RETURN(const bool all, SendContent(ctx, facts.modified_unix_s, source));
  MOORING_RETURN_IF_ERROR(ReadSendStatus(ctx));
  return all ? absl::OkStatus() : AdbProtocolError("thanks for a file that it does not have yet");
}

absl::StatusOr<bool> SyncConnection::SendContent(const OpContext& ctx, std::int64_t modified_unix_s,
                                                 ByteSource source) {
  Bytes piece(kDataBytesMax);
  while (true) {
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    MOORING_ASSIGN_OR_RETURN(const std::size_t count, source(piece));
    Bytes frame = ToBytes(count == 0 ? "DONE" : "DATA");
    // The protocol has 32 bits for a time; one outside is nearest to its edge.
    constexpr std::int64_t kTimeMax = 0xffffffff;
    const auto time =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(modified_unix_s, 0, kTimeMax));
    AppendLe32(frame, count == 0 ? time : static_cast<std::uint32_t>(count));
    Append(frame, ByteView(piece).subspan(0, count));
    MOORING_ASSIGN_OR_RETURN(const bool all, WriteUnlessHeard(ctx, frame));
    if (!all || count == 0) return all;
  }
}

absl::Status SyncConnection::ReadSendStatus(const OpContext& ctx) {
  std::array<std::byte, 2 * kWordBytes> header{};
  MOORING_RETURN_IF_ERROR(stream_->Read(ctx, header));
  const std::string_view id = AsText(header).substr(0, kWordBytes);
  if (id == "FAIL") return TakeRefusal(ctx, LoadLe32(header, kWordBytes));
  if (id != "OKAY") return AdbProtocolError("an answer that is neither yes nor no");
  Done();
  return absl::OkStatus();
}

}  // namespace mooring::agent
