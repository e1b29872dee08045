#include "tests/phones/iphone/device_link.h"

#include <algorithm>
#include <set>
#include <utility>

#include <absl/strings/cord.h>
#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/iphone/plist_service.h"

namespace mooring::testing {
namespace {

constexpr const char* kMbCodeUrl = "mooring/mb-error-code";
constexpr std::string_view kEmptyParameter = "___EmptyParameterString___";
constexpr std::uint32_t kMessageBytesMax = 64 << 20;
constexpr std::uint32_t kPathBytesMax = 4096;
constexpr std::uint32_t kDataFrameBytesMax = (32 << 10) + 1;
constexpr std::uint32_t kFrameBytesMax = 256 << 20;
constexpr std::size_t kSmallFileBytesMax = 64 << 20;
constexpr std::uint64_t kDeviceLinkVersion = 400;
constexpr char kBlockEnd = 0x00;
constexpr char kBlockLocalError = 0x06;
constexpr char kBlockRemoteError = 0x0B;
constexpr char kBlockData = 0x0C;
constexpr std::int64_t kMultiStatus = -13;
constexpr std::int64_t kNoSpaceOnHost = -15;

Plist Verb(std::string_view verb) {
  return Plist::Array().Add(Plist::String(verb));
}

}  // namespace

absl::Status MbError(int code, std::string_view text) {
  absl::Status status = absl::AbortedError(ToAbsl(text));
  status.SetPayload(kMbCodeUrl, absl::Cord(std::to_string(code)));
  return status;
}

std::optional<int> MbErrorCode(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kMbCodeUrl);
  int code = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &code)) return std::nullopt;
  return code;
}

void DeviceLink::Violation(std::string_view what) {
  phone_.Violation(fmt::format("mobilebackup2: {}", what));
}

absl::Status DeviceLink::SendMessage(const Plist& message) {
  return SendBinaryPlist(channel_, message);
}

absl::StatusOr<Plist> DeviceLink::ReceiveMessage() {
  MOORING_ASSIGN_OR_RETURN(const std::uint32_t length, channel_.ReadBe32());
  if (length == 0 || length > kMessageBytesMax) {
    return absl::InvalidArgumentError(fmt::format("message of {} bytes", length));
  }
  MOORING_ASSIGN_OR_RETURN(const std::string bytes, channel_.ReadString(length));
  if (!bytes.starts_with("bplist00")) Violation("message is not a binary property list");
  MOORING_ASSIGN_OR_RETURN(Plist message, Plist::Parse(bytes));
  if (!message.At(0).IsString()) return absl::InvalidArgumentError("message without a verb");
  return message;
}

absl::Status DeviceLink::Handshake() {
  MOORING_RETURN_IF_ERROR(SendMessage(Verb("DLMessageVersionExchange")
                                          .Add(Plist::Integer(kDeviceLinkVersion))
                                          .Add(Plist::Integer(0))));
  MOORING_ASSIGN_OR_RETURN(const Plist version, ReceiveMessage());
  if (version.At(0).AsString() != "DLMessageVersionExchange" ||
      version.At(1).AsString() != "DLVersionsOk" ||
      version.At(2).AsInteger() != kDeviceLinkVersion) {
    return absl::InvalidArgumentError("DeviceLink version exchange went wrong");
  }
  return SendMessage(Verb("DLMessageDeviceReady"));
}

absl::StatusOr<Plist> DeviceLink::ReceiveRequest() {
  MOORING_ASSIGN_OR_RETURN(const Plist message, ReceiveMessage());
  const std::string verb = message.At(0).AsString().value_or("");
  if (verb == "DLMessageDisconnect") return absl::NotFoundError("the host said goodbye");
  if (verb != "DLMessageProcessMessage" || !message.At(1).IsDict()) {
    return absl::InvalidArgumentError(fmt::format("{} in place of a request", verb));
  }
  return Plist::CopyOf(message.At(1));
}

