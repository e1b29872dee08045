// AFC: the media partition (/var/mobile/Media) over USB. Shows the files of
// CameraRollDomain below Media/ (DCIM above all) and what hosts wrote.
//
// Packet: "CFA6LPAA", u64 little-endian length of the whole, u64 length of header and
// fixed part, u64 packet number (echoed), u64 operation; then the fixed part and the data.

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "storage/base/bytes.h"
#include "storage/base/status.h"
#include "tests/phones/iphone/services.h"

namespace mooring::testing {
namespace {

constexpr std::string_view kMagic = "CFA6LPAA";
constexpr std::size_t kHeaderBytes = 40;
constexpr std::uint64_t kPacketBytesMax = 32 << 20;
constexpr std::uint64_t kReadBytesMax = 4 << 20;
constexpr std::size_t kOpenFilesMax = 255;
constexpr std::string_view kMediaDomain = "CameraRollDomain";

enum Operation : std::uint64_t {
  kStatusReply = 0x01,
  kDataReply = 0x02,
  kReadDirectory = 0x03,
  kRemovePath = 0x08,
  kMakeDirectory = 0x09,
  kGetFileInfo = 0x0A,
  kGetDeviceInfo = 0x0B,
  kFileOpen = 0x0D,
  kFileOpenReply = 0x0E,
  kFileRead = 0x0F,
  kFileWrite = 0x10,
  kFileSeek = 0x11,
  kFileTell = 0x12,
  kFileTellReply = 0x13,
  kFileClose = 0x14,
  kFileTruncate = 0x15,
  kRenamePath = 0x18,
  kFileLock = 0x1B,
  kSetFileTime = 0x1E,
  kRemoveTree = 0x22,
};

enum StatusCode : std::uint64_t {
  kSuccess = 0,
  kUnknownOperation = 1,
  kInvalidArgument = 7,
  kNotFound = 8,
  kIsDirectory = 9,
  kPermissionDenied = 10,
  kNoResources = 14,
  kWouldBlock = 19,
};

std::string Le64(std::uint64_t value) {
  Bytes bytes;
  AppendLe64(bytes, value);
  return ToString(bytes);
}

struct Packet {
  std::uint64_t number = 0;
  std::uint64_t operation = 0;
  std::string body;

  std::uint64_t word(std::size_t index) const {
    return body.size() < (index + 1) * 8 ? 0 : LoadLe64(AsBytes(body), index * 8);
  }
  // The text from `offset` up to its NUL.
  std::string text(std::size_t offset) const {
    if (offset >= body.size()) return {};
    return body.substr(offset, body.find('\0', offset) - offset);
  }
};

struct OpenFile {
  std::string path;
  std::optional<ContentRef> content;  // A file of the phone; read-only here.
  std::string bytes;                  // Of a file of the host's.
  std::uint64_t position = 0;
  bool is_writable = false;
  bool is_changed = false;
  bool is_locked = false;
};

class AfcConversation {
 public:
  AfcConversation(Phone& phone, Channel& channel)
      : phone_(phone), channel_(channel), files_(phone.files()) {}
  ~AfcConversation() {
    if (holds_lock_) phone_.UnlockSync(owner());
  }

  absl::Status Run();

 private:
  absl::StatusOr<Packet> Receive();
  absl::Status Reply(const Packet& request, std::uint64_t operation, std::string_view body);
  absl::Status Status(const Packet& request, StatusCode code) {
    return Reply(request, kStatusReply, Le64(code));
  }
  absl::Status Answer(const Packet& request);
  absl::Status AnswerFile(const Packet& request);
  absl::Status List(const Packet& request);
  absl::Status Info(const Packet& request);
  absl::Status Open(const Packet& request);
  absl::Status Read(const Packet& request, OpenFile& file);
  absl::Status Write(const Packet& request, OpenFile& file);
  absl::Status Lock(const Packet& request, OpenFile& file);
  absl::Status Close(const Packet& request, OpenFile& file);
  const FileEntry* FindMedia(const std::string& path) const;
  std::set<std::string> Children(const std::string& path);
  std::uint64_t owner() const { return reinterpret_cast<std::uintptr_t>(this); }

