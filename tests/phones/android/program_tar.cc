#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory>

#include <fmt/format.h>

#include "tests/phones/android/flags.h"
#include "tests/phones/android/programs.h"

namespace mooring::testing::android {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::size_t kNameBytes = 100;
constexpr std::uint64_t kOctalSizeMax = 077777777777;

void PutText(std::string& header, std::size_t at, std::string_view text) {
  header.replace(at, text.size(), text);
}

// Digits and a NUL in a field of `width` bytes.
void PutOctal(std::string& header, std::size_t at, std::size_t width, std::uint64_t value) {
  PutText(header, at, fmt::format("{:0{}o}", value, width - 1).substr(0, width - 1));
}

// A header in GNU's format, byte for byte as toybox writes it.
std::string Header(std::string_view name, char type, std::uint64_t size, const FileInfo& info) {
  std::string header(kBlock, '\0');
  PutText(header, 0, name.substr(0, kNameBytes));
  PutOctal(header, 100, 8, info.mode & 07777);
  PutOctal(header, 108, 8, info.uid);
  PutOctal(header, 116, 8, info.gid);
  if (size <= kOctalSizeMax) {
    PutOctal(header, 124, 12, size);
  } else {  // GNU's base-256.
    header[124] = static_cast<char>(0x80);
    for (std::size_t i = 0; i < 8; ++i) {
      header[135 - i] = static_cast<char>(size >> (8 * i) & 0xFF);
    }
  }
  const std::int64_t modified = std::max<std::int64_t>(info.modified_unix(), 0);
  PutOctal(header, 136, 12, static_cast<std::uint64_t>(modified));
  header[156] = type;
  if (type == '2') PutText(header, 157, info.target.substr(0, kNameBytes));
  PutText(header, 257, "ustar  ");
  PutText(header, 265, UserName(info.uid).substr(0, 31));
  PutText(header, 297, UserName(info.gid).substr(0, 31));
  PutText(header, 148, "        ");
  std::uint64_t sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  PutText(header, 148, fmt::format("{:06o}", sum) + std::string(1, '\0') + " ");
  return header;
}

std::string Padding(std::uint64_t size) {
  return std::string((kBlock - size % kBlock) % kBlock, '\0');
}

// toybox takes "/" and leading "../" off.
std::string_view MemberName(std::string_view name) {
  if (const std::size_t up = name.rfind("../");
      up != std::string_view::npos && (up == 0 || name[up - 1] == '/')) {
    name.remove_prefix(up + 3);
  }
  while (name.starts_with('/')) name.remove_prefix(1);
  return name;
}

class Creator {
 public:
  Creator(const ShellContext& context, ByteSink& out, bool recurses)
      : context_(context), out_(out), recurses_(recurses) {}

  // False once nobody reads any more.
  bool Add(const std::string& name) {
    const std::string path = context_.Absolute(name);
    const OrErrno<FileInfo> info = context_.phone.files().Stat(path, false);
    if (!info.ok()) {
      Complain(name, info.error);
      return true;
    }
    std::string member(MemberName(name));
    if (member.size() != name.size() && !has_warned_) {
      has_warned_ = true;
      (void)context_.err.Write("tar: removing leading '" +
                               name.substr(0, name.size() - member.size()) +
                               "' from member names\n");
    }
    if (info.value.is_directory()) {
      if (!member.ends_with('/')) member += '/';
      return (member == "/" || Begin(member, '5', 0, info.value)) && AddBelow(name, path);
    }
    if (info.value.kind == FileInfo::Kind::kSymlink) return Begin(member, '2', 0, info.value);
    return AddFile(name, member, path, info.value);
  }

  bool AddHostile() {
    if (!context_.phone.IsHostile("tar-escape")) return true;
    FileInfo info = context_.phone.files().NewFile("/storage/emulated/0/x");
    info.content = {.seed = 666, .size_bytes = 10};
    const std::string body = "0123456789" + Padding(10);
    for (const char* name : {"../../../../tmp/escape", "/etc/cron.d/evil", "DCIM/../../x", "..",
                             "never/asked/for.jpg"}) {
      if (!out_.Write(Header(name, '0', 10, info) + body)) return false;
    }
    info.target = "/etc/passwd";
    if (!out_.Write(Header("DCIM/link.jpg", '2', 0, info))) return false;
    if (!out_.Write(Header("DCIM/device", '3', 0, info))) return false;
    std::string negative = Header("DCIM/negative.jpg", '0', 10, info);
    negative[124] = static_cast<char>(0xFF);
    return out_.Write(negative);
  }

