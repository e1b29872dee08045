#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fnmatch.h>
#include <strings.h>

#include "storage/base/status.h"
#include "tests/phones/android/programs.h"

namespace mooring::testing::android {
namespace {

constexpr int kDepthMax = 500;
constexpr std::size_t kExecBatch = 1'000;

// What is being looked at.
struct Found {
  std::string path;      // As it is printed.
  std::size_t root = 0;  // Bytes of the argument that it was found under.
  FileInfo info;
  bool prunes = false;
};

struct Expression {
  enum class Kind {
    kAnd,
    kOr,
    kNot,
    kTrue,
    kFalse,
    kType,
    kName,
    kPath,
    kNewer,
    kSize,
    kEmpty,
    kMinutes,
    kPrint,
    kPrint0,
    kPrintf,
    kPrune,
    kDelete,
    kExec
  };
  Kind kind = Kind::kTrue;
  std::unique_ptr<Expression> left = {};
  std::unique_ptr<Expression> right = {};
  std::string text = {};  // Pattern, types or format.
  bool ignores_case = false;
  int sign = 0;             // Of a number: -1 less, 1 more.
  std::int64_t number = 0;  // Seconds or bytes.
  std::int64_t unit = 1;
  Arguments command = {};
  bool gathers = false;  // -exec ... +
  Arguments gathered = {};
};

using ExpressionPointer = std::unique_ptr<Expression>;

std::string_view NameOf(const Found& found) {
  return BaseName(found.path);
}

class Finder {
 public:
  Finder(const ShellContext& context, const Arguments& arguments)
      : context_(context), arguments_(arguments) {}

  int Run() {
    std::vector<std::string> roots;
    while (at_ < arguments_.size() && !IsExpression(arguments_[at_])) {
      roots.push_back(arguments_[at_++]);
    }
    std::erase(roots, "-H");
    std::erase(roots, "-L");
    if (roots.empty()) roots.emplace_back(".");
    absl::StatusOr<ExpressionPointer> parsed = ParseAll();
    if (!parsed.ok()) {
      const absl::string_view message = parsed.status().message();
      return context_.Fail("find", {message.data(), message.size()});
    }
    expression_ = *std::move(parsed);
    if (context_.phone.IsHostile("endless-shell")) {
      while (context_.out.Write(std::string(4096, 'x'))) continue;
      return 1;
    }
    for (const std::string& root : roots) {
      const std::string path = context_.Absolute(root);
      const OrErrno<FileInfo> info = context_.phone.files().Stat(path, false);
      if (!info.ok()) {
        status_ = context_.Fail("find", "'" + root + "': " + ErrorText(info.error));
        continue;
      }
      Found found{.path = root, .root = root.size(), .info = info.value};
      if (root.ends_with('/')) found.info = context_.phone.files().Stat(path, true).value;
      if (!Visit(found, path, 0)) break;
      EmitHostile(root);
    }
    FlushGathered(*expression_);
    return status_;
  }

 private:
  static bool IsExpression(const std::string& word) {
    return (word.size() > 1 && word[0] == '-' && word != "-H" && word != "-L") || word == "(" ||
           word == "!";
  }

  absl::StatusOr<ExpressionPointer> ParseAll() {
    if (at_ == arguments_.size()) return Make(Expression::Kind::kPrint);
    MOORING_ASSIGN_OR_RETURN(ExpressionPointer all, ParseOr(0));
    if (at_ < arguments_.size()) return Bad(arguments_[at_]);
    if (has_action_) return all;
    return Join(Expression::Kind::kAnd, std::move(all), Make(Expression::Kind::kPrint));
  }

  static absl::Status Bad(const std::string& word) {
    return absl::InvalidArgumentError("bad arg '" + word + "'");
  }
  static ExpressionPointer Make(Expression::Kind kind) {
    auto made = std::make_unique<Expression>();
    made->kind = kind;
    return made;
  }
  static ExpressionPointer Join(Expression::Kind kind, ExpressionPointer left,
                                ExpressionPointer right) {
    ExpressionPointer made = Make(kind);
    made->left = std::move(left);
    made->right = std::move(right);
    return made;
  }
  bool Take(std::string_view one, std::string_view other) {
    if (at_ >= arguments_.size() || (arguments_[at_] != one && arguments_[at_] != other)) {
      return false;
    }
    ++at_;
    return true;
  }

