#include "tests/phones/iphone/scripted_host.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/iphone/plist_service.h"

namespace mooring::testing {
namespace {

constexpr std::uint32_t kPathBytesMax = 1024;
constexpr std::uint32_t kBlockBytesMax = 16 << 20;
constexpr std::uint32_t kMessageBytesMax = 8 << 20;
constexpr std::size_t kFileBytesMax = 64 << 20;

bool IsPayload(const std::string& path) {
  return path.size() > 43 && path.find("/Snapshot/") == std::string::npos &&
         path[path.size() - 41] == '/';
}

std::uint64_t BigEndian(std::string_view bytes, std::size_t at, std::size_t width) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < width; ++i) {
    value = (value << 8) | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

// Whether a binary property list is an array that begins with a string. Looks at the
// bytes themselves, since parsing a malicious list can take for ever.
bool BeginsWithVerb(std::string_view bytes) {
  if (bytes.size() < 40 || !bytes.starts_with("bplist00")) return false;
  const std::size_t trailer = bytes.size() - 32;
  const std::size_t offset_width = BigEndian(bytes, trailer + 6, 1);
  const std::size_t ref_width = BigEndian(bytes, trailer + 7, 1);
  const std::uint64_t count = BigEndian(bytes, trailer + 8, 8);
  const std::uint64_t root = BigEndian(bytes, trailer + 16, 8);
  const std::uint64_t table = BigEndian(bytes, trailer + 24, 8);
  if (offset_width < 1 || offset_width > 4 || ref_width < 1 || ref_width > 4 || root >= count ||
      count > bytes.size() || table > trailer || table + count * offset_width > trailer) {
    return false;
  }
  const std::uint64_t array = BigEndian(bytes, table + root * offset_width, offset_width);
  if (array + 1 + ref_width > table || (BigEndian(bytes, array, 1) & 0xF0) != 0xA0) return false;
  const std::uint64_t verb = BigEndian(bytes, array + 1, ref_width);
  if (verb >= count) return false;
  const std::uint64_t text = BigEndian(bytes, table + verb * offset_width, offset_width);
  return text < table && (BigEndian(bytes, text, 1) & 0xF0) == 0x50;
}

}  // namespace

absl::StatusOr<Plist> ScriptedHost::Receive() {
  MOORING_ASSIGN_OR_RETURN(const std::uint32_t length, channel_.ReadBe32());
  if (length == 0 || length > kMessageBytesMax) {
    return absl::InvalidArgumentError("message length out of bounds");
  }
  MOORING_ASSIGN_OR_RETURN(const std::string bytes, channel_.ReadString(length));
  if (!BeginsWithVerb(bytes)) return absl::InvalidArgumentError("message without a verb");
  return Plist::Parse(bytes);
}

absl::Status ScriptedHost::Send(const Plist& message) {
  return SendBinaryPlist(channel_, message);
}

absl::Status ScriptedHost::AnswerStatus(std::int64_t code, std::string_view text, Plist payload) {
  Plist answer = Plist::Array();
  answer.Add(Plist::String("DLMessageStatusResponse"))
      .Add(Plist::Integer(static_cast<std::uint64_t>(code)))
      .Add(Plist::String(text.empty() ? "___EmptyParameterString___" : text));
  if (mistake_ != Mistake::kThreeItemAnswers) {
    answer.Add(payload.exists() ? std::move(payload) : Plist::Dict());
  }
  return Send(answer);
}

absl::StatusOr<std::uint64_t> ScriptedHost::Run(const std::string& request) {
  MOORING_RETURN_IF_ERROR(Receive().status());
  MOORING_RETURN_IF_ERROR(Send(Plist::Array()
                                   .Add(Plist::String("DLMessageVersionExchange"))
                                   .Add(Plist::String("DLVersionsOk"))
                                   .Add(Plist::Integer(400))));
  MOORING_RETURN_IF_ERROR(Receive().status());
  const auto process = [this](Plist body) {
    return Send(Plist::Array().Add(Plist::String("DLMessageProcessMessage")).Add(std::move(body)));
  };
  MOORING_RETURN_IF_ERROR(
      process(Plist::Dict()
                  .Set("MessageName", "Hello")
                  .Set("SupportedProtocolVersions",
                       Plist::Array().Add(Plist::Real(2.0)).Add(Plist::Real(2.1)))));
  MOORING_RETURN_IF_ERROR(Receive().status());
  MOORING_RETURN_IF_ERROR(
      process(Plist::Dict()
                  .Set("MessageName", request)
                  .Set("TargetIdentifier", mistake_ == Mistake::kWrongTarget ? "other" : udid_)));
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const Plist message, Receive());
    verbs_.push_back(message.At(0).AsString().value_or(""));
    if (verbs_.back() == "DLMessageProcessMessage") {
      MOORING_RETURN_IF_ERROR(Send(Plist::Array()
                                       .Add(Plist::String("DLMessageDisconnect"))
                                       .Add(Plist::String("___EmptyParameterString___"))));
      return message.At(1).IntegerOr("ErrorCode", 999);
    }
    MOORING_RETURN_IF_ERROR(Serve(message));
  }
}

