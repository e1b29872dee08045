#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fnmatch.h>

#include "tests/phones/android/find_expression.h"
#include "tests/phones/android/programs.h"

namespace mooring::testing::android {
namespace {

constexpr std::size_t kExecBatch = 1'000;

// What is being looked at.
struct Found {
  std::string path;      // As it is printed.
  std::size_t root = 0;  // Bytes of the argument that it was found under.
  FileInfo info;
  bool prunes = false;
};

std::string_view NameOf(const Found& found) {
  return BaseName(found.path);
}

class Finder {
 public:
  Finder(const ShellContext& context, FindPlan plan) : context_(context), plan_(std::move(plan)) {}

  int Run() {
    if (context_.phone.IsHostile("endless-shell")) {
      while (context_.out.Write(std::string(4096, 'x'))) continue;
      return 1;
    }
    for (const std::string& root : plan_.roots) {
      const std::string path = context_.Absolute(root);
      const bool follows = plan_.follows_roots || root.ends_with('/');
      const OrErrno<FileInfo> info = context_.phone.files().Stat(path, follows);
      if (!info.ok()) {
        status_ = context_.Fail("find", "'" + root + "': " + ErrorText(info.error));
        continue;
      }
      Found found{.path = root, .root = root.size(), .info = info.value};
      if (!Visit(found, path, 0)) break;
      EmitHostile(root);
    }
    FlushGathered(*plan_.expression);
    return status_;
  }

 private:
  // False once nobody reads any more.
  bool Visit(Found& found, const std::string& path, int depth) {
    if (depth >= plan_.depth_min) (void)Evaluate(*plan_.expression, found, path);
    if (is_gone_) return false;
    if (!found.info.is_directory() || found.prunes || depth >= plan_.depth_max) return true;
    const OrErrno<std::vector<DirectoryItem>> items = context_.phone.files().List(path);
    if (!items.ok()) {
      status_ = context_.Fail("find", found.path + ": " + ErrorText(items.error));
      return true;
    }
    const std::string slash = found.path.ends_with('/') ? "" : "/";
    for (const DirectoryItem& item : items.value) {
      std::string name = found.path;
      name.append(slash).append(item.name);
      Found child{.path = std::move(name), .root = found.root, .info = item.info};
      if (!Visit(child, path + (path.ends_with('/') ? "" : "/") + item.name, depth + 1)) {
        return false;
      }
    }
    return true;
  }

  static bool Compares(const FindExpression& expression, std::int64_t value) {
    if (expression.sign == 0) return value == expression.number;
    return expression.sign > 0 ? value > expression.number : value < expression.number;
  }

  bool Evaluate(FindExpression& expression, Found& found, const std::string& path) {
    using Kind = FindExpression::Kind;
    const FileInfo& info = found.info;
    const int flags = expression.ignores_case ? FNM_CASEFOLD : 0;
    switch (expression.kind) {
      case Kind::kAnd:
        return Evaluate(*expression.left, found, path) && Evaluate(*expression.right, found, path);
      case Kind::kOr:
        return Evaluate(*expression.left, found, path) || Evaluate(*expression.right, found, path);
      case Kind::kNot:
        return !Evaluate(*expression.left, found, path);
      case Kind::kTrue:
        return true;
      case Kind::kFalse:
        return false;
      case Kind::kType:
        return expression.text.find("fdl"[static_cast<std::size_t>(info.kind)]) !=
               std::string::npos;
      case Kind::kName:
        return fnmatch(expression.text.c_str(), std::string(NameOf(found)).c_str(), flags) == 0;
      case Kind::kPath:
        return fnmatch(expression.text.c_str(), found.path.c_str(), flags) == 0;
      case Kind::kNewer:
        return info.modified_ns > expression.number;
      case Kind::kSize: {
        const auto size = static_cast<std::int64_t>(info.size_bytes());
        return Compares(expression, (size + expression.unit - 1) / expression.unit);
      }
      case Kind::kDays:
        return Compares(expression, (context_.phone.files().NowNs() - info.modified_ns) /
                                        (86'400 * 1'000'000'000LL));
      case Kind::kEmpty: {
        if (!info.is_directory()) return info.size_bytes() == 0;
        const auto items = context_.phone.files().List(path);
        return items.ok() && items.value.empty();
      }
      case Kind::kPrint:
        return Emit(found.path + "\n");
      case Kind::kPrint0:
        return Emit(found.path + std::string(1, '\0'));
      case Kind::kPrintf:
        return Print(expression.text, found);
      case Kind::kPrune:
        found.prunes = true;
        return true;
      case Kind::kDelete: {
        const int error = context_.phone.files().Remove(path, false);
        if (error != 0) status_ = context_.Fail("find", found.path + ": " + ErrorText(error));
        return error == 0;
      }
      case Kind::kExec:
        return Execute(expression, found);
    }
    return false;
  }

  bool Execute(FindExpression& expression, const Found& found) {
    if (expression.gathers) {
      expression.gathered.push_back(found.path);
      if (expression.gathered.size() >= kExecBatch) FlushGathered(expression);
      return true;
    }
    Arguments words = expression.command;
    for (std::string& word : words) {
      if (word == "{}") word = found.path;
    }
    return RunProgram(context_, words) == 0;
  }

