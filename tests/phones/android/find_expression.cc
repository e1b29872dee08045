#include "tests/phones/android/find_expression.h"

#include <charconv>
#include <utility>

#include "storage/base/status.h"

namespace mooring::testing::android {
namespace {

using Pointer = std::unique_ptr<FindExpression>;

class FindParser {
 public:
  FindParser(const ShellContext& context, const Arguments& arguments)
      : context_(context), arguments_(arguments) {}

  absl::StatusOr<FindPlan> Parse() {
    for (; at_ < arguments_.size() && !IsExpression(arguments_[at_]); ++at_) {
      const bool is_flag = arguments_[at_] == "-H" || arguments_[at_] == "-L";
      if (is_flag) {
        plan_.follows_roots = true;
      } else {
        plan_.roots.push_back(arguments_[at_]);
      }
    }
    if (plan_.roots.empty()) plan_.roots.emplace_back(".");
    MOORING_ASSIGN_OR_RETURN(plan_.expression, ParseAll());
    return std::move(plan_);
  }

 private:
  static bool IsExpression(const std::string& word) {
    return (word.size() > 1 && word[0] == '-' && word != "-H" && word != "-L") || word == "(" ||
           word == "!";
  }

  absl::StatusOr<Pointer> ParseAll() {
    if (at_ == arguments_.size()) return Make(FindExpression::Kind::kPrint);
    MOORING_ASSIGN_OR_RETURN(Pointer all, ParseOr(0));
    if (at_ < arguments_.size()) return Bad(arguments_[at_]);
    if (has_action_) return all;
    return Join(FindExpression::Kind::kAnd, std::move(all), Make(FindExpression::Kind::kPrint));
  }

  static absl::Status Bad(const std::string& word) {
    return absl::InvalidArgumentError("bad arg '" + word + "'");
  }
  static Pointer Make(FindExpression::Kind kind) {
    auto made = std::make_unique<FindExpression>();
    made->kind = kind;
    return made;
  }
  static Pointer Join(FindExpression::Kind kind, Pointer left, Pointer right) {
    Pointer made = Make(kind);
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

  absl::StatusOr<Pointer> ParseOr(int depth) {
    if (depth > 20) return absl::InvalidArgumentError("too deep");
    MOORING_ASSIGN_OR_RETURN(Pointer left, ParseAnd(depth));
    while (Take("-o", "-or")) {
      MOORING_ASSIGN_OR_RETURN(Pointer right, ParseAnd(depth));
      left = Join(FindExpression::Kind::kOr, std::move(left), std::move(right));
    }
    return left;
  }

  absl::StatusOr<Pointer> ParseAnd(int depth) {
    MOORING_ASSIGN_OR_RETURN(Pointer left, ParseOne(depth));
    while (at_ < arguments_.size() && arguments_[at_] != ")" && arguments_[at_] != "-o" &&
           arguments_[at_] != "-or") {
      (void)Take("-a", "-and");
      MOORING_ASSIGN_OR_RETURN(Pointer right, ParseOne(depth));
      left = Join(FindExpression::Kind::kAnd, std::move(left), std::move(right));
    }
    return left;
  }

  absl::StatusOr<Pointer> ParseOne(int depth) {
    if (at_ >= arguments_.size()) return absl::InvalidArgumentError("Missing argument");
    if (Take("(", "(")) {
      MOORING_ASSIGN_OR_RETURN(Pointer inner, ParseOr(depth + 1));
      if (!Take(")", ")")) return Bad("(");
      return inner;
    }
    if (Take("!", "-not")) {
      MOORING_ASSIGN_OR_RETURN(Pointer inner, ParseOne(depth));
      return Join(FindExpression::Kind::kNot, std::move(inner), nullptr);
    }
    return ParsePrimary();
  }

  absl::StatusOr<Pointer> ParsePrimary() {
    using Kind = FindExpression::Kind;
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
      int& depth = word == "-maxdepth" ? plan_.depth_max : plan_.depth_min;
      depth = std::atoi(value.c_str());
      return Make(Kind::kTrue);
    }
    Pointer made = Make(Kind::kTrue);
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
      made->kind = word == "-size" ? Kind::kSize : Kind::kDays;
      return ParseNumber(std::move(made));
    } else {
      return Bad(word);
    }
    made->ignores_case = word == "-iname" || word == "-ipath";
    return made;
  }

  absl::StatusOr<Pointer> ParseTime(Pointer made, bool is_time) {
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

  static absl::StatusOr<Pointer> ParseNumber(Pointer made) {
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

  absl::StatusOr<Pointer> ParseExec() {
    Pointer made = Make(FindExpression::Kind::kExec);
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

  const ShellContext& context_;
  const Arguments& arguments_;
  std::size_t at_ = 1;
  bool has_action_ = false;
  FindPlan plan_;
};

}  // namespace

absl::StatusOr<FindPlan> ParseFind(const ShellContext& context, const Arguments& arguments) {
  return FindParser(context, arguments).Parse();
}

}  // namespace mooring::testing::android