  Phone& phone_;
  Channel& channel_;
  const std::shared_ptr<const FileTable> files_;  // As it was when the host came.
  std::map<std::uint64_t, OpenFile> open_;
  std::uint64_t last_handle_ = 0;
  bool holds_lock_ = false;
};

// One leading slash, none at the end, none doubled.
std::string Normalize(std::string_view path) {
  std::string clean;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0 && path.substr(0, slash) != ".") {
      clean += '/';
      clean += path.substr(0, slash);
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return clean.empty() ? "/" : clean;
}

absl::Status AfcConversation::Run() {
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const Packet request, Receive());
    MOORING_RETURN_IF_ERROR(Answer(request));
  }
}

absl::StatusOr<Packet> AfcConversation::Receive() {
  MOORING_ASSIGN_OR_RETURN(const std::string header, channel_.ReadString(kHeaderBytes));
  const std::uint64_t whole = LoadLe64(AsBytes(header), 8);
  if (!header.starts_with(kMagic) || whole < kHeaderBytes || whole > kPacketBytesMax) {
    return absl::InvalidArgumentError(fmt::format("AFC packet of {} bytes", whole));
  }
  Packet packet;
  packet.number = LoadLe64(AsBytes(header), 24);
  packet.operation = LoadLe64(AsBytes(header), 32);
  MOORING_ASSIGN_OR_RETURN(packet.body, channel_.ReadString(whole - kHeaderBytes));
  return packet;
}

absl::Status AfcConversation::Reply(const Packet& request, std::uint64_t operation,
                                    std::string_view body) {
  const std::uint64_t whole = kHeaderBytes + body.size();
  const std::uint64_t fixed = operation == kDataReply ? kHeaderBytes : whole;
  MOORING_RETURN_IF_ERROR(channel_.Write(kMagic));
  MOORING_RETURN_IF_ERROR(
      channel_.Write(Le64(whole) + Le64(fixed) + Le64(request.number) + Le64(operation)));
  MOORING_RETURN_IF_ERROR(channel_.Write(body));
  return channel_.Flush();
}

absl::Status AfcConversation::Answer(const Packet& request) {
  switch (request.operation) {
    case kReadDirectory:
      return List(request);
    case kGetFileInfo:
      return Info(request);
    case kGetDeviceInfo: {
      const std::string total = std::to_string(phone_.options().capacity_bytes);
      std::string body;
      for (const std::string& text :
           {std::string("Model"), phone_.identity().product_type, std::string("FSTotalBytes"),
            total, std::string("FSFreeBytes"), total, std::string("FSBlockSize"),
            std::string("4096")}) {
        body += text + '\0';
      }
      return Reply(request, kDataReply, body);
    }
    case kFileOpen:
      return Open(request);
    case kMakeDirectory:
    case kSetFileTime:
      return Status(request, kSuccess);
    case kRemovePath:
    case kRemoveTree:
      if (FindMedia(Normalize(request.text(0))) != nullptr) {
        return Status(request, kPermissionDenied);
      }
      phone_.RemoveHostFile(Normalize(request.text(0)));
      return Status(request, kSuccess);
    case kRenamePath: {
      const std::string from = Normalize(request.text(0));
      const std::string to = Normalize(request.text(request.text(0).size() + 1));
      const std::optional<std::string> bytes = phone_.ReadHostFile(from);
      if (!bytes) return Status(request, kNotFound);
      MOORING_RETURN_IF_ERROR(phone_.WriteHostFile(to, *bytes));
      phone_.RemoveHostFile(from);
      return Status(request, kSuccess);
    }
    default:
      return AnswerFile(request);
  }
}