  int Finish() {
    (void)out_.Write(std::string(2 * kBlock, '\0'));
    if (has_errors_) (void)context_.err.Write("tar: had errors\n");
    return has_errors_ ? 1 : 0;
  }

 private:
  void Complain(std::string_view name, int error) {
    (void)context_.Fail("tar", std::string(name) + ": " + ErrorText(error));
    has_errors_ = true;
  }

  bool Begin(const std::string& member, char type, std::uint64_t size, const FileInfo& info) {
    std::string text;
    const auto add_long = [&](char kind, const std::string& value) {
      FileInfo link;
      link.mode = 0644;
      text += Header("././@LongLink", kind, value.size() + 1, link) + value + std::string(1, '\0') +
              Padding(value.size() + 1);
    };
    if (member.size() > kNameBytes) add_long('L', member);
    if (type == '2' && info.target.size() > kNameBytes) add_long('K', info.target);
    return out_.Write(text + Header(member, type, size, info));
  }

  bool AddBelow(const std::string& name, const std::string& path) {
    if (!recurses_) return true;
    const OrErrno<std::vector<DirectoryItem>> items = context_.phone.files().List(path);
    if (!items.ok()) {
      Complain(name, items.error);
      return true;
    }
    for (const DirectoryItem& item : items.value) {
      if (!Add(name + (name.ends_with('/') ? "" : "/") + item.name)) return false;
    }
    return true;
  }

  bool AddFile(const std::string& name, const std::string& member, const std::string& path,
               const FileInfo& info) {
    const OrErrno<std::unique_ptr<FileReader>> file = context_.phone.files().Open(path);
    if (!file.ok()) {
      Complain(name, file.error);
      return true;
    }
    const std::uint64_t size = info.size_bytes();
    const bool lies = context_.phone.IsHostile("lying-sizes") && info.inode % 3 == 0;
    if (!Begin(member, '0', lies ? size + (1ULL << 40) : size, info)) return false;
    // A file that grew is cut, one that shrank or cannot be read on is filled with zeros.
    std::array<char, 64 << 10> buffer;
    std::uint64_t left = size;
    while (left > 0) {
      const std::size_t want = std::min<std::size_t>(left, buffer.size());
      OrErrno<std::size_t> got = file.value->Read(std::span(buffer).first(want));
      if (!got.ok() || got.value == 0) {
        if (!got.ok()) Complain(name, got.error);
        has_errors_ = true;
        std::memset(buffer.data(), 0, want);
        got.value = want;
      }
      if (!out_.Write({buffer.data(), got.value})) return false;
      left -= got.value;
    }
    return out_.Write(Padding(size));
  }