absl::Status DeviceLink::Respond(int code, std::string_view text, Plist extra) {
  if (!extra.exists()) extra = Plist::Dict();
  extra.Set("MessageName", "Response")
      .Set("ErrorCode", Plist::Integer(static_cast<unsigned>(code)));
  if (!text.empty()) extra.Set("ErrorDescription", text);
  return SendMessage(Verb("DLMessageProcessMessage").Add(std::move(extra)));
}

absl::Status DeviceLink::StrikeCable(const Fault& fault) {
  (void)channel_.Flush();
  phone_.Unplug(fault.delay_ms);
  return absl::UnavailableError("the cable was pulled");
}

absl::Status DeviceLink::Stall(const Fault& fault) {
  MOORING_RETURN_IF_ERROR(channel_.Flush());
  if (phone_.clock().Sleep(absl::Milliseconds(fault.delay_ms), phone_.attachment())) {
    return absl::OkStatus();
  }
  return absl::UnavailableError("the cable was pulled");
}

absl::Status DeviceLink::AtStep(std::string_view step) {
  phone_.set_current_step(std::string(step));
  if (const auto fault = phone_.faults().TakeAtStep(FaultKind::kStall, step)) {
    MOORING_RETURN_IF_ERROR(Stall(*fault));
  }
  if (const auto fault = phone_.faults().TakeAtStep(FaultKind::kUnplug, step)) {
    return StrikeCable(*fault);
  }
  if (const auto fault = phone_.faults().TakeAtStep(FaultKind::kFinalError, step)) {
    return MbError(fault->code,
                   fmt::format("Simulated error {} (MBErrorDomain/{})", fault->code, fault->code));
  }
  return absl::OkStatus();
}

absl::StatusOr<HostAnswer> DeviceLink::ReceiveAnswer(std::string_view question) {
  absl::StatusOr<Plist> message = ReceiveMessage();
  if (!message.ok()) {
    if (!absl::IsDeadlineExceeded(message.status())) return message.status();
    return absl::InvalidArgumentError(fmt::format("no answer to {}", question));
  }
  const std::string verb = message->At(0).AsString().value_or("");
  if (verb == "DLMessageDisconnect") {
    return absl::UnavailableError("the host disconnected in mid conversation");
  }
  const std::optional<std::uint64_t> code = message->At(1).AsInteger();
  if (verb != "DLMessageStatusResponse" || !code) {
    return absl::InvalidArgumentError(fmt::format("{} answered with {}", question, verb));
  }
  if (message->array_size() != 4) {
    Violation(
        fmt::format("status answer to {} has {} items, not 4", question, message->array_size()));
  }
  if (!message->At(2).IsString()) {
    Violation(fmt::format("status answer to {} without a text", question));
  }
  HostAnswer answer;
  answer.code = static_cast<std::int64_t>(*code);
  answer.text = message->At(2).AsString().value_or("");
  if (answer.text == kEmptyParameter) answer.text.clear();
  answer.payload = Plist::CopyOf(message->At(3));
  return answer;
}

absl::StatusOr<HostAnswer> DeviceLink::Call(const Plist& message) {
  const std::string verb = message.At(0).AsString().value_or("");
  MOORING_RETURN_IF_ERROR(SendMessage(message));
  channel_.set_read_timeout(phone_.options().answer_timeout);
  return ReceiveAnswer(verb);
}

absl::Status DeviceLink::ExpectOk(const absl::StatusOr<HostAnswer>& answer,
                                  std::string_view question) {
  if (!answer.ok()) return answer.status();
  if (answer->code == 0) return absl::OkStatus();
  const int error = answer->code == kNoSpaceOnHost ? 105 : 1;
  return MbError(error, fmt::format("Host answered {} ({}) to {} (MBErrorDomain/{})", answer->code,
                                    answer->text, question, error));
}

