#include "agent/ios/mb2_session.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "agent/ios/mb2_path.h"
#include "agent/ios/phone_failure.h"
#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::string_view kProcessMessage = "DLMessageProcessMessage";
constexpr std::string_view kDisconnect = "DLMessageDisconnect";
// DeviceLink's way to write an empty string.
constexpr std::string_view kEmptyString = "___EmptyParameterString___";
// A full backup of a large phone takes some ten thousand messages.
constexpr std::uint64_t kMessagesMax = 10'000'000;
constexpr std::int64_t kMultiStatus = -13;
constexpr std::int64_t kUnspecific = -1;

std::string VerbOf(const Plist& message) {
  return message.view().At(0).text().value_or("");
}

// Codes travel as unsigned 64-bit two's complement.
std::int64_t SignedCode(PlistView value) {
  return static_cast<std::int64_t>(value.integer().value_or(0));
}

absl::StatusOr<std::string> ListedPath(PlistView value, std::string_view udid) {
  const std::optional<std::string> text = value.text();
  if (!text) return ProtocolError("a path that is no text");
  MOORING_ASSIGN_OR_RETURN(PhonePath path, ParsePhonePath(*text, udid));
  if (!path.is_listed) return ProtocolError("a path that does not belong to a backup");
  return std::move(path.snapshot_path);
}

const char* FileTypeName(storage::EntryType type) {
  switch (type) {
    case storage::EntryType::kFile:
      return "DLFileTypeRegular";
    case storage::EntryType::kDirectory:
      return "DLFileTypeDirectory";
    case storage::EntryType::kSymlink:
      break;
  }
  return "DLFileTypeUnknown";
}

}  // namespace

const std::array<Mb2Session::Verb, 12> Mb2Session::kVerbs = {{
    {"DLMessageDownloadFiles", &Mb2Session::Download},
    {"DLMessageUploadFiles", &Mb2Session::Upload},
    {"DLContentsOfDirectory", &Mb2Session::ListDirectory},
    {"DLMessageCreateDirectory", &Mb2Session::MakeDirectory},
    {"DLMessageMoveItems", &Mb2Session::Move},
    {"DLMessageMoveFiles", &Mb2Session::Move},
    {"DLMessageRemoveItems", &Mb2Session::Remove},
    {"DLMessageRemoveFiles", &Mb2Session::Remove},
    {"DLMessageCopyItem", &Mb2Session::Copy},
    {"DLMessageGetFreeDiskSpace", &Mb2Session::FreeSpace},
    {"DLMessagePurgeDiskSpace", &Mb2Session::Purge},
    {"DLMessageContentsOfDirectory", &Mb2Session::ListDirectory},
}};

absl::Status Mb2Session::Open(const OpContext& ctx) {
  MOORING_CHECK(state_ == State::kConnected);
  const absl::Status opened = OpenSteps(ctx);
  state_ = opened.ok() ? State::kIdle : State::kBroken;
  return opened;
}

absl::Status Mb2Session::OpenSteps(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const Plist offer, channel_.Receive(ctx));
  const std::optional<std::uint64_t> major = offer.view().At(1).integer();
  if (VerbOf(offer) != "DLMessageVersionExchange" || !major) {
    return ProtocolError("no DeviceLink version");
  }
  // The phone's own version is echoed: the framing has been the same since the first.
  Plist accept = Plist::Array();
  accept.Add(Plist::String("DLMessageVersionExchange"))
      .Add(Plist::String("DLVersionsOk"))
      .Add(Plist::Integer(*major));
  MOORING_RETURN_IF_ERROR(channel_.SendBinary(ctx, accept));
  MOORING_ASSIGN_OR_RETURN(const Plist ready, channel_.Receive(ctx));
  if (VerbOf(ready) != "DLMessageDeviceReady") return ProtocolError("no DeviceLink readiness");

  Plist versions = Plist::Array();
  versions.Add(Plist::Real(2.0)).Add(Plist::Real(2.1));
  Plist hello = Plist::Dict();
  hello.Set("MessageName", Plist::String("Hello"))
      .Set("SupportedProtocolVersions", std::move(versions));
  MOORING_ASSIGN_OR_RETURN(const Plist answer, SendProcessMessage(ctx, std::move(hello)));
  const PlistView body = answer.view().At(1);
  if (VerbOf(answer) != kProcessMessage || body.Text("MessageName") != "Response") {
    return ProtocolError("no backup protocol version");
  }
  if (SignedCode(body.Get("ErrorCode")) != 0) {
    return Failure(absl::StatusCode::kFailedPrecondition, v1::CAUSE_PHONE_ERROR,
                   "the iPhone speaks another version of the backup protocol",
                   "Ask the administrator for a newer Mooring");
  }
  return absl::OkStatus();
}

