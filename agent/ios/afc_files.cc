#include "agent/ios/afc_files.h"

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::uint32_t kPieceBytes = 256 << 10;

struct FreeStrings {
  void operator()(char** strings) const { afc_dictionary_free(strings); }
};
using Strings = std::unique_ptr<char*, FreeStrings>;

class OpenFile {
 public:
  static absl::StatusOr<OpenFile> Open(afc_client_t afc, const std::string& path,
                                       afc_file_mode_t mode) {
    std::uint64_t handle = 0;
    MOORING_RETURN_IF_ERROR(
        AfcStatus(afc_file_open(afc, path.c_str(), mode, &handle), "open a file"));
    return OpenFile(afc, handle);
  }
  OpenFile(OpenFile&& other) noexcept : afc_(other.afc_), handle_(other.handle_) {
    other.afc_ = nullptr;
  }
  OpenFile& operator=(OpenFile&&) = delete;
  ~OpenFile() {
    if (afc_ != nullptr) afc_file_close(afc_, handle_);
  }
  std::uint64_t handle() const { return handle_; }

 private:
  OpenFile(afc_client_t afc, std::uint64_t handle) : afc_(afc), handle_(handle) {}
  afc_client_t afc_;
  std::uint64_t handle_;
};

std::uint64_t ParseNumber(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

bool IsComponent(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 255 &&
         name.find('/') == std::string_view::npos;
}

}  // namespace

absl::StatusOr<AfcInfo> StatAfc(afc_client_t afc, const std::string& path) {
  char** raw = nullptr;
  const afc_error_t error = afc_get_file_info(afc, path.c_str(), &raw);
  const Strings pairs(raw);
  MOORING_RETURN_IF_ERROR(AfcStatus(error, "look at a file"));
  AfcInfo info;
  for (char** pair = raw; pair != nullptr && pair[0] != nullptr && pair[1] != nullptr; pair += 2) {
    const std::string_view key = pair[0];
    const std::string_view value = pair[1];
    if (key == "st_size") info.size_bytes = ParseNumber(value);
    if (key == "st_mtime") info.modified_unix_ns = static_cast<std::int64_t>(ParseNumber(value));
    if (key == "st_ifmt") {
      info.is_directory = value == "S_IFDIR";
      info.is_regular = value == "S_IFREG";
    }
  }
  return info;
}

absl::StatusOr<std::vector<std::string>> ListAfc(afc_client_t afc, const std::string& path) {
  char** raw = nullptr;
  const afc_error_t error = afc_read_directory(afc, path.c_str(), &raw);
  const Strings names(raw);
  MOORING_RETURN_IF_ERROR(AfcStatus(error, "list a directory"));
  std::vector<std::string> listed;
  for (char** name = raw; name != nullptr && *name != nullptr; ++name) {
    if (!IsComponent(*name)) continue;
    if (listed.size() == kAfcEntriesMax) return absl::OutOfRangeError("directory too large");
    listed.emplace_back(*name);
  }
  std::sort(listed.begin(), listed.end());
  return listed;
}

absl::Status StreamAfc(afc_client_t afc, const std::string& path,
                       absl::FunctionRef<absl::Status(ByteView)> sink) {
  MOORING_ASSIGN_OR_RETURN(const OpenFile file, OpenFile::Open(afc, path, AFC_FOPEN_RDONLY));
  Bytes buffer(kPieceBytes);
  while (true) {
    std::uint32_t got = 0;
    MOORING_RETURN_IF_ERROR(
        AfcStatus(afc_file_read(afc, file.handle(), reinterpret_cast<char*>(buffer.data()),
                                kPieceBytes, &got),
                  "read a file"));
    if (got == 0) return absl::OkStatus();
    MOORING_RETURN_IF_ERROR(sink(ByteView(buffer).first(std::min(got, kPieceBytes))));
  }
}

absl::StatusOr<Bytes> ReadAfcFile(afc_client_t afc, const std::string& path,
                                  std::uint64_t bytes_max) {
  Bytes content;
  MOORING_RETURN_IF_ERROR(StreamAfc(afc, path, [&](ByteView piece) -> absl::Status {
    if (content.size() + piece.size() > bytes_max) return absl::OutOfRangeError("file too large");
    Append(content, piece);
    return absl::OkStatus();
  }));
  return content;
}

absl::Status WriteAfcFile(afc_client_t afc, const std::string& path, ByteView bytes) {
  MOORING_ASSIGN_OR_RETURN(const OpenFile file, OpenFile::Open(afc, path, AFC_FOPEN_WRONLY));
  while (!bytes.empty()) {
    const auto piece = static_cast<std::uint32_t>(std::min<std::size_t>(bytes.size(), kPieceBytes));
    std::uint32_t written = 0;
    MOORING_RETURN_IF_ERROR(
        AfcStatus(afc_file_write(afc, file.handle(), reinterpret_cast<const char*>(bytes.data()),
                                 piece, &written),
                  "write a file"));
    if (written == 0 || written > piece) return absl::UnavailableError("write a file: no progress");
    bytes = bytes.subspan(written);
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