  absl::StatusOr<ExpressionPointer> ParseOr(int depth) {
    if (depth > 20) return absl::InvalidArgumentError("too deep");
    MOORING_ASSIGN_OR_RETURN(ExpressionPointer left, ParseAnd(depth));
    while (Take("-o", "-or")) {
      MOORING_ASSIGN_OR_RETURN(ExpressionPointer right, ParseAnd(depth));
      left = Join(Expression::Kind::kOr, std::move(left), std::move(right));
    }
    return left;
  }

  absl::StatusOr<ExpressionPointer> ParseAnd(int depth) {
    MOORING_ASSIGN_OR_RETURN(ExpressionPointer left, ParseOne(depth));
    while (at_ < arguments_.size() && arguments_[at_] != ")" && arguments_[at_] != "-o" &&
           arguments_[at_] != "-or") {
      (void)Take("-a", "-and");
      MOORING_ASSIGN_OR_RETURN(ExpressionPointer right, ParseOne(depth));
      left = Join(Expression::Kind::kAnd, std::move(left), std::move(right));
    }
    return left;
  }

  absl::StatusOr<ExpressionPointer> ParseOne(int depth) {
    if (at_ >= arguments_.size()) return absl::InvalidArgumentError("Missing argument");
    if (Take("(", "(")) {
      MOORING_ASSIGN_OR_RETURN(ExpressionPointer inner, ParseOr(depth + 1));
      if (!Take(")", ")")) return Bad("(");
      return inner;
    }
    if (Take("!", "-not")) {
      MOORING_ASSIGN_OR_RETURN(ExpressionPointer inner, ParseOne(depth));
      return Join(Expression::Kind::kNot, std::move(inner), nullptr);
    }
    return ParsePrimary();
  }

  absl::StatusOr<ExpressionPointer> ParsePrimary() {
    using Kind = Expression::Kind;
    const std::string word = arguments_[at_++];
    if (word == "-print" || word == "-print0" || word == "-prune" || word == "-delete") {
      has_action_ = has_action_ || word != "-prune";
      return Make(word == "-print"    ? Kind::kPrint
                  : word == "-print0" ? Kind::kPrint0
                  : word == "-prune"  ? Kind::kPrune
                                      : Kind::kDelete);
    }
    if (word == "-empty") return Make(Kind::kEmpty);
    if (word == "-true" || word == "-xdev" || word == "-mount" || word == "-depth") {
      return Make(Kind::kTrue);
    }
    if (word == "-false") return Make(Kind::kFalse);
    // toybox learned -printf in 0.8.1.
    if (word == "-printf" && context_.phone.options().android < 11) return Bad(word);
    if (word == "-exec") return ParseExec();
    if (at_ >= arguments_.size()) return Bad(word);
    const std::string value = arguments_[at_++];
    if (word == "-maxdepth" || word == "-mindepth") {
      int& depth = word == "-maxdepth" ? depth_max_ : depth_min_;
      depth = std::atoi(value.c_str());
      return Make(Kind::kTrue);
    }
    ExpressionPointer made = Make(Kind::kTrue);
    made->text = value;
    if (word == "-type") {
      made->kind = Kind::kType;
    } else if (word == "-name" || word == "-iname") {
      made->kind = Kind::kName;
    } else if (word == "-path" || word == "-ipath") {
      made->kind = Kind::kPath;
    } else if (word == "-printf") {
      made->kind = Kind::kPrintf;
      has_action_ = true;
    } else if (word == "-newer" || word == "-newermt") {
      made->kind = Kind::kNewer;
      return ParseTime(std::move(made), word == "-newermt");
    } else if (word == "-size" || word == "-mtime") {
      made->kind = word == "-size" ? Kind::kSize : Kind::kMinutes;
      return ParseNumber(std::move(made));
    } else {
      return Bad(word);
    }
    made->ignores_case = word == "-iname" || word == "-ipath";
    return made;
  }

  absl::StatusOr<ExpressionPointer> ParseTime(ExpressionPointer made, bool is_time) {
    const std::string& text = made->text;
    if (!is_time) {
      const OrErrno<FileInfo> info = context_.phone.files().Stat(context_.Absolute(text), true);
      if (!info.ok()) return absl::NotFoundError("'" + text + "': " + ErrorText(info.error));
      made->number = info.value.modified_ns;
      return made;
    }
    const char* end = text.data() + text.size();
    std::int64_t seconds = 0;
    if (!text.starts_with('@') || std::from_chars(text.data() + 1, end, seconds).ptr != end) {
      return absl::InvalidArgumentError("bad date '" + text + "'");
    }
    made->number = seconds * 1'000'000'000;
    return made;
  }

