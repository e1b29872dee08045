#include "tests/phones/android/shell_parse.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing::android {
namespace {

constexpr int kDepthMax = 20;
constexpr std::array<std::string_view, 8> kNotSimulated = {"if",   "for",      "while",  "until",
                                                           "case", "function", "select", "[["};

bool IsNameChar(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  absl::StatusOr<ShellList> Parse() {
    MOORING_ASSIGN_OR_RETURN(ShellList list, List(0));
    if (!AtEnd()) return Unexpected();
    return list;
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool Take(std::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  absl::Status Unexpected() const {
    return absl::InvalidArgumentError(AtEnd()
                                          ? std::string("syntax error: unexpected end of file")
                                          : fmt::format("syntax error: unexpected '{}'", Peek()));
  }
  void SkipSpace() {
    while (Peek() == ' ' || Peek() == '\t' || (Peek() == '\\' && Peek(1) == '\n')) {
      at_ += Peek() == '\\' ? 2U : 1U;
    }
    if (Peek() == '#') {
      while (!AtEnd() && Peek() != '\n') ++at_;
    }
  }
  void SkipLines() {
    SkipSpace();
    while (Peek() == '\n') {
      ++at_;
      SkipSpace();
    }
  }

  absl::StatusOr<ShellList> List(int depth) {
    if (depth > kDepthMax) return absl::InvalidArgumentError("too deeply nested");
    ShellList list;
    ShellList::When when = ShellList::When::kAlways;
    while (true) {
      SkipLines();
      if (AtEnd() || Peek() == ')' || Peek() == '}') {
        if (when != ShellList::When::kAlways) return Unexpected();
        return list;
      }
      MOORING_ASSIGN_OR_RETURN(ShellPipeline pipeline, Pipeline(depth));
      list.items.emplace_back(when, std::move(pipeline));
      SkipSpace();
      if (Take("&&")) {
        when = ShellList::When::kAfterSuccess;
      } else if (Take("||")) {
        when = ShellList::When::kAfterFailure;
      } else if (Take(";") || Take("\n") || AtEnd() || Peek() == ')' || Peek() == '}') {
        when = ShellList::When::kAlways;
      } else {
        return Unexpected();
      }
    }
  }

  absl::StatusOr<ShellPipeline> Pipeline(int depth) {
    ShellPipeline pipeline;
    if (Peek() == '!' && (Peek(1) == ' ' || Peek(1) == '\t')) {
      pipeline.is_negated = true;
      ++at_;
      SkipSpace();
    }
    while (true) {
      MOORING_ASSIGN_OR_RETURN(ShellCommand command, Command(depth));
      pipeline.commands.push_back(std::move(command));
      SkipSpace();
      if (Peek() != '|' || Peek(1) == '|') return pipeline;
      ++at_;
      SkipLines();
    }
  }

  absl::StatusOr<ShellCommand> Command(int depth) {
    ShellCommand command;
    const char open = Peek();
    if (open == '(' || (open == '{' && (Peek(1) == ' ' || Peek(1) == '\n'))) {
      ++at_;
      MOORING_ASSIGN_OR_RETURN(ShellList list, List(depth + 1));
      if (!Take(open == '(' ? ")" : "}")) return Unexpected();
      command.group = std::make_shared<ShellList>(std::move(list));
    }
    while (true) {
      SkipSpace();
      if (AtEnd() || std::string_view(";&|\n)").find(Peek()) != std::string_view::npos) break;
      MOORING_ASSIGN_OR_RETURN(const bool was_redirect, Redirect(command));
      if (was_redirect) continue;
      if (command.group != nullptr) return Unexpected();
      if (Peek() == '(') return Unexpected();
      if (command.words.empty() && TakeAssignment(command)) {
        MOORING_ASSIGN_OR_RETURN(command.assignments.back().second, Word());
        continue;
      }
      MOORING_ASSIGN_OR_RETURN(ShellWord word, Word());
      if (command.words.empty() && word.size() == 1 && !word[0].is_quoted &&
          std::find(kNotSimulated.begin(), kNotSimulated.end(), word[0].text) !=
              kNotSimulated.end()) {
        return absl::InvalidArgumentError(word[0].text + " is not simulated");
      }
      command.words.push_back(std::move(word));
    }
    if (command.words.empty() && command.assignments.empty() && command.group == nullptr &&
        command.redirects.empty()) {
      return Unexpected();
    }
    return command;
  }

  bool TakeAssignment(ShellCommand& command) {
    std::size_t end = at_;
    while (end < text_.size() && IsNameChar(text_[end])) ++end;
    if (end == at_ || end >= text_.size() || text_[end] != '=') return false;
    if (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) return false;
    command.assignments.emplace_back(std::string(text_.substr(at_, end - at_)), ShellWord());
    at_ = end + 1;
    return true;
  }

  absl::StatusOr<bool> Redirect(ShellCommand& command) {
    std::size_t length = 0;
    ShellRedirect redirect;
    bool has_number = false;
    if (Peek() >= '0' && Peek() <= '2' && (Peek(1) == '<' || Peek(1) == '>')) {
      redirect.from = Peek() - '0';
      has_number = true;
      length = 1;
    }
    if (Peek(length) == '<') {
      redirect.kind = ShellRedirect::Kind::kIn;
      if (!has_number) redirect.from = 0;
    } else if (Peek(length) != '>') {
      return false;
    }
    at_ += length + 1;
    if (redirect.kind != ShellRedirect::Kind::kIn && Take(">")) {
      redirect.kind = ShellRedirect::Kind::kAppend;
    } else if (Take("&")) {
      redirect.kind = ShellRedirect::Kind::kDuplicate;
      if (Peek() < '0' || Peek() > '2') return Unexpected();
      redirect.duplicate = Peek() - '0';
      ++at_;
      command.redirects.push_back(std::move(redirect));
      return true;
    }
    SkipSpace();
    MOORING_ASSIGN_OR_RETURN(redirect.target, Word());
    if (redirect.target.empty()) return Unexpected();
    command.redirects.push_back(std::move(redirect));
    return true;
  }

  absl::StatusOr<ShellWord> Word() {
    ShellWord word;
    while (!AtEnd() && std::string_view(" \t\n;&|<>()").find(Peek()) == std::string_view::npos) {
      if (Peek() == '\'') {
        const std::size_t end = text_.find('\'', at_ + 1);
        if (end == std::string_view::npos) {
          return absl::InvalidArgumentError("no closing quote");
        }
        word.push_back(
            {.text = std::string(text_.substr(at_ + 1, end - at_ - 1)), .is_quoted = true});
        at_ = end + 1;
      } else if (Peek() == '"') {
        MOORING_RETURN_IF_ERROR(DoubleQuoted(word));
      } else if (Peek() == '$' || Peek() == '`') {
        MOORING_RETURN_IF_ERROR(Expansion(word, false));
      } else if (Peek() == '\\') {
        ++at_;
        if (AtEnd()) return Unexpected();
        if (Peek() != '\n') word.push_back({.text = std::string(1, Peek()), .is_quoted = true});
        ++at_;
      } else {
        if (word.empty() || word.back().is_quoted || word.back().kind != ShellPart::Kind::kText) {
          word.emplace_back();
        }
        word.back().text += Peek();
        ++at_;
      }
    }
    return word;
  }

  absl::Status DoubleQuoted(ShellWord& word) {
    ++at_;
    word.push_back({.is_quoted = true});
    while (Peek() != '"') {
      if (AtEnd()) return absl::InvalidArgumentError("no closing quote");
      if (Peek() == '$' || Peek() == '`') {
        MOORING_RETURN_IF_ERROR(Expansion(word, true));
        word.push_back({.is_quoted = true});
        continue;
      }
      if (Peek() == '\\' && std::string_view("$`\"\\\n").find(Peek(1)) != std::string_view::npos) {
        ++at_;
        if (Peek() == '\n') {
          ++at_;
          continue;
        }
      }
      word.back().text += Peek();
      ++at_;
    }
    ++at_;
    return absl::OkStatus();
  }

  absl::Status Expansion(ShellWord& word, bool is_quoted) {
    ShellPart part{.kind = ShellPart::Kind::kVariable, .is_quoted = is_quoted};
    if (Peek() == '`') {
      const std::size_t end = text_.find('`', at_ + 1);
      if (end == std::string_view::npos) return absl::InvalidArgumentError("no closing quote");
      part.kind = ShellPart::Kind::kCommand;
      part.text = std::string(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end + 1;
    } else if (Peek(1) == '(') {
      part.kind = ShellPart::Kind::kCommand;
      MOORING_ASSIGN_OR_RETURN(part.text, CommandText());
    } else if (Peek(1) == '{') {
      const std::size_t end = text_.find('}', at_);
      if (end == std::string_view::npos) return Unexpected();
      part.text = std::string(text_.substr(at_ + 2, end - at_ - 2));
      if (!std::all_of(part.text.begin(), part.text.end(), IsNameChar)) {
        return absl::InvalidArgumentError("${" + part.text + "} is not simulated");
      }
      at_ = end + 1;
    } else if (Peek(1) == '?' || Peek(1) == '$') {
      part.text = std::string(1, Peek(1));
      at_ += 2;
    } else {
      std::size_t end = at_ + 1;
      while (end < text_.size() && IsNameChar(text_[end])) ++end;
      part.text = std::string(text_.substr(at_ + 1, end - at_ - 1));
      at_ = end;
      if (part.text.empty()) part = {.text = "$", .is_quoted = is_quoted};
    }
    word.push_back(std::move(part));
    return absl::OkStatus();
  }

  // The text between "$(" and its ")", quotes respected.
  absl::StatusOr<std::string> CommandText() {
    at_ += 2;
    const std::size_t begin = at_;
    int depth = 1;
    while (!AtEnd()) {
      const char c = Peek();
      if (c == '\'') {
        at_ = std::min(text_.find('\'', at_ + 1), text_.size());
      } else if (c == '\\') {
        ++at_;
      } else if (c == '(') {
        ++depth;
      } else if (c == ')' && --depth == 0) {
        std::string inside(text_.substr(begin, at_ - begin));
        ++at_;
        return inside;
      }
      ++at_;
    }
    return absl::InvalidArgumentError("no closing )");
  }

  const std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

absl::StatusOr<ShellList> ParseShell(std::string_view text) {
  return Parser(text).Parse();
}

}  // namespace mooring::testing::android
