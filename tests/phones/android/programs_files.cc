#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <utility>

#include <absl/time/time.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/phones/android/flags.h"
#include "tests/phones/android/programs.h"

namespace mooring::testing::android {
namespace {

std::string MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

std::uint64_t BlocksOf(const FileInfo& info) {
  if (info.kind == FileInfo::Kind::kSymlink) return 0;
  return (info.size_bytes() + 4095) / 4096 * 8;
}

std::string LongLine(const std::string& name, const FileInfo& info, std::size_t size_width,
                     bool is_numeric) {
  const std::string user = is_numeric ? fmt::format("{}", info.uid) : UserName(info.uid);
  const std::string group = is_numeric ? fmt::format("{}", info.gid) : UserName(info.gid);
  return fmt::format("{} {} {} {} {:>{}} {} {}{}\n", ModeText(info.mode),
                     info.is_directory() ? 2 : 1, user, group, info.size_bytes(), size_width,
                     TimeText(info.modified_ns, "%Y-%m-%d %H:%M"), name,
                     info.kind == FileInfo::Kind::kSymlink ? " -> " + info.target : "");
}

class Lister {
 public:
  Lister(const ShellContext& context, const Flags& flags) : context_(context), flags_(flags) {}

  void Show(const std::vector<DirectoryItem>& items) {
    std::size_t width = 0;
    for (const DirectoryItem& item : items) {
      width = std::max(width, fmt::format("{}", item.info.size_bytes()).size());
    }
    for (const DirectoryItem& item : items) {
      std::string line = flags_.Has("i") ? fmt::format("{} ", item.info.inode) : "";
      const bool is_long = flags_.Has("l") || flags_.Has("n");
      line += is_long ? LongLine(item.name, item.info, width, flags_.Has("n")) : item.name + "\n";
      if (!context_.out.Write(line)) return;
    }
  }

  int ShowDirectory(const std::string& name, bool has_title) {
    const std::string path = context_.Absolute(name);
    OrErrno<std::vector<DirectoryItem>> items = context_.phone.files().List(path);
    if (!items.ok()) return context_.Fail("ls", name + ": " + ErrorText(items.error));
    std::vector<DirectoryItem> shown;
    for (const char* dots : {".", ".."}) {
      const OrErrno<FileInfo> info = context_.phone.files().Stat(path + "/" + dots, true);
      if (flags_.Has("a") && info.ok()) shown.push_back({dots, info.value});
    }
    const bool hides = !flags_.Has("a") && !flags_.Has("A");
    for (DirectoryItem& item : items.value) {
      if (!hides || !item.name.starts_with('.')) shown.push_back(std::move(item));
    }
    std::sort(shown.begin(), shown.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    if (has_title) (void)context_.out.Write(name + ":\n");
    if (flags_.Has("l") || flags_.Has("n")) {
      std::uint64_t blocks = 0;
      for (const DirectoryItem& item : shown) blocks += BlocksOf(item.info) / 2;
      (void)context_.out.Write(fmt::format("total {}\n", blocks));
    }
    Show(shown);
    int status = 0;
    if (!flags_.Has("R")) return status;
    for (const DirectoryItem& item : shown) {
      if (!item.info.is_directory() || item.name == "." || item.name == "..") continue;
      (void)context_.out.Write("\n");
      status |= ShowDirectory(name + (name.ends_with('/') ? "" : "/") + item.name, true);
    }
    return status;
  }

 private:
  const ShellContext& context_;
  const Flags& flags_;
};

std::string StatField(char field, const std::string& name, const FileInfo& info) {
  static constexpr std::array<std::string_view, 3> kKinds = {"regular file", "directory",
                                                             "symbolic link"};
  constexpr std::string_view kFullTime = "%Y-%m-%d %H:%M:%S.%N +0000";
  switch (field) {
    case 'a':
      return fmt::format("{:o}", info.mode & 07777);
    case 'A':
      return ModeText(info.mode);
    case 'b':
      return fmt::format("{}", BlocksOf(info));
    case 'B':
      return "512";
    case 'f':
      return fmt::format("{:x}", info.mode);
    case 'F':
      return std::string(info.size_bytes() == 0 && info.kind == FileInfo::Kind::kFile
                             ? "regular empty file"
                             : kKinds[static_cast<std::size_t>(info.kind)]);
    case 'g':
      return fmt::format("{}", info.gid);
    case 'G':
      return UserName(info.gid);
    case 'h':
      return info.is_directory() ? "2" : "1";
    case 'i':
      return fmt::format("{}", info.inode);
    case 'n':
      return name;
    case 'N':
      return info.kind == FileInfo::Kind::kSymlink ? name + " -> '" + info.target + "'" : name;
    case 's':
      return fmt::format("{}", info.size_bytes());
    case 'u':
      return fmt::format("{}", info.uid);
    case 'U':
      return UserName(info.uid);
    case 'x':
    case 'y':
    case 'z':
      return TimeText(info.modified_ns, kFullTime);
    case 'X':
    case 'Y':
    case 'Z':
      return fmt::format("{}", info.modified_unix());
    default:
      return fmt::format("%{}", field);
  }
}

std::string StatText(std::string_view format, const std::string& name, const FileInfo& info) {
  std::string text;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] == '%' && i + 1 < format.size()) {
      text += StatField(format[++i], name, info);
    } else {
      text += format[i];
    }
  }
  return text;
}