absl::Status ScriptedHost::Serve(const Plist& message) {
  const std::string& verb = verbs_.back();
  if (verb == "DLMessageUploadFiles") return TakeUploads();
  if (verb == "DLMessageDownloadFiles") return SendDownloads(message);
  if (verb == "DLContentsOfDirectory") return List(message.At(1).AsString().value_or(""));
  if (verb == "DLMessageCreateDirectory") return AnswerStatus(0, "", {});
  if (verb == "DLMessageGetFreeDiskSpace") {
    return AnswerStatus(0, "", Plist::Integer(1ULL << 40));
  }
  if (verb == "DLMessagePurgeDiskSpace") return AnswerStatus(-1, "cannot purge", {});
  if (verb == "DLMessageMoveItems") {
    message.At(1).ForEach(
        [this](const std::string& from, PlistView to) { Move(from, to.AsString().value_or("")); });
    return AnswerStatus(0, "", {});
  }
  if (verb == "DLMessageRemoveItems") {
    for (const std::string& path : message.At(1).Strings()) {
      if (!path.starts_with(udid_ + "/")) return absl::InvalidArgumentError("path out of bounds");
      if (mistake_ != Mistake::kIgnoresRemove) RemoveTree(path);
    }
    return AnswerStatus(0, "", {});
  }
  return absl::InvalidArgumentError(fmt::format("unknown verb {}", verb));
}

absl::Status ScriptedHost::TakeUploads() {
  if (mistake_ == Mistake::kAcknowledgesEarly) {
    MOORING_RETURN_IF_ERROR(AnswerStatus(0, "", {}));
  }
  while (true) {
    std::string paths[2];
    for (std::string& path : paths) {
      MOORING_ASSIGN_OR_RETURN(const std::uint32_t length, channel_.ReadBe32());
      if (length == 0 && &path == &paths[0]) {
        return mistake_ == Mistake::kAcknowledgesEarly ? absl::OkStatus() : AnswerStatus(0, "", {});
      }
      if (length > kPathBytesMax) return absl::InvalidArgumentError("name length out of bounds");
      MOORING_ASSIGN_OR_RETURN(path, channel_.ReadString(length));
    }
    const std::string& path = paths[1];
    if (!path.starts_with(udid_ + "/") || path.find("..") != std::string::npos ||
        path.find('\0') != std::string::npos) {
      return absl::InvalidArgumentError("path out of bounds");
    }
    std::string content;
    while (true) {
      MOORING_ASSIGN_OR_RETURN(const std::uint32_t length, channel_.ReadBe32());
      if (length == 0 || length > kBlockBytesMax) {
        return absl::InvalidArgumentError("block length out of bounds");
      }
      char code = 0;
      MOORING_RETURN_IF_ERROR(channel_.Read(&code, 1));
      MOORING_ASSIGN_OR_RETURN(const std::string block, channel_.ReadString(length - 1));
      if (code != 0x0C) break;
      content += block;
      if (content.size() > kFileBytesMax) return absl::InvalidArgumentError("file too large");
    }
    files_[path] = std::move(content);
  }
}