absl::StatusOr<Plist> Mb2Session::SendProcessMessage(const OpContext& ctx, Plist request) {
  Plist message = Plist::Array();
  message.Add(Plist::String(kProcessMessage)).Add(std::move(request));
  MOORING_RETURN_IF_ERROR(channel_.SendBinary(ctx, message));
  return channel_.Receive(ctx);
}

absl::StatusOr<Mb2Response> Mb2Session::Run(const OpContext& ctx, const Plist& request) {
  MOORING_CHECK(state_ == State::kIdle);
  state_ = State::kServing;
  Plist message = Plist::Array();
  message.Add(Plist::String(kProcessMessage)).Add(Plist::CopyOf(request.view()));
  Mb2Response response;
  absl::Status served = channel_.SendBinary(ctx, message);
  if (served.ok()) served = Serve(ctx, response);
  response.received = received_;
  response.sent = sent_;
  state_ = served.ok() ? State::kIdle : State::kBroken;
  if (!served.ok()) return served;
  return response;
}

absl::Status Mb2Session::Serve(const OpContext& ctx, Mb2Response& response) {
  bool finished = false;
  for (std::uint64_t messages = 0; !finished; ++messages) {
    if (messages == kMessagesMax) return ProtocolError("messages without end");
    MOORING_ASSIGN_OR_RETURN(const Plist message, channel_.Receive(ctx));
    MOORING_RETURN_IF_ERROR(listener_.OnMessage());
    MOORING_RETURN_IF_ERROR(Dispatch(ctx, message.view(), response, finished));
  }
  return absl::OkStatus();
}

absl::Status Mb2Session::Dispatch(const OpContext& ctx, PlistView message, Mb2Response& response,
                                  bool& finished) {
  const std::optional<std::string> verb = message.At(0).text();
  if (!verb) return ProtocolError("a message without a verb");
  if (*verb == kProcessMessage) {
    const PlistView body = message.At(1);
    if (!body.is_dict()) return ProtocolError("a response without a body");
    response.error_code = SignedCode(body.Get("ErrorCode"));
    response.description = body.Text("ErrorDescription");
    finished = true;
    return absl::OkStatus();
  }
  if (*verb == kDisconnect) {
    return Failure(absl::StatusCode::kUnavailable, v1::CAUSE_PHONE_ERROR,
                   "the iPhone ended the conversation", "Unlock the iPhone and try again");
  }
  const auto known = std::find_if(kVerbs.begin(), kVerbs.end(),
                                  [&verb](const Verb& entry) { return entry.name == *verb; });
  if (known == kVerbs.end()) {
    return Answer(ctx, kUnspecific, "Operation not supported", Plist::Dict());
  }
  return (this->*known->handle)(ctx, message);
}

