#include <sys/stat.h>

#include <array>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "tests/phones/android/packet.h"
#include "tests/phones/android/services.h"
#include "tests/phones/android/stream_reader.h"

namespace mooring::testing::android {
namespace {

constexpr std::size_t kPathBytesMax = 1024;
constexpr std::size_t kDataBytesMax = 64 << 10;
constexpr std::size_t kFlushBytes = 128 << 10;
constexpr std::uint32_t kLinkMode = S_IFLNK;

// One conversation. Requests are answered in turn.
class SyncService {
 public:
  SyncService(AndroidPhone& phone, ServiceStream& stream)
      : phone_(phone), stream_(stream), reader_(stream) {}

  void Run() {
    std::string header;
    while (reader_.Read(8, header)) {
      const std::string id = header.substr(0, 4);
      const std::uint32_t length = Little32(std::string_view(header).substr(4));
      if (id == "QUIT") return;
      std::string path;
      if (length > kPathBytesMax) {
        phone_.AddViolation(fmt::format("sync: a path of {} bytes", length));
        Fail("invalid path length");
        return;
      }
      if (!reader_.Read(length, path)) return;
      if (path.find('\0') != std::string::npos) phone_.AddViolation("sync: a NUL in a path");
      if (!Serve(id, path)) return;
    }
  }

 private:
  // False: the conversation is over.
  bool Serve(const std::string& id, const std::string& path) {
    phone_.NoteService("sync " + id + " " + path);
    if (id == "STAT") return Stat(path);
    if (id == "LST2" || id == "STA2") return StatTwo(id, path);
    if (id == "LIST") return List(path, false);
    if (id == "LIS2") return List(path, true);
    if (id == "RECV") return Receive(path);
    if (id == "SEND") return Send(path);
    phone_.AddViolation(fmt::format("sync: an unknown request {}", id));
    Fail("unknown command " + id);
    return false;
  }

  bool Emit(std::string_view bytes) { return stream_.Write(bytes); }

  bool Fail(const std::string& reason) {
    std::string answer = "FAIL";
    AppendLittle32(answer, static_cast<std::uint32_t>(reason.size()));
    return Emit(answer + reason);
  }

  std::uint64_t SizeToTell(const FileInfo& info) {
    if (phone_.IsHostile("lying-sizes") && info.kind == FileInfo::Kind::kFile) {
      return info.inode % 2 == 0 ? (1ULL << 62) : info.size_bytes() / 2;
    }
    return info.size_bytes();
  }

  bool Stat(const std::string& path) {
    const OrErrno<FileInfo> info = phone_.files().Stat(path, false);
    std::string answer = "STAT";
    AppendLittle32(answer, info.ok() ? info.value.mode : 0);
    AppendLittle32(answer, info.ok() ? static_cast<std::uint32_t>(SizeToTell(info.value)) : 0);
    AppendLittle32(answer, info.ok() ? static_cast<std::uint32_t>(info.value.modified_unix()) : 0);
    return Emit(answer);
  }

  // The 68 bytes of stat v2 that follow the id.
  void AppendStat(std::string& out, int error, const FileInfo& info) {
    AppendLittle32(out, static_cast<std::uint32_t>(error));
    AppendLittle64(out, 0x2F);
    AppendLittle64(out, info.inode);
    AppendLittle32(out, info.mode);
    AppendLittle32(out, error == 0 ? 1 : 0);
    AppendLittle32(out, info.uid);
    AppendLittle32(out, info.gid);
    AppendLittle64(out, error == 0 ? SizeToTell(info) : 0);
    for (int i = 0; i < 3; ++i) {
      AppendLittle64(out, static_cast<std::uint64_t>(error == 0 ? info.modified_unix() : 0));
    }
  }

  bool StatTwo(const std::string& id, const std::string& path) {
    const OrErrno<FileInfo> info = phone_.files().Stat(path, id == "STA2");
    std::string answer = id;
    AppendStat(answer, info.error, info.ok() ? info.value : FileInfo());
    return Emit(answer);
  }

  void AppendEntry(std::string& out, bool is_new, const std::string& name, const FileInfo& info) {
    out += is_new ? "DNT2" : "DENT";
    if (is_new) {
      AppendStat(out, 0, info);
    } else {
      AppendLittle32(out, info.mode);
      AppendLittle32(out, static_cast<std::uint32_t>(SizeToTell(info)));
      AppendLittle32(out, static_cast<std::uint32_t>(info.modified_unix()));
    }
    const bool is_endless = phone_.IsHostile("long-name");
    AppendLittle32(out, is_endless ? 0x7FFFFFFF : static_cast<std::uint32_t>(name.size()));
    out += name;
  }

  void AppendHostileNames(std::string& out, bool is_new) {
    FileInfo file = phone_.files().NewFile("/storage/emulated/0/x");
    file.content = {.seed = 666, .size_bytes = 100};
    if (phone_.IsHostile("sync-names")) {
      for (const char* name : {"../escape", "..", "a/b", "/etc/passwd", "", "../../../../tmp/x"}) {
        AppendEntry(out, is_new, name, file);
      }
      AppendEntry(out, is_new, std::string("nul\0name", 8), file);
    }
    if (phone_.IsHostile("invalid-utf8")) {
      AppendEntry(out, is_new, "\xFF\xFE\xC0\xAF.jpg", file);
    }
  }

