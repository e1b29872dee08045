#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "tests/phones/android/flags.h"
#include "tests/phones/android/programs.h"

namespace mooring::testing::android {
namespace {

constexpr std::size_t kBufferBytes = 64 << 10;
constexpr std::size_t kArgumentBytesMax = 128 << 10;

std::string MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

bool ParseCount(std::string_view text, std::uint64_t& count) {
  return std::from_chars(text.data(), text.data() + text.size(), count).ptr ==
         text.data() + text.size();
}

// Calls `take` with everything in the file `name` ("-": standard input) from `offset` on;
// it answers false to stop. The exit status.
int Feed(const ShellContext& context, std::string_view program, const std::string& name,
         std::uint64_t offset, const std::function<bool(std::string_view)>& take) {
  std::vector<char> buffer(kBufferBytes);
  if (name == "-") {
    for (std::size_t got = context.in.Read(buffer); got > 0; got = context.in.Read(buffer)) {
      const std::size_t skip = std::min<std::uint64_t>(offset, got);
      offset -= skip;
      if (got > skip && !take({buffer.data() + skip, got - skip})) break;
    }
    return 0;
  }
  const OrErrno<std::unique_ptr<FileReader>> file =
      context.phone.files().Open(context.Absolute(name));
  if (!file.ok()) return context.Fail(program, name + ": " + ErrorText(file.error));
  file.value->Seek(offset);
  while (true) {
    const OrErrno<std::size_t> got = file.value->Read(buffer);
    if (!got.ok()) return context.Fail(program, name + ": " + ErrorText(got.error));
    if (got.value == 0 || !take({buffer.data(), got.value})) return 0;
  }
}

std::vector<std::string> OrStandardInput(const std::vector<std::string>& names) {
  return names.empty() ? std::vector<std::string>{"-"} : names;
}

// Backslash escapes of echo -e and printf.
std::string Unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    static constexpr std::string_view kLetters = "abfnrtv\\";
    static constexpr std::string_view kValues = "\a\b\f\n\r\t\v\\";
    const char letter = text[++i];
    if (const std::size_t known = kLetters.find(letter); known != std::string_view::npos) {
      out += kValues[known];
    } else if (letter >= '0' && letter <= '7') {
      int value = 0;
      for (int digits = 0; digits < 3 && i < text.size() && text[i] >= '0' && text[i] <= '7';
           ++digits) {
        value = value * 8 + (text[i++] - '0');
      }
      --i;
      out += static_cast<char>(value);
    } else {
      out += '\\';
      out += letter;
    }
  }
  return out;
}

}  // namespace

int RunCat(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "u");
  if (!flags.ok()) return context.Fail("cat", MessageOf(flags.status()));
  int status = 0;
  for (const std::string& name : OrStandardInput(flags->operands())) {
    status |= Feed(context, "cat", name, 0,
                   [&](std::string_view bytes) { return context.out.Write(bytes); });
  }
  return status;
}

int RunEcho(const ShellContext& context, const Arguments& arguments) {
  std::string text;
  std::size_t first = 1;
  bool has_end = true;
  bool escapes = false;
  for (; first < arguments.size(); ++first) {
    const std::string& word = arguments[first];
    if (word.size() < 2 || word[0] != '-' ||
        word.find_first_not_of("neE", 1) != std::string::npos) {
      break;
    }
    has_end = has_end && word.find('n') == std::string::npos;
    escapes = escapes || word.find('e') != std::string::npos;
  }
  for (std::size_t i = first; i < arguments.size(); ++i) {
    text += (i == first ? "" : " ") + arguments[i];
  }
  if (escapes) text = Unescape(text);
  return context.out.Write(has_end ? text + "\n" : text) ? 0 : 1;
}

int RunPrintf(const ShellContext& context, const Arguments& arguments) {
  if (arguments.size() < 2) return context.Fail("printf", "Needs 1 argument");
  const std::string format = Unescape(arguments[1]);
  std::string text;
  std::size_t next = 2;
  do {
    const std::size_t before = next;
    for (std::size_t i = 0; i < format.size(); ++i) {
      if (format[i] != '%' || i + 1 == format.size()) {
        text += format[i];
        continue;
      }
      const char kind = format[++i];
      if (kind == '%') {
        text += '%';
      } else if (kind == 's' || kind == 'd' || kind == 'b') {
        const std::string value = next < arguments.size() ? arguments[next++] : "";
        text += kind == 'b' ? Unescape(value) : kind == 'd' && value.empty() ? "0" : value;
      } else {
        return context.Fail("printf", fmt::format("bad '%{}'", kind));
      }
    }
    if (next == before) break;
  } while (next < arguments.size());
  return context.out.Write(text) ? 0 : 1;
}