absl::StatusOr<std::map<std::string, HostFile>> DeviceLink::List(const std::string& path) {
  absl::StatusOr<HostAnswer> answer =
      Call(Verb("DLContentsOfDirectory").Add(Plist::String(path)).Add(Plist::Dict()));
  MOORING_RETURN_IF_ERROR(ExpectOk(answer, "DLContentsOfDirectory"));
  if (!answer->payload.IsDict()) {
    return absl::InvalidArgumentError("DLContentsOfDirectory answered without a dictionary");
  }
  std::map<std::string, HostFile> files;
  answer->payload.ForEach([&](const std::string& name, PlistView value) {
    const std::string type = value.StringOr("DLFileType", "");
    if (type != "DLFileTypeRegular" && type != "DLFileTypeDirectory" &&
        type != "DLFileTypeUnknown") {
      Violation("listing with an entry of no known DLFileType");
    }
    if (!value.Find("DLFileSize").AsInteger() || !value.Find("DLFileModificationDate").exists()) {
      Violation("listing with an entry that lacks DLFileSize or DLFileModificationDate");
    }
    files[name] = {.is_directory = type == "DLFileTypeDirectory",
                   .size_bytes = value.IntegerOr("DLFileSize", 0)};
  });
  return files;
}

absl::Status DeviceLink::MakeDirectory(const std::string& path) {
  return ExpectOk(Call(Verb("DLMessageCreateDirectory")
                           .Add(Plist::String(path))
                           .Add(Plist::Dict())
                           .Add(Plist::Real(progress_))),
                  "DLMessageCreateDirectory");
}

absl::Status DeviceLink::Move(const std::vector<std::pair<std::string, std::string>>& items) {
  if (items.empty()) return absl::OkStatus();
  Plist map = Plist::Dict();
  for (const auto& [from, to] : items) map.Set(from.c_str(), to);
  return ExpectOk(Call(Verb("DLMessageMoveItems")
                           .Add(std::move(map))
                           .Add(Plist::Dict())
                           .Add(Plist::Real(progress_))),
                  "DLMessageMoveItems");
}

absl::Status DeviceLink::Remove(const std::vector<std::string>& paths) {
  if (paths.empty()) return absl::OkStatus();
  Plist list = Plist::Array();
  for (const std::string& path : paths) list.Add(Plist::String(path));
  return ExpectOk(Call(Verb("DLMessageRemoveItems")
                           .Add(std::move(list))
                           .Add(Plist::Dict())
                           .Add(Plist::Real(progress_))),
                  "DLMessageRemoveItems");
}

absl::StatusOr<std::uint64_t> DeviceLink::FreeSpace() {
  absl::StatusOr<HostAnswer> answer = Call(Verb("DLMessageGetFreeDiskSpace"));
  MOORING_RETURN_IF_ERROR(ExpectOk(answer, "DLMessageGetFreeDiskSpace"));
  const std::optional<std::uint64_t> bytes = answer->payload.AsInteger();
  if (!bytes) return absl::InvalidArgumentError("DLMessageGetFreeDiskSpace answered no number");
  return *bytes;
}

absl::StatusOr<HostAnswer> DeviceLink::PurgeSpace(std::uint64_t bytes) {
  return Call(Verb("DLMessagePurgeDiskSpace")
                  .Add(Plist::Integer(bytes))
                  .Add(Plist::Integer(0))
                  .Add(Plist::Dict()));
}

absl::Status DeviceLink::BeginUpload(std::uint64_t total_bytes) {
  return SendMessage(Verb("DLMessageUploadFiles")
                         .Add(Plist::Dict())
                         .Add(Plist::Real(progress_))
                         .Add(Plist::Integer(total_bytes)));
}