absl::Status Mb2Session::Download(const OpContext& ctx, PlistView message) {
  TellPercent(message.At(3));
  std::vector<RequestedFile> requested;
  std::vector<std::string> known;
  MOORING_RETURN_IF_ERROR(message.At(1).ForEachItem([&](PlistView item) -> absl::Status {
    const std::optional<std::string> text = item.text();
    if (!text) return ProtocolError("a path that is no text");
    MOORING_ASSIGN_OR_RETURN(PhonePath path, ParsePhonePath(*text, udid_));
    if (path.is_listed) known.push_back(path.snapshot_path);
    requested.push_back({*text, std::move(path.snapshot_path)});
    return absl::OkStatus();
  }));
  files_.WillRead(known);
  std::vector<UnsentFile> unsent;
  MOORING_ASSIGN_OR_RETURN(const TransferCounts counts,
                           SendFiles(ctx, channel_.stream(), requested, files_, unsent,
                                     [this](std::uint64_t files, std::uint64_t bytes) {
                                       listener_.OnMoved(files, bytes);
                                     }));
  sent_.files += counts.files;
  sent_.bytes += counts.bytes;
  sent_.failed += counts.failed;
  if (unsent.empty()) return Answer(ctx, 0, "", Plist::Dict());
  Plist errors = Plist::Dict();
  for (const UnsentFile& file : unsent) {
    Plist error = Plist::Dict();
    error.Set("DLFileErrorString", Plist::String(file.text))
        .Set("DLFileErrorCode", Plist::Integer(static_cast<std::uint64_t>(file.code)));
    errors.Set(file.path.c_str(), std::move(error));
  }
  return Answer(ctx, kMultiStatus, "Multi status", std::move(errors));
}

absl::Status Mb2Session::Upload(const OpContext& ctx, PlistView message) {
  TellPercent(message.At(2));
  MOORING_RETURN_IF_ERROR(ReceiveFiles(
      ctx, channel_.stream(), udid_, files_, received_,
      [this](std::uint64_t files, std::uint64_t bytes) { listener_.OnMoved(files, bytes); }));
  return Answer(ctx, 0, "", Plist::Dict());
}