  bool List(const std::string& path, bool is_new) {
    const OrErrno<std::vector<DirectoryItem>> items = phone_.files().List(path);
    std::string out;
    if (items.ok()) {
      for (const char* name : {".", ".."}) {
        const OrErrno<FileInfo> info = phone_.files().Stat(path + "/" + name, true);
        if (info.ok()) AppendEntry(out, is_new, name, info.value);
      }
      AppendHostileNames(out, is_new);
      for (const DirectoryItem& item : items.value) {
        AppendEntry(out, is_new, item.name, item.info);
        if (out.size() < kFlushBytes) continue;
        if (!Emit(out)) return false;
        out.clear();
      }
      while (phone_.IsHostile("endless-list")) {
        AppendEntry(out, is_new, "again", FileInfo());
        if (out.size() >= kFlushBytes) {
          if (!Emit(out)) return false;
          out.clear();
        }
      }
    }
    // An unreadable directory answers as an empty one; version 2 has a place for the error.
    out += "DONE";
    std::string tail;
    if (is_new) {
      AppendStat(tail, items.error, FileInfo());
      AppendLittle32(tail, 0);
    } else {
      tail.assign(16, '\0');
    }
    return Emit(out + tail);
  }

  bool EmitData(std::string_view bytes) {
    std::string data = "DATA";
    AppendLittle32(data, static_cast<std::uint32_t>(bytes.size()));
    return Emit(data.append(bytes));
  }

  bool ReceiveHostile(bool& was_hostile) {
    was_hostile = true;
    const std::string block(kDataBytesMax, 'e');
    if (phone_.IsHostile("endless-data")) {
      while (EmitData(block)) continue;
      return false;
    }
    if (phone_.IsHostile("oversize-data")) {
      std::string data = "DATA";
      AppendLittle32(data, 0xFFFFFFF0);
      return Emit(data + block);
    }
    if (phone_.IsHostile("unknown-reply")) return Emit("EVIL\x10\x00\x00\x00" + block);
    if (phone_.IsHostile("endless-fail")) {
      std::string data = "FAIL";
      AppendLittle32(data, 0xFFFFFFFF);
      return Emit(data + block);
    }
    was_hostile = false;
    return true;
  }

  bool Receive(const std::string& path) {
    bool was_hostile = false;
    const bool goes_on = ReceiveHostile(was_hostile);
    if (was_hostile) return goes_on;
    if (phone_.faults().TakeForPath(FaultKind::kSyncFail, path)) {
      return Fail("open failed: Input/output error");
    }
    OrErrno<std::unique_ptr<FileReader>> file = phone_.files().Open(path);
    if (!file.ok()) return Fail(fmt::format("open failed: {}", std::strerror(file.error)));
    std::array<char, kDataBytesMax> buffer;
    while (true) {
      const OrErrno<std::size_t> got = file.value->Read(buffer);
      if (!got.ok()) return Fail(fmt::format("read failed: {}", std::strerror(got.error)));
      if (got.value == 0) break;
      if (!EmitData({buffer.data(), got.value})) return false;
    }
    std::string done = "DONE";
    AppendLittle32(done, 0);
    return Emit(done);
  }

  // Takes what the host sends for a file that cannot be; true once its DONE came.
  bool Drain(std::uint32_t* modified) {
    std::string header;
    std::string data;
    while (reader_.Read(8, header)) {
      const std::uint32_t length = Little32(std::string_view(header).substr(4));
      if (header.starts_with("DONE")) {
        if (modified != nullptr) *modified = length;
        return true;
      }
      if (!header.starts_with("DATA") || length > kDataBytesMax) {
        phone_.AddViolation("sync: neither DATA nor DONE in a SEND, or DATA of over 64 KiB");
        return false;
      }
      if (!reader_.Read(length, data)) return false;
    }
    return false;
  }

  bool Send(const std::string& request) {
    const std::size_t comma = request.rfind(',');
    std::uint32_t mode = 0;
    const char* end = request.data() + request.size();
    if (comma == std::string::npos ||
        std::from_chars(request.data() + comma + 1, end, mode).ptr != end) {
      phone_.AddViolation("sync: a SEND without a mode");
      Fail("missing , in ID_SEND");
      return false;
    }
    const std::string path = request.substr(0, comma);
    if ((mode & S_IFMT) == kLinkMode) {
      if (!Drain(nullptr)) return false;
      return Fail("couldn't create symlink: Operation not permitted");
    }
    OrErrno<std::unique_ptr<FileWriter>> file = phone_.files().Create(path, true);
    int error = file.error;
    if (phone_.faults().TakeForPath(FaultKind::kSyncFail, path)) error = EIO;
    std::string header;
    std::string data;
    while (error == 0 && reader_.Read(8, header)) {
      const std::uint32_t length = Little32(std::string_view(header).substr(4));
      if (header.starts_with("DONE")) {
        error = file.value->Finish(std::int64_t{static_cast<std::int32_t>(length)} * 1'000'000'000);
        if (error != 0) return Fail(fmt::format("write failed: {}", std::strerror(error)));
        return Emit(std::string("OKAY\0\0\0\0", 8));
      }
      if (!header.starts_with("DATA") || length > kDataBytesMax) {
        phone_.AddViolation("sync: neither DATA nor DONE in a SEND, or DATA of over 64 KiB");
        Fail("invalid data message");
        return false;
      }
      if (!reader_.Read(length, data)) return false;
      error = file.value->Append(data);
    }
    if (error == 0) return false;
    // As adbd: the failure is told at once, and what still comes is drained.
    const std::string what = file.ok() ? "write failed: " : "couldn't create file: ";
    if (!Fail(what + std::strerror(error))) return false;
    return Drain(nullptr);
  }

  AndroidPhone& phone_;
  ServiceStream& stream_;
  StreamReader reader_;
};

}  // namespace

void RunSync(AndroidPhone& phone, ServiceStream& stream) {
  SyncService(phone, stream).Run();
}

}  // namespace mooring::testing::android