// Bytes of content; here the faults that count bytes strike.
absl::Status DeviceLink::SendPayload(std::string_view bytes) {
  const auto send = [&](std::uint64_t until) -> absl::Status {
    const std::size_t length = std::min(bytes.size(), until - payload_bytes_sent_);
    MOORING_RETURN_IF_ERROR(channel_.Write(bytes.substr(0, length)));
    bytes.remove_prefix(length);
    payload_bytes_sent_ += length;
    return absl::OkStatus();
  };
  FaultPlan& faults = phone_.faults();
  while (const auto fault =
             faults.TakeAtBytes(FaultKind::kStall, payload_bytes_sent_, bytes.size())) {
    MOORING_RETURN_IF_ERROR(send(*fault->after_bytes));
    MOORING_RETURN_IF_ERROR(Stall(*fault));
  }
  if (const auto fault =
          faults.TakeAtBytes(FaultKind::kUnplug, payload_bytes_sent_, bytes.size())) {
    MOORING_RETURN_IF_ERROR(send(*fault->after_bytes));
    return StrikeCable(*fault);
  }
  const std::size_t length = bytes.size();
  MOORING_RETURN_IF_ERROR(send(payload_bytes_sent_ + length));
  if (const std::uint64_t rate = phone_.options().bytes_per_second; rate > 0) {
    MOORING_RETURN_IF_ERROR(channel_.Flush());
    (void)phone_.clock().Sleep(
        absl::Seconds(1) * static_cast<double>(length) / static_cast<double>(rate),
        phone_.attachment());
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> DeviceLink::UploadFile(std::string_view device_path,
                                            std::string_view host_path, UploadSource& source) {
  for (const std::string_view path : {device_path, host_path}) {
    MOORING_RETURN_IF_ERROR(channel_.WriteBe32(static_cast<std::uint32_t>(path.size())));
    MOORING_RETURN_IF_ERROR(channel_.Write(path));
  }
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const std::string_view piece, source.Next());
    if (piece.empty()) break;
    const auto broken =
        phone_.faults().TakeAtBytes(FaultKind::kFileError, payload_bytes_sent_, piece.size());
    const std::size_t length = broken ? piece.size() / 2 : piece.size();
    if (length > 0) {
      MOORING_RETURN_IF_ERROR(channel_.WriteBe32(static_cast<std::uint32_t>(length + 1)));
      MOORING_RETURN_IF_ERROR(channel_.Write({&kBlockData, 1}));
      MOORING_RETURN_IF_ERROR(SendPayload(piece.substr(0, length)));
    }
    if (!broken) continue;
    const std::string_view text = "The file could not be read (simulated)";
    const char code = static_cast<char>(broken->code == 0 ? kBlockRemoteError : broken->code);
    MOORING_RETURN_IF_ERROR(channel_.WriteBe32(static_cast<std::uint32_t>(text.size() + 1)));
    MOORING_RETURN_IF_ERROR(channel_.Write({&code, 1}));
    MOORING_RETURN_IF_ERROR(channel_.Write(text));
    return false;
  }
  const char end = phone_.options().ends_files_with_0b ? kBlockRemoteError : kBlockEnd;
  MOORING_RETURN_IF_ERROR(channel_.WriteBe32(1));
  MOORING_RETURN_IF_ERROR(channel_.Write({&end, 1}));
  return true;
}

absl::Status DeviceLink::EndUpload() {
  MOORING_RETURN_IF_ERROR(channel_.Flush());
  const bool has_early_input = channel_.HasInput(absl::ZeroDuration());
  MOORING_RETURN_IF_ERROR(channel_.WriteBe32(0));
  channel_.set_read_timeout(phone_.options().answer_timeout);
  const absl::StatusOr<HostAnswer> answer = ReceiveAnswer("DLMessageUploadFiles");
  if (answer.ok() && has_early_input && answer->code == 0) {
    Violation("upload acknowledged before the batch had ended");
  }
  return ExpectOk(answer, "DLMessageUploadFiles");
}