  static absl::StatusOr<ExpressionPointer> ParseNumber(ExpressionPointer made) {
    std::string_view text = made->text;
    if (text.starts_with('+') || text.starts_with('-')) {
      made->sign = text[0] == '+' ? 1 : -1;
      text.remove_prefix(1);
    }
    const auto [rest, error] =
        std::from_chars(text.data(), text.data() + text.size(), made->number);
    const std::string_view unit(rest, static_cast<std::size_t>(text.data() + text.size() - rest));
    made->unit = unit == "c" ? 1 : unit == "k" ? 1024 : unit == "M" ? 1 << 20 : 512;
    if (error != std::errc()) return absl::InvalidArgumentError("bad number '" + made->text + "'");
    return made;
  }

  absl::StatusOr<ExpressionPointer> ParseExec() {
    ExpressionPointer made = Make(Expression::Kind::kExec);
    has_action_ = true;
    for (; at_ < arguments_.size(); ++at_) {
      const std::string& word = arguments_[at_];
      made->gathers = word == "+" && !made->command.empty() && made->command.back() == "{}";
      if (word == ";" || made->gathers) {
        ++at_;
        return made;
      }
      made->command.push_back(word);
    }
    return absl::InvalidArgumentError("-exec needs ;");
  }

  // False once nobody reads any more.
  bool Visit(Found& found, const std::string& path, int depth) {
    if (depth >= depth_min_) (void)Evaluate(*expression_, found, path);
    if (is_gone_) return false;
    if (!found.info.is_directory() || found.prunes || depth >= depth_max_) return true;
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

  static bool Compares(const Expression& expression, std::int64_t value) {
    if (expression.sign == 0) return value == expression.number;
    return expression.sign > 0 ? value > expression.number : value < expression.number;
  }

  bool Evaluate(Expression& expression, Found& found, const std::string& path) {
    using Kind = Expression::Kind;
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
      case Kind::kMinutes:
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

  bool Execute(Expression& expression, const Found& found) {
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

  void FlushGathered(Expression& expression) {
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
        return fmt::format(
            "{}", info.kind == FileInfo::Kind::kFile && context_.phone.IsHostile("lying-sizes")
                      ? info.size_bytes() + (info.inode % 2 == 0 ? 1ULL << 62 : 7)
                      : info.size_bytes());
      case 'T': {
        if (!rest.starts_with('@')) return std::nullopt;
        rest.remove_prefix(1);
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

  // Rows that a true `find` never prints.
  void EmitHostile(const std::string& root) {
    const std::string nul(1, '\0');
    if (context_.phone.IsHostile("forged-rows")) {
      for (const char* path : {"../../../../tmp/escape", "/etc/passwd", "..", ".", "a/../../b",
                               "a//b", "", "DCIM/", "x/./y"}) {
        (void)Emit(fmt::format("-rw-rw----\t5\t1700000000.000000000\t77\t{}", path) + nul);
        (void)Emit(root + path + nul);
      }
      for (const char* row :
           {"-rw-rw----\t-5\t1700000000.0\t77\tnegative",
            "-rw-rw----\t99999999999999999999\t1\t7\tn", "-rw-rw----\tx\ty\tz\tletters", "short",
            "", "-rw-rw----\t5\t1e300\t77\ttime", "?????????\t5\t1700000000.0\t77\tkind",
            "lrwxrwxrwx\t5\t1700000000.0\t77\tlink",
            "-rw-rw----\t5\t-9223372036854775808.0\t77\told"}) {
        (void)Emit(row + nul);
      }
    }
    if (context_.phone.IsHostile("invalid-utf8")) {
      (void)Emit("-rw-rw----\t5\t1700000000.000000000\t77\tDCIM/\xFF\xFE\xC0\xAF.jpg" + nul);
    }
    if (context_.phone.IsHostile("long-name")) {
      (void)Emit("-rw-rw----\t5\t1700000000.0\t77\t" + std::string(1 << 20, 'n') + nul);
    }
  }

  const ShellContext& context_;
  const Arguments& arguments_;
  std::size_t at_ = 1;
  ExpressionPointer expression_;
  int depth_max_ = kDepthMax;
  int depth_min_ = 0;
  bool has_action_ = false;
  bool is_gone_ = false;
  int status_ = 0;
};

}  // namespace

int RunFind(const ShellContext& context, const Arguments& arguments) {
  return Finder(context, arguments).Run();
}

}  // namespace mooring::testing::android