absl::Status Mb2Session::ListDirectory(const OpContext& ctx, PlistView message) {
  const std::optional<std::string> text = message.At(1).text();
  if (!text) return ProtocolError("a path that is no text");
  MOORING_ASSIGN_OR_RETURN(const PhonePath path, ParsePhonePath(*text, udid_));
  Plist entries = Plist::Dict();
  if (path.is_listed) {
    for (const storage::ListedEntry& entry : files_.List(path.snapshot_path)) {
      Plist facts = Plist::Dict();
      facts.Set("DLFileType", Plist::String(FileTypeName(entry.type)))
          .Set("DLFileSize", Plist::Integer(entry.size_bytes))
          .Set("DLFileModificationDate", Plist::Date(entry.modified_unix_ns / 1'000'000'000));
      entries.Set(entry.name.c_str(), std::move(facts));
    }
  }
  return Answer(ctx, 0, "", std::move(entries));
}

absl::Status Mb2Session::MakeDirectory(const OpContext& ctx, PlistView message) {
  TellPercent(message.At(3));
  MOORING_ASSIGN_OR_RETURN(const std::string path, ListedPath(message.At(1), udid_));
  return AnswerResult(ctx, files_.MakeDirectory(path));
}

absl::Status Mb2Session::Move(const OpContext& ctx, PlistView message) {
  TellPercent(message.At(3));
  std::vector<std::pair<std::string, std::string>> moves;
  // All paths are judged before the first move.
  MOORING_RETURN_IF_ERROR(
      message.At(1).ForEachEntry([&](const std::string& key, PlistView value) -> absl::Status {
        MOORING_ASSIGN_OR_RETURN(PhonePath from, ParsePhonePath(key, udid_));
        MOORING_ASSIGN_OR_RETURN(std::string to, ListedPath(value, udid_));
        if (!from.is_listed) return ProtocolError("a path that does not belong to a backup");
        // An overlay cannot move a tree into itself, and no phone asks for it.
        if (from.snapshot_path == kFullRoot || to == kFullRoot) {
          return ProtocolError("a move of the whole backup");
        }
        moves.emplace_back(std::move(from.snapshot_path), std::move(to));
        return absl::OkStatus();
      }));
  absl::Status result;
  for (const auto& [from, to] : moves) {
    const absl::Status moved = from == to ? absl::OkStatus() : files_.Move(from, to);
    if (!moved.ok() && !absl::IsNotFound(moved)) return AnswerResult(ctx, moved);
    if (!moved.ok()) result = moved;
  }
  return AnswerResult(ctx, result);
}

absl::Status Mb2Session::Remove(const OpContext& ctx, PlistView message) {
  TellPercent(message.At(3));
  std::vector<std::string> paths;
  MOORING_RETURN_IF_ERROR(message.At(1).ForEachItem([&](PlistView item) -> absl::Status {
    const std::optional<std::string> text = item.text();
    if (!text) return ProtocolError("a path that is no text");
    MOORING_ASSIGN_OR_RETURN(PhonePath path, ParsePhonePath(*text, udid_));
    if (path.is_listed) paths.push_back(std::move(path.snapshot_path));
    return absl::OkStatus();
  }));
  for (const std::string& path : paths) {
    const absl::Status removed = files_.Remove(path);
    if (!removed.ok() && !absl::IsNotFound(removed)) return AnswerResult(ctx, removed);
  }
  return AnswerResult(ctx, absl::OkStatus());
}

absl::Status Mb2Session::Copy(const OpContext& ctx, PlistView message) {
  MOORING_ASSIGN_OR_RETURN(const std::string from, ListedPath(message.At(1), udid_));
  MOORING_ASSIGN_OR_RETURN(const std::string to, ListedPath(message.At(2), udid_));
  if (from == kFullRoot || to == kFullRoot) return ProtocolError("a copy of the whole backup");
  return AnswerResult(ctx, files_.Copy(from, to));
}

absl::Status Mb2Session::FreeSpace(const OpContext& ctx, PlistView) {
  return Answer(ctx, 0, "", Plist::Integer(files_.free_bytes()));
}

absl::Status Mb2Session::Purge(const OpContext& ctx, PlistView) {
  return Answer(ctx, kUnspecific, "Operation not supported", Plist::Dict());
}

void Mb2Session::TellPercent(PlistView value) {
  const std::optional<double> percent = value.number();
  // Written so that NaN fails, too. Phones send -1 or 0 while they do not know.
  if (percent && *percent > 0 && *percent <= 100) listener_.OnPercent(static_cast<int>(*percent));
}

absl::Status Mb2Session::Answer(const OpContext& ctx, std::int64_t code, std::string_view text,
                                Plist payload) {
  Plist status = Plist::Array();
  status.Add(Plist::String("DLMessageStatusResponse"))
      .Add(Plist::Integer(static_cast<std::uint64_t>(code)))
      .Add(Plist::String(text.empty() ? kEmptyString : text))
      .Add(std::move(payload));
  return channel_.SendBinary(ctx, status);
}

absl::Status Mb2Session::AnswerResult(const OpContext& ctx, const absl::Status& result) {
  if (result.ok()) return Answer(ctx, 0, "", Plist::Dict());
  if (!absl::IsNotFound(result) && !absl::IsPermissionDenied(result)) return result;
  return Answer(ctx, DeviceLinkCode(result),
                absl::IsNotFound(result) ? "No such file or directory" : "Operation not permitted",
                Plist::Dict());
}

void Mb2Session::Close(const OpContext& ctx) {
  if (state_ != State::kIdle) return;
  Plist goodbye = Plist::Array();
  goodbye.Add(Plist::String(kDisconnect)).Add(Plist::String(kEmptyString));
  state_ = channel_.SendBinary(ctx, goodbye).ok() ? State::kClosed : State::kBroken;
}

}  // namespace mooring::agent