absl::Status DeviceLink::ReceiveFile(const std::string& path, const DownloadSink& sink,
                                     DownloadResult& result) {
  MOORING_RETURN_IF_ERROR(sink.begin(path));
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const std::uint32_t length, channel_.ReadBe32());
    if (length == 0 || length > kFrameBytesMax) {
      return absl::InvalidArgumentError(fmt::format("download block of {} bytes", length));
    }
    MOORING_ASSIGN_OR_RETURN(const std::string code, channel_.ReadString(1));
    MOORING_ASSIGN_OR_RETURN(const std::string body, channel_.ReadString(length - 1));
    if (code[0] == kBlockData) {
      if (length > kDataFrameBytesMax) {
        Violation(fmt::format("data frame of {} bytes, more than 32 KiB", length - 1));
      }
      MOORING_RETURN_IF_ERROR(sink.data(body));
    } else if (code[0] == kBlockEnd) {
      if (length != 1) Violation("end block with a body");
      result.is_complete = true;
      return sink.end(path);
    } else if (code[0] == kBlockLocalError) {
      result.error = body.empty() ? "unnamed error" : body;
      return absl::OkStatus();
    } else {
      return absl::InvalidArgumentError(
          fmt::format("download block of unknown code {}", static_cast<int>(code[0])));
    }
  }
}

absl::StatusOr<std::map<std::string, DownloadResult>> DeviceLink::Download(
    const std::vector<std::string>& paths, const DownloadSink& sink) {
  Plist list = Plist::Array();
  for (const std::string& path : paths) list.Add(Plist::String(path));
  MOORING_RETURN_IF_ERROR(SendMessage(Verb("DLMessageDownloadFiles")
                                          .Add(std::move(list))
                                          .Add(Plist::Dict())
                                          .Add(Plist::Real(progress_))
                                          .Add(Plist::Integer(0))));
  channel_.set_read_timeout(phone_.options().answer_timeout);
  const std::set<std::string> wanted(paths.begin(), paths.end());
  std::map<std::string, DownloadResult> results;
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const std::uint32_t length, channel_.ReadBe32());
    if (length == 0) break;
    if (length > kPathBytesMax) {
      return absl::InvalidArgumentError(fmt::format("download path of {} bytes", length));
    }
    MOORING_ASSIGN_OR_RETURN(const std::string path, channel_.ReadString(length));
    if (!wanted.contains(path)) return absl::InvalidArgumentError("sent a file nobody asked for");
    if (results.contains(path)) Violation("sent a file twice");
    MOORING_RETURN_IF_ERROR(ReceiveFile(path, sink, results[path]));
  }
  MOORING_ASSIGN_OR_RETURN(const HostAnswer answer, ReceiveAnswer("DLMessageDownloadFiles"));
  bool all = true;
  for (const std::string& path : wanted) all = all && results[path].is_complete;
  if (all && answer.code != 0) Violation("download answered with an error though all was sent");
  if (!all && answer.code == 0) Violation("download answered with 0 though files are missing");
  if (!all && answer.code == kMultiStatus && answer.payload.dict_size() == 0) {
    Violation("multi status without the paths that failed");
  }
  return results;
}

absl::StatusOr<std::optional<std::string>> DeviceLink::DownloadSmall(const std::string& path) {
  std::string bytes;
  DownloadSink sink;
  sink.begin = [](const std::string&) { return absl::OkStatus(); };
  sink.end = sink.begin;
  sink.data = [&bytes](std::string_view piece) -> absl::Status {
    if (bytes.size() + piece.size() > kSmallFileBytesMax) {
      return absl::InvalidArgumentError("a small file is larger than 64 MiB");
    }
    bytes.append(piece);
    return absl::OkStatus();
  };
  absl::StatusOr<std::map<std::string, DownloadResult>> results = Download({path}, sink);
  if (!results.ok()) return results.status();
  if (!(*results)[path].is_complete) return std::optional<std::string>();
  return std::optional<std::string>(std::move(bytes));
}

}  // namespace mooring::testing