std::string StatBlock(const std::string& name, const FileInfo& info) {
  return StatText(
             "  File: %N\n  Size: %s\t Blocks: %b\t IO Blocks: 512\t %F\n"
             "Device: 2fh/47d\t Inode: %i\t Links: %h\t Device type: 0,0\n",
             name, info) +
         fmt::format("Access: ({:04o}/{})\tUid: ({:>5}/{:>8})\tGid: ({:>5}/{:>8})\n",
                     info.mode & 07777, ModeText(info.mode), info.uid, UserName(info.uid), info.gid,
                     UserName(info.gid)) +
         StatText("Access: %x\nModify: %y\nChange: %z", name, info);
}

}  // namespace

std::string ModeText(std::uint32_t mode) {
  std::string text = S_ISDIR(mode) ? "d" : S_ISLNK(mode) ? "l" : "-";
  for (int shift = 6; shift >= 0; shift -= 3) {
    const std::uint32_t bits = mode >> shift;
    text += (bits & 4) != 0 ? 'r' : '-';
    text += (bits & 2) != 0 ? 'w' : '-';
    const bool special = shift == 6   ? (mode & S_ISUID) != 0
                         : shift == 3 ? (mode & S_ISGID) != 0
                                      : (mode & S_ISVTX) != 0;
    const char set = shift == 0 ? 't' : 's';
    const bool executes = (bits & 1) != 0;
    text += !special   ? (executes ? 'x' : '-')
            : executes ? set
                       : static_cast<char>(std::toupper(static_cast<unsigned char>(set)));
  }
  return text;
}

std::string UserName(std::uint32_t id) {
  static constexpr std::array<std::pair<std::uint32_t, std::string_view>, 5> kNames = {
      {{0, "root"}, {1000, "system"}, {1015, "sdcard_rw"}, {1023, "media_rw"}, {2000, "shell"}}};
  for (const auto& [known, name] : kNames) {
    if (known == id) return std::string(name);
  }
  return id >= 10'000 ? fmt::format("u0_a{}", id - 10'000) : fmt::format("{}", id);
}

std::string TimeText(std::int64_t unix_ns, std::string_view format) {
  std::int64_t nanoseconds = unix_ns % 1'000'000'000;
  if (nanoseconds < 0) nanoseconds += 1'000'000'000;
  std::string expanded(format);
  if (const std::size_t at = expanded.find("%N"); at != std::string::npos) {
    expanded.replace(at, 2, fmt::format("{:09}", nanoseconds));
  }
  return absl::FormatTime(ToAbsl(expanded), absl::FromUnixNanos(unix_ns), absl::UTCTimeZone());
}