absl::Status AfcConversation::AnswerFile(const Packet& request) {
  const auto found = open_.find(request.word(0));
  if (found == open_.end()) {
    const bool known = request.operation >= kFileRead && request.operation <= kFileLock;
    return Status(request, known ? kInvalidArgument : kUnknownOperation);
  }
  OpenFile& file = found->second;
  switch (request.operation) {
    case kFileRead:
      return Read(request, file);
    case kFileWrite:
      return Write(request, file);
    case kFileLock:
      return Lock(request, file);
    case kFileClose:
      return Close(request, file);
    case kFileTell:
      return Reply(request, kFileTellReply, Le64(file.position));
    case kFileTruncate:
      if (request.word(1) > kPacketBytesMax) return Status(request, kNoResources);
      file.bytes.resize(request.word(1));
      file.is_changed = true;
      return Status(request, kSuccess);
    case kFileSeek: {
      const std::uint64_t size = file.content ? file.content->size_bytes : file.bytes.size();
      const std::uint64_t base = request.word(1) == 0   ? 0
                                 : request.word(1) == 1 ? file.position
                                                        : size;
      file.position = base + request.word(2);
      return Status(request, kSuccess);
    }
    default:
      return Status(request, kUnknownOperation);
  }
}

const FileEntry* AfcConversation::FindMedia(const std::string& path) const {
  return files_->Find({std::string(kMediaDomain), "Media" + path});
}

std::set<std::string> AfcConversation::Children(const std::string& path) {
  std::set<std::string> names;
  const std::string below = path == "/" ? "/" : path + "/";
  const auto add = [&](std::string_view whole) {
    if (!whole.starts_with(below)) return false;
    const std::string_view rest = whole.substr(below.size());
    names.emplace(rest.substr(0, rest.find('/')));
    return true;
  };
  for (auto at = files_->files().lower_bound({std::string(kMediaDomain), "Media" + below});
       at != files_->files().end() && at->first.domain == kMediaDomain &&
       add(std::string_view(at->first.path).substr(5));
       ++at) {
  }
  for (const std::string& file : phone_.HostFiles()) add(file);
  return names;
}

absl::Status AfcConversation::List(const Packet& request) {
  const std::string path = Normalize(request.text(0));
  const std::set<std::string> names = Children(path);
  const FileEntry* entry = FindMedia(path);
  const bool is_directory = entry != nullptr && entry->kind == FileEntry::Kind::kDirectory;
  if (names.empty() && path != "/" && !is_directory) return Status(request, kNotFound);
  std::string body{".\0..\0", 5};
  for (const std::string& name : names) body += name + '\0';
  return Reply(request, kDataReply, body);
}

absl::Status AfcConversation::Info(const Packet& request) {
  const std::string path = Normalize(request.text(0));
  const FileEntry* entry = FindMedia(path);
  const std::optional<std::string> host_file = phone_.ReadHostFile(path);
  if (entry == nullptr && !host_file && path != "/" && Children(path).empty()) {
    return Status(request, kNotFound);
  }
  std::string_view type = "S_IFDIR";
  std::uint64_t size = 0;
  std::int64_t modified = 1'700'000'000;
  if (entry != nullptr) {
    size = entry->content.size_bytes;
    modified = entry->modified_unix;
    if (entry->kind == FileEntry::Kind::kFile) type = "S_IFREG";
    if (entry->kind == FileEntry::Kind::kSymlink) type = "S_IFLNK";
  } else if (host_file) {
    size = host_file->size();
    type = "S_IFREG";
  }
  std::string body;
  for (const std::string& text :
       {std::string("st_size"), std::to_string(size), std::string("st_blocks"),
        std::to_string((size + 511) / 512), std::string("st_nlink"), std::string("1"),
        std::string("st_ifmt"), std::string(type), std::string("st_mtime"),
        fmt::format("{}000000000", modified), std::string("st_birthtime"),
        fmt::format("{}000000000", modified)}) {
    body += text + '\0';
  }
  if (type == "S_IFLNK") body += std::string("LinkTarget") + '\0' + entry->target + '\0';
  return Reply(request, kDataReply, body);
}