  void FlushGathered(FindExpression& expression) {
    if (expression.left != nullptr) FlushGathered(*expression.left);
    if (expression.right != nullptr) FlushGathered(*expression.right);
    if (expression.gathered.empty()) return;
    Arguments words = expression.command;
    words.pop_back();
    words.insert(words.end(), expression.gathered.begin(), expression.gathered.end());
    expression.gathered.clear();
    if (RunProgram(context_, words) != 0) status_ = 1;
  }

  bool Emit(std::string_view text) {
    if (!context_.out.Write(text)) is_gone_ = true;
    return !is_gone_;
  }

  std::optional<std::string> Field(std::string_view& rest, const Found& found) {
    const FileInfo& info = found.info;
    const char letter = rest.empty() ? '\0' : rest[0];
    if (!rest.empty()) rest.remove_prefix(1);
    switch (letter) {
      case '%':
        return "%";
      case 'b':
        return fmt::format("{}", (info.size_bytes() + 4095) / 4096 * 8);
      case 'f':
        return std::string(NameOf(found));
      case 'g':
        return UserName(info.gid);
      case 'G':
        return fmt::format("{}", info.gid);
      case 'i':
        return fmt::format("{}", info.inode);
      case 'l':
        return info.target;
      case 'm':
        return fmt::format("{:o}", info.mode & 07777);
      case 'M':
        return ModeText(info.mode);
      case 'p':
        return found.path;
      case 'P': {
        std::string_view path = std::string_view(found.path).substr(found.root);
        if (path.starts_with('/')) path.remove_prefix(1);
        return std::string(path);
      }
      case 's':
        if (lie_) return *lie_;
        return fmt::format(
            "{}", info.kind == FileInfo::Kind::kFile && context_.phone.IsHostile("lying-sizes")
                      ? info.size_bytes() + (info.inode % 2 == 0 ? 1ULL << 62 : 7)
                      : info.size_bytes());
      case 'T': {
        if (!rest.starts_with('@')) return std::nullopt;
        rest.remove_prefix(1);
        if (lie_) return *lie_;
        const std::int64_t seconds = info.modified_unix();
        // Nanoseconds, but toybox does not fill up with zeros: 5.040 s is "5.40000000".
        return fmt::format("{}.{}", seconds, info.modified_ns - seconds * 1'000'000'000);
      }
      case 'u':
        return UserName(info.uid);
      case 'U':
        return fmt::format("{}", info.uid);
      case 'Z':
        return "u:object_r:fuse:s0";
      default:
        return std::nullopt;
    }
  }

  bool Print(std::string_view format, const Found& found) {
    std::string text;
    while (!format.empty()) {
      const char c = format[0];
      format.remove_prefix(1);
      if (c == '\\' && !format.empty()) {
        const char escape = format[0];
        format.remove_prefix(1);
        text += escape == 'n' ? '\n' : escape == 't' ? '\t' : escape == '0' ? '\0' : escape;
      } else if (c == '%') {
        const std::string rest(format);
        const std::optional<std::string> field = Field(format, found);
        if (!field) {
          (void)Emit(text);
          const std::string wanted = rest.substr(0, 1);
          (void)context_.Fail(
              "find", wanted == "T" ? "bad -printf %T: %" + rest : "bad -printf %" + wanted);
          status_ = 1;
          is_gone_ = true;
          return false;
        }
        text += *field;
      } else {
        text += c;
      }
    }
    return Emit(text);
  }

  // Rows that a true `find` never prints, in the form that was asked for.
  void EmitHostile(const std::string& root) {
    Found found{.path = {}, .root = root.size(), .info = context_.phone.files().NewFile("/x")};
    found.info.content = {.seed = 666, .size_bytes = 100};
    const auto emit = [&](const std::string& name) {
      found.path = root + (root.ends_with('/') ? "" : "/") + name;
      found.prunes = true;
      (void)Evaluate(*plan_.expression, found, found.path);
    };
    if (context_.phone.IsHostile("forged-rows")) {
      for (const char* name : {"../../../../tmp/escape", "/etc/passwd", "..", ".", "a/../../b",
                               "a//b", "", "DCIM/", "x/./y"}) {
        emit(name);
      }
      for (const char* lie : {"-5", "99999999999999999999", "x", "", "1e300",
                              "-9223372036854775808.0", "9223372036854775807"}) {
        lie_ = lie;
        emit(fmt::format("number {}", lie));
        lie_.reset();
      }
      (void)Emit("short");
      (void)Emit(std::string(3, '\0'));
    }
    if (context_.phone.IsHostile("invalid-utf8")) emit("DCIM/\xFF\xFE\xC0\xAF.jpg");
    if (context_.phone.IsHostile("long-name")) emit(std::string(1 << 20, 'n'));
  }

  const ShellContext& context_;
  const FindPlan plan_;
  std::optional<std::string> lie_;  // What stands in the place of numbers.
  bool is_gone_ = false;
  int status_ = 0;
};

}  // namespace

int RunFind(const ShellContext& context, const Arguments& arguments) {
  absl::StatusOr<FindPlan> plan = ParseFind(context, arguments);
  if (plan.ok()) return Finder(context, *std::move(plan)).Run();
  const absl::string_view message = plan.status().message();
  return context.Fail("find", {message.data(), message.size()});
}

}  // namespace mooring::testing::android