int RunLs(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "1aAdilnR");
  if (!flags.ok()) return context.Fail("ls", MessageOf(flags.status()));
  const std::vector<std::string> names =
      flags->operands().empty() ? std::vector<std::string>{"."} : flags->operands();
  Lister lister(context, *flags);
  std::vector<DirectoryItem> files;
  std::vector<std::string> directories;
  int status = 0;
  for (const std::string& name : names) {
    const bool shows_link = flags->Has("l") || flags->Has("d");
    const OrErrno<FileInfo> info = context.phone.files().Stat(context.Absolute(name), !shows_link);
    if (!info.ok()) {
      status = context.Fail("ls", name + ": " + ErrorText(info.error));
    } else if (info.value.is_directory() && !flags->Has("d")) {
      directories.push_back(name);
    } else {
      files.push_back({name, info.value});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  std::sort(directories.begin(), directories.end());
  lister.Show(files);
  for (const std::string& name : directories) {
    const bool has_title = files.size() + directories.size() > 1 || flags->Has("R");
    if (has_title && (!files.empty() || name != directories.front())) {
      (void)context.out.Write("\n");
    }
    status |= lister.ShowDirectory(name, has_title);
  }
  return status;
}

int RunStat(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "c:L");
  if (!flags.ok()) return context.Fail("stat", MessageOf(flags.status()));
  if (flags->operands().empty()) return context.Fail("stat", "Needs 1 argument");
  int status = 0;
  for (const std::string& name : flags->operands()) {
    const OrErrno<FileInfo> info =
        context.phone.files().Stat(context.Absolute(name), flags->Has("L"));
    if (!info.ok()) {
      status = context.Fail("stat", "'" + name + "': " + ErrorText(info.error));
      continue;
    }
    const std::string text =
        flags->Has("c") ? StatText(flags->Get("c"), name, info.value) : StatBlock(name, info.value);
    (void)context.out.Write(text + "\n");
  }
  return status;
}

int RunDf(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "kh");
  if (!flags.ok()) return context.Fail("df", MessageOf(flags.status()));
  PhoneFiles& files = context.phone.files();
  const std::vector<std::string> names =
      flags->operands().empty() ? std::vector<std::string>{"/data", "/storage/emulated"}
                                : flags->operands();
  std::string text = "Filesystem     1K-blocks     Used Available Use% Mounted on\n";
  std::string failures;
  for (const std::string& name : names) {
    const OrErrno<FileInfo> info = files.Stat(context.Absolute(name), true);
    if (!info.ok()) {
      failures += fmt::format("df: '{}': {}\n", name, ErrorText(info.error));
      continue;
    }
    const std::string real = files.RealPath(context.Absolute(name)).value;
    const std::string& card = files.options().sd_card;
    const bool is_card = !card.empty() && real.starts_with("/storage/" + card);
    const bool is_shared = real.starts_with("/storage/emulated");
    const std::uint64_t total = files.capacity_bytes() / 1024;
    const std::uint64_t used = std::min(total, (files.used_bytes() + 1023) / 1024);
    text += fmt::format("{:<14} {:>9} {:>8} {:>9} {:>3}% {}\n",
                        is_shared || is_card ? "/dev/fuse" : "/dev/block/dm-9", total, used,
                        total - used, total == 0 ? 0 : (used * 100 + total - 1) / total,
                        is_card     ? "/storage/" + card
                        : is_shared ? "/storage/emulated"
                                    : "/data");
  }
  (void)context.out.Write(text);
  (void)context.err.Write(failures);
  return failures.empty() ? 0 : 1;
}

int RunMkdir(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "pm:");
  if (!flags.ok()) return context.Fail("mkdir", MessageOf(flags.status()));
  int status = 0;
  for (const std::string& name : flags->operands()) {
    const int error = context.phone.files().MakeDirectory(context.Absolute(name), flags->Has("p"));
    if (error != 0) status = context.Fail("mkdir", "'" + name + "': " + ErrorText(error));
  }
  return status;
}