absl::Status AfcConversation::Open(const Packet& request) {
  const std::uint64_t mode = request.word(0);  // 1 r, 2 r+, 3 w, 4 w+, 5 a, 6 a+.
  OpenFile file;
  file.path = Normalize(request.text(8));
  const FileEntry* entry = FindMedia(file.path);
  if (open_.size() >= kOpenFilesMax) return Status(request, kNoResources);
  if (mode < 1 || mode > 6) return Status(request, kInvalidArgument);
  if (entry != nullptr) {
    if (entry->kind != FileEntry::Kind::kFile) return Status(request, kIsDirectory);
    if (mode != 1) return Status(request, kPermissionDenied);
    file.content = entry->content;
  } else {
    const std::optional<std::string> bytes = phone_.ReadHostFile(file.path);
    if (!bytes && mode == 1) return Status(request, kNotFound);
    if (bytes && mode != 3 && mode != 4) file.bytes = *bytes;
    file.is_writable = mode != 1;
    file.is_changed = !bytes || mode == 3 || mode == 4;
    if (mode >= 5) file.position = file.bytes.size();
  }
  open_.emplace(++last_handle_, std::move(file));
  return Reply(request, kFileOpenReply, Le64(last_handle_));
}

absl::Status AfcConversation::Read(const Packet& request, OpenFile& file) {
  const std::uint64_t size = file.content ? file.content->size_bytes : file.bytes.size();
  const std::uint64_t left = file.position < size ? size - file.position : 0;
  const std::uint64_t length = std::min({request.word(1), left, kReadBytesMax});
  std::string bytes(length, '\0');
  if (file.content) {
    MOORING_RETURN_IF_ERROR(phone_.library().Read(*file.content, file.position, bytes));
  } else {
    bytes = file.bytes.substr(std::min<std::uint64_t>(file.position, size), length);
  }
  file.position += length;
  return Reply(request, kDataReply, bytes);
}

absl::Status AfcConversation::Write(const Packet& request, OpenFile& file) {
  if (!file.is_writable || request.body.size() < 8) return Status(request, kPermissionDenied);
  const std::string_view bytes = std::string_view(request.body).substr(8);
  if (file.position + bytes.size() > kPacketBytesMax) return Status(request, kNoResources);
  if (file.bytes.size() < file.position + bytes.size()) {
    file.bytes.resize(file.position + bytes.size());
  }
  bytes.copy(file.bytes.data() + file.position, bytes.size());
  file.position += bytes.size();
  file.is_changed = true;
  return Status(request, kSuccess);
}

absl::Status AfcConversation::Lock(const Packet& request, OpenFile& file) {
  constexpr std::uint64_t kUnlock = 8;  // LOCK_UN; with LOCK_NB (4) it travels as 12.
  if (file.path != "/com.apple.itunes.lock_sync") return Status(request, kSuccess);
  if ((request.word(1) & kUnlock) != 0) {
    phone_.UnlockSync(owner());
    holds_lock_ = file.is_locked = false;
    return Status(request, kSuccess);
  }
  if (!phone_.LockSync(owner())) return Status(request, kWouldBlock);
  holds_lock_ = file.is_locked = true;
  return Status(request, kSuccess);
}

absl::Status AfcConversation::Close(const Packet& request, OpenFile& file) {
  StatusCode code = kSuccess;
  if (file.is_changed && !phone_.WriteHostFile(file.path, std::move(file.bytes)).ok()) {
    code = kNoResources;
  }
  if (file.is_locked) {
    phone_.UnlockSync(owner());
    holds_lock_ = false;
  }
  open_.erase(request.word(0));
  return Status(request, code);
}

}  // namespace

absl::Status ServeAfc(Phone& phone, Channel& channel) {
  return AfcConversation(phone, channel).Run();
}

}  // namespace mooring::testing