int RunHead(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "n:c:q");
  if (!flags.ok()) return context.Fail("head", MessageOf(flags.status()));
  const bool by_bytes = flags->Has("c");
  std::uint64_t count = 0;
  if (!ParseCount(flags->Get(by_bytes ? "c" : "n", "10"), count)) {
    return context.Fail("head", "bad number");
  }
  int status = 0;
  for (const std::string& name : OrStandardInput(flags->operands())) {
    std::uint64_t left = count;
    status |= Feed(context, "head", name, 0, [&](std::string_view bytes) {
      std::size_t length = 0;
      while (left > 0 && length < bytes.size()) {
        if (by_bytes) {
          const std::uint64_t take = std::min<std::uint64_t>(left, bytes.size() - length);
          length += take;
          left -= take;
        } else if (bytes[length++] == '\n') {
          --left;
        }
      }
      return context.out.Write(bytes.substr(0, length)) && left > 0;
    });
  }
  return status;
}

int RunTail(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "n:c:f");
  if (!flags.ok()) return context.Fail("tail", MessageOf(flags.status()));
  const bool by_bytes = flags->Has("c");
  const std::string text = flags->Get(by_bytes ? "c" : "n", "10");
  std::string_view digits = text;
  const bool from_start = digits.starts_with('+');
  if (from_start || digits.starts_with('-')) digits.remove_prefix(1);
  std::uint64_t count = 0;
  if (!ParseCount(digits, count) || (from_start && !by_bytes)) {
    return context.Fail("tail", "not a number '" + text + "'");
  }
  const std::vector<std::string> names = OrStandardInput(flags->operands());
  int status = 0;
  for (const std::string& name : names) {
    const OrErrno<FileInfo> info = context.phone.files().Stat(context.Absolute(name), true);
    if (names.size() > 1 && info.ok()) (void)context.out.Write("==> " + name + " <==\n");
    if (by_bytes && (from_start || (info.ok() && name != "-"))) {
      const std::uint64_t size = info.ok() ? info.value.size_bytes() : 0;
      const std::uint64_t offset = from_start     ? (count == 0 ? 0 : count - 1)
                                   : size > count ? size - count
                                                  : 0;
      status |= Feed(context, "tail", name, offset,
                     [&](std::string_view bytes) { return context.out.Write(bytes); });
      continue;
    }
    std::string kept;  // The end so far: bounded by what was asked for, lines of sane length.
    status |= Feed(context, "tail", name, 0, [&](std::string_view bytes) {
      kept += bytes;
      std::size_t begin = kept.size();
      std::uint64_t lines = 0;
      if (by_bytes) {
        begin = kept.size() > count ? kept.size() - count : 0;
      } else {
        for (; begin > 0; --begin) {
          if (kept[begin - 1] == '\n' && begin != kept.size() && ++lines == count) break;
        }
      }
      kept.erase(0, begin);
      return true;
    });
    (void)context.out.Write(kept);
  }
  return status;
}

int RunWc(const ShellContext& context, const Arguments& arguments) {
  const absl::StatusOr<Flags> flags = Flags::Parse(arguments, "lwcm");
  if (!flags.ok()) return context.Fail("wc", MessageOf(flags.status()));
  using Counts = std::array<std::uint64_t, 3>;
  const bool all = !flags->Has("l") && !flags->Has("w") && !flags->Has("c") && !flags->Has("m");
  const bool one = !all && static_cast<int>(flags->Has("l")) + static_cast<int>(flags->Has("w")) +
                                   static_cast<int>(flags->Has("c") || flags->Has("m")) ==
                               1;
  const auto show = [&](const Counts& counts, const std::string& name) {
    std::string line;
    const std::array<bool, 3> wanted = {all || flags->Has("l"), all || flags->Has("w"),
                                        all || flags->Has("c") || flags->Has("m")};
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (!wanted[i]) continue;
      line += one ? fmt::format("{}", counts[i])
                  : fmt::format("{}{:>7}", line.empty() ? "" : " ", counts[i]);
    }
    (void)context.out.Write(line + (name == "-" ? "" : " " + name) + "\n");
  };
  Counts total = {};
  int status = 0;
  const std::vector<std::string> names = OrStandardInput(flags->operands());
  for (const std::string& name : names) {
    Counts counts = {};
    bool in_word = false;
    const int failed = Feed(context, "wc", name, 0, [&](std::string_view bytes) {
      for (const char c : bytes) {
        counts[0] += c == '\n' ? 1U : 0U;
        const bool is_space = std::isspace(static_cast<unsigned char>(c)) != 0;
        counts[1] += !is_space && !in_word ? 1U : 0U;
        in_word = !is_space;
      }
      counts[2] += bytes.size();
      return true;
    });
    status |= failed;
    if (failed != 0) continue;
    show(counts, name);
    for (std::size_t i = 0; i < counts.size(); ++i) total[i] += counts[i];
  }
  if (names.size() > 1) show(total, "total");
  return status;
}