int RunRm(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "rRfp");
  if (!flags.ok()) return context.Fail("rm", MessageOf(flags.status()));
  const bool is_recursive = flags->Has("r") || flags->Has("R");
  int status = 0;
  for (const std::string& name : flags->operands()) {
    const std::string path = context.Absolute(name);
    const OrErrno<FileInfo> info = context.phone.files().Stat(path, false);
    int error = info.error;
    if (info.ok()) {
      error = info.value.is_directory() && !is_recursive && arguments[0] == "rm"
                  ? EISDIR
                  : context.phone.files().Remove(path, is_recursive);
    }
    if (error == 0 || (error == ENOENT && flags->Has("f"))) continue;
    status = context.Fail(arguments[0], name + ": " + ErrorText(error));
  }
  return status;
}

int RunMv(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "fn");
  if (!flags.ok()) return context.Fail("mv", MessageOf(flags.status()));
  if (flags->operands().size() != 2) return context.Fail("mv", "Needs 2 arguments");
  const std::string& from = flags->operands()[0];
  std::string to = context.Absolute(flags->operands()[1]);
  const OrErrno<FileInfo> there = context.phone.files().Stat(to, true);
  if (there.ok() && there.value.is_directory()) to += "/" + std::string(BaseName(from));
  if (there.ok() && !there.value.is_directory() && flags->Has("n")) return 0;
  const int error = context.phone.files().Rename(context.Absolute(from), to);
  return error == 0 ? 0 : context.Fail("mv", "bad '" + from + "': " + ErrorText(error));
}

int RunTouch(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "acmd:t:");
  if (!flags.ok()) return context.Fail("touch", MessageOf(flags.status()));
  std::int64_t when = context.phone.files().NowNs();
  if (const std::string text = flags->Get("d"); !text.empty()) {
    std::int64_t seconds = 0;
    const char* end = text.data() + text.size();
    std::tm parts{};
    if (text[0] == '@' && std::from_chars(text.data() + 1, end, seconds).ptr == end) {
      when = seconds * 1'000'000'000;
    } else if (strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts) != nullptr ||
               strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &parts) != nullptr) {
      when = timegm(&parts) * 1'000'000'000;
    } else {
      return context.Fail("touch", "bad '" + text + "'");
    }
  }
  if (const std::string text = flags->Get("t"); !text.empty()) {
    std::tm parts{};
    if (strptime(text.c_str(), "%Y%m%d%H%M.%S", &parts) == nullptr) {
      return context.Fail("touch", "bad '" + text + "'");
    }
    when = timegm(&parts) * 1'000'000'000;
  }
  int status = 0;
  for (const std::string& name : flags->operands()) {
    const std::string path = context.Absolute(name);
    int error = context.phone.files().SetModified(path, when);
    if (error == ENOENT && !flags->Has("c")) {
      OrErrno<std::unique_ptr<FileWriter>> file = context.phone.files().Create(path, false);
      error = file.ok() ? file.value->Finish(when) : file.error;
    }
    if (error != 0) status = context.Fail("touch", "'" + name + "': " + ErrorText(error));
  }
  return status;
}

int RunChmod(const ShellContext& context, const Arguments& arguments) {
  // Shared storage has modes of its own, whatever is asked for.
  int status = 0;
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    const OrErrno<FileInfo> info = context.phone.files().Stat(context.Absolute(arguments[i]), true);
    if (!info.ok()) {
      status = context.Fail("chmod", "'" + arguments[i] + "': " + ErrorText(info.error));
    }
  }
  return status;
}

int RunReadlink(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "fenq");
  if (!flags.ok()) return context.Fail(arguments[0], MessageOf(flags.status()));
  int status = 0;
  for (const std::string& name : flags->operands()) {
    const std::string path = context.Absolute(name);
    const OrErrno<FileInfo> info = context.phone.files().Stat(path, false);
    const bool follows = flags->Has("f") || flags->Has("e") || arguments[0] == "realpath";
    const OrErrno<std::string> real = context.phone.files().RealPath(path);
    if (follows && real.ok()) {
      (void)context.out.Write(real.value + "\n");
    } else if (!follows && info.ok() && info.value.kind == FileInfo::Kind::kSymlink) {
      (void)context.out.Write(info.value.target + "\n");
    } else {
      status = 1;
    }
  }
  return status;
}

}  // namespace mooring::testing::android