  const ShellContext& context_;
  ByteSink& out_;
  const bool recurses_;
  bool has_errors_ = false;
  bool has_warned_ = false;
};

// Exactly `length` bytes, or fewer at the end.
std::string ReadBlock(ByteSource& in, std::size_t length) {
  std::string block(length, '\0');
  std::size_t at = 0;
  while (at < length) {
    const std::size_t got = in.Read(std::span(block).subspan(at));
    if (got == 0) break;
    at += got;
  }
  block.resize(at);
  return block;
}

std::uint64_t NumberAt(const std::string& header, std::size_t at, std::size_t width) {
  if ((static_cast<unsigned char>(header[at]) & 0x80) != 0) {
    std::uint64_t value = 0;
    for (std::size_t i = at + 4; i < at + width; ++i) {
      value = value << 8 | static_cast<unsigned char>(header[i]);
    }
    return value;
  }
  std::uint64_t value = 0;
  std::from_chars(header.data() + at, header.data() + at + width, value, 8);
  return value;
}

// Unpacks what comes on standard input, below the current directory.
int Extract(const ShellContext& context, const std::string& directory, bool keeps_times) {
  PhoneFiles& files = context.phone.files();
  std::string long_name;
  bool has_errors = false;
  while (true) {
    const std::string header = ReadBlock(context.in, kBlock);
    if (header.size() < kBlock || header[0] == '\0') break;
    std::uint64_t left = NumberAt(header, 124, 12);
    const char type = header[156];
    if (type == 'L') {
      if (left > 64 << 10) return context.Fail("tar", "name too long");
      long_name = ReadBlock(context.in, left + Padding(left).size());
      long_name.resize(std::strlen(long_name.c_str()));
      continue;
    }
    const std::string name =
        long_name.empty() ? header.substr(0, std::min(kNameBytes, std::strlen(header.c_str())))
                          : std::exchange(long_name, {});
    const std::string path = directory + "/" + std::string(MemberName(name));
    const std::int64_t modified =
        keeps_times ? static_cast<std::int64_t>(NumberAt(header, 136, 12)) * 1'000'000'000
                    : files.NowNs();
    int error = 0;
    if (type == '5') {
      error = files.MakeDirectory(path, true);
      left = 0;
    } else if (type == '0' || type == '\0') {
      const std::string padding = Padding(left);
      OrErrno<std::unique_ptr<FileWriter>> file = files.Create(path, true);
      error = file.error;
      while (left > 0) {
        const std::string piece = ReadBlock(context.in, std::min<std::size_t>(left, 64 << 10));
        if (piece.empty()) return context.Fail("tar", "short archive");
        if (error == 0) error = file.value->Append(piece);
        left -= piece.size();
      }
      (void)ReadBlock(context.in, padding.size());
      if (error == 0) error = file.value->Finish(modified);
    } else {
      error = EPERM;
    }
    if (error == 0) continue;
    (void)context.Fail("tar", name + ": " + ErrorText(error));
    has_errors = true;
  }
  return has_errors ? 1 : 0;
}

}  // namespace

int RunTar(const ShellContext& context, const Arguments& arguments) {
  Arguments words = arguments;
  // "tar cf -" is "tar -cf -".
  if (words.size() > 1 && !words[1].starts_with('-')) words[1] = "-" + words[1];
  const bool has_null = context.phone.options().android >= 13;  // toybox 0.8.8.
  const absl::StatusOr<Flags> flags =
      Flags::Parse(words, has_null ? "cxtvpPhmokf:C:T:(no-recursion)(null)(numeric-owner)"
                                   : "cxtvpPhmokf:C:T:(no-recursion)(numeric-owner)");
  if (!flags.ok()) {
    const absl::string_view message = flags.status().message();
    return context.Fail("tar", {message.data(), message.size()});
  }
  ShellState state = context.state;
  const ShellContext own{context.phone, state, context.in, context.out, context.err};
  if (flags->Has("C")) {
    const OrErrno<std::string> real = context.phone.files().RealPath(own.Absolute(flags->Get("C")));
    if (!real.ok())
      return own.Fail("tar", "chdir '" + flags->Get("C") + "': " + ErrorText(real.error));
    state.directory = real.value;
  }
  if (flags->Get("f", "-") != "-") return own.Fail("tar", "only -f - is simulated");
  if (flags->Has("x")) return Extract(own, state.directory, !flags->Has("m"));
  if (!flags->Has("c")) return own.Fail("tar", "only -c and -x are simulated");
  BufferedSink out(own.out);
  Creator creator(own, out, !flags->Has("no-recursion"));
  for (const std::string& list : flags->All("T")) {
    if (list != "-") return own.Fail("tar", "only -T - is simulated");
    LineReader names(own.in, flags->Has("null") ? '\0' : '\n');
    std::string name;
    while (names.Next(name)) {
      if (!name.empty() && !creator.Add(name)) return 1;
    }
  }
  for (const std::string& name : flags->operands()) {
    if (!creator.Add(name)) return 1;
  }
  if (!creator.AddHostile()) return 1;
  return creator.Finish();
}

}  // namespace mooring::testing::android