int RunSleep(const ShellContext& context, const Arguments& arguments) {
  // Nothing wakes it when the host goes: a phone that is taken down would wait.
  constexpr std::uint64_t kSecondsMax = 30;
  std::uint64_t seconds = 0;
  if (arguments.size() < 2 || !ParseCount(arguments[1], seconds) || seconds > kSecondsMax) {
    return context.Fail("sleep", "only whole seconds up to 30 are simulated");
  }
  context.phone.clock().Sleep(absl::Seconds(static_cast<std::int64_t>(seconds)), {});
  return 0;
}

int RunTest(const ShellContext& context, const Arguments& arguments) {
  Arguments words(arguments.begin() + 1, arguments.end());
  if (arguments[0] == "[") {
    if (words.empty() || words.back() != "]") return context.Fail("[", "missing ]") + 1;
    words.pop_back();
  }
  const bool is_negated = !words.empty() && words[0] == "!";
  if (is_negated) words.erase(words.begin());
  bool result = false;
  if (words.size() == 1) {
    result = !words[0].empty();
  } else if (words.size() == 2) {
    const OrErrno<FileInfo> info = context.phone.files().Stat(context.Absolute(words[1]), true);
    const std::string& test = words[0];
    if (test == "-e") result = info.ok();
    if (test == "-f") result = info.ok() && info.value.kind == FileInfo::Kind::kFile;
    if (test == "-d") result = info.ok() && info.value.is_directory();
    if (test == "-s") result = info.ok() && info.value.size_bytes() > 0;
    if (test == "-z") result = words[1].empty();
    if (test == "-n") result = !words[1].empty();
    if (test == "-r") {
      result = info.value.is_directory()
                   ? context.phone.files().List(context.Absolute(words[1])).ok()
                   : context.phone.files().Open(context.Absolute(words[1])).ok();
    }
  } else if (words.size() == 3) {
    if (words[1] == "=") result = words[0] == words[2];
    if (words[1] == "!=") result = words[0] != words[2];
    if (words[1] == "-eq") result = std::atoll(words[0].c_str()) == std::atoll(words[2].c_str());
  }
  return result != is_negated ? 0 : 1;
}

int RunXargs(const ShellContext& context, const Arguments& arguments) {
  std::size_t first = 1;
  bool by_nul = false;
  bool needs_input = false;
  std::size_t each_max = SIZE_MAX;
  for (; first < arguments.size() && arguments[first].starts_with('-'); ++first) {
    std::string word = arguments[first];
    if (word.starts_with("-n")) {
      if (word.size() == 2) word += ++first < arguments.size() ? arguments[first] : "";
      std::uint64_t count = 0;
      if (!ParseCount(std::string_view(word).substr(2), count) || count == 0) {
        return context.Fail("xargs", "bad -n");
      }
      each_max = count;
      continue;
    }
    for (const char c : word.substr(1)) {
      if (c != '0' && c != 'r') {
        return context.Fail("xargs", fmt::format("Unknown option '{}' (see \"xargs --help\")", c));
      }
      (c == '0' ? by_nul : needs_input) = true;
    }
  }
  const Arguments command =
      first < arguments.size()
          ? Arguments(arguments.begin() + static_cast<std::ptrdiff_t>(first), arguments.end())
          : Arguments{"echo"};
  NoSource nothing;
  int status = 0;
  bool ran = false;
  const auto run = [&](Arguments& words) {
    const ShellContext inner{context.phone, context.state, nothing, context.out, context.err};
    const int result = RunProgram(inner, words);
    if (result != 0) status = result == 255 ? 124 : 123;
    if (result == 127) status = 127;
    ran = true;
    words = command;
  };
  Arguments words = command;
  std::size_t bytes = 0;
  const auto add = [&](std::string word) {
    bytes += word.size() + 1;
    words.push_back(std::move(word));
    if (bytes >= kArgumentBytesMax || words.size() - command.size() >= each_max) {
      run(words);
      bytes = 0;
    }
  };
  LineReader reader(context.in, by_nul ? '\0' : '\n');
  std::string line;
  while (reader.Next(line)) {
    if (by_nul) {
      add(line);
      continue;
    }
    std::string word;
    for (const char c : line + " ") {
      if (c != ' ' && c != '\t') {
        word += c;
      } else if (!word.empty()) {
        add(std::exchange(word, {}));
      }
    }
  }
  if (words.size() > command.size() || (!ran && !needs_input)) run(words);
  return status;
}

}  // namespace mooring::testing::android