absl::Status ScriptedHost::SendDownloads(const Plist& message) {
  Plist missing = Plist::Dict();
  for (const std::string& path : message.At(1).Strings()) {
    MOORING_RETURN_IF_ERROR(channel_.WriteBe32(static_cast<std::uint32_t>(path.size())));
    MOORING_RETURN_IF_ERROR(channel_.Write(path));
    const auto file = files_.find(path);
    if (file == files_.end()) {
      MOORING_RETURN_IF_ERROR(channel_.WriteBe32(4));
      MOORING_RETURN_IF_ERROR(channel_.Write("\x06no!"));
      missing.Set(path.c_str(), Plist::Dict()
                                    .Set("DLFileErrorString", "No such file or directory")
                                    .Set("DLFileErrorCode", Plist::Integer(6)));
      continue;
    }
    std::string content = file->second;
    if (mistake_ == Mistake::kFlipsAByte && path.ends_with("Manifest.db")) content[5000] ^= 1;
    const std::size_t frame = mistake_ == Mistake::kLargeFrames ? 1 << 20 : 32 << 10;
    for (std::size_t at = 0; at < content.size(); at += frame) {
      const std::string piece = content.substr(at, frame);
      MOORING_RETURN_IF_ERROR(channel_.WriteBe32(static_cast<std::uint32_t>(piece.size() + 1)));
      MOORING_RETURN_IF_ERROR(channel_.Write("\x0C"));
      MOORING_RETURN_IF_ERROR(channel_.Write(piece));
    }
    MOORING_RETURN_IF_ERROR(channel_.WriteBe32(1));
    MOORING_RETURN_IF_ERROR(channel_.Write({"\0", 1}));
  }
  MOORING_RETURN_IF_ERROR(channel_.WriteBe32(0));
  if (missing.dict_size() == 0 || mistake_ == Mistake::kSendsZeroForMissing) {
    return AnswerStatus(0, "", {});
  }
  return AnswerStatus(-13, "Multi status", std::move(missing));
}

absl::Status ScriptedHost::List(const std::string& path) {
  std::map<std::string, std::size_t> entries;  // Directories have size npos.
  for (const auto& [name, content] : files_) {
    if (!name.starts_with(path + "/")) continue;
    const std::string rest = name.substr(path.size() + 1);
    const std::size_t slash = rest.find('/');
    entries[rest.substr(0, slash)] =
        slash == std::string::npos ? content.size() : std::string::npos;
  }
  Plist list = Plist::Dict();
  for (const auto& [name, size] : entries) {
    const bool is_directory = size == std::string::npos;
    const bool is_victim = name == "3d0d7e5fb2ce288813306e4d4636395e047a3d28";  // sms.db
    if (is_victim && mistake_ == Mistake::kHidesAFile) continue;
    const std::uint64_t lie = is_victim && mistake_ == Mistake::kLiesAboutSize ? 1 : 0;
    list.Set(name.c_str(),
             Plist::Dict()
                 .Set("DLFileType", is_directory ? "DLFileTypeDirectory" : "DLFileTypeRegular")
                 .Set("DLFileSize", Plist::Integer(is_directory ? 0 : size + lie))
                 .Set("DLFileModificationDate", Plist::DateFromUnix(1'700'000'000)));
  }
  return AnswerStatus(0, "", std::move(list));
}

void ScriptedHost::Move(const std::string& from, const std::string& to) {
  std::map<std::string, std::string> moved;
  for (auto at = files_.lower_bound(from); at != files_.end() && at->first.starts_with(from);) {
    if (at->first == from || at->first[from.size()] == '/') {
      moved[to + at->first.substr(from.size())] = std::move(at->second);
      at = files_.erase(at);
    } else {
      ++at;
    }
  }
  RemoveTree(to);
  if (mistake_ == Mistake::kForgetsAFile && !moved.empty() && IsPayload(moved.rbegin()->first)) {
    moved.erase(std::prev(moved.end()));
  }
  files_.merge(moved);
}

void ScriptedHost::RemoveTree(const std::string& path) {
  std::erase_if(files_, [&](const auto& file) {
    return file.first == path || file.first.starts_with(path + "/");
  });
}

}  // namespace mooring::testing
