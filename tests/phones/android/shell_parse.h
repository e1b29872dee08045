// The grammar of the simulated shell: lists, pipelines, quotes, redirections, groups.
// A subset of mksh; loops and conditions are not in it, and it says so.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

namespace mooring::testing::android {

struct ShellPart {
  enum class Kind { kText, kVariable, kCommand };  // A name or a command's text.
  Kind kind = Kind::kText;
  std::string text = {};
  bool is_quoted = false;
};

// Parts that follow each other without a space.
using ShellWord = std::vector<ShellPart>;

struct ShellRedirect {
  enum class Kind { kIn, kOut, kAppend, kDuplicate };
  Kind kind = Kind::kOut;
  int from = 1;       // The descriptor that is redirected.
  int duplicate = 0;  // Of kDuplicate.
  ShellWord target;
};

struct ShellList;

struct ShellCommand {
  std::vector<std::pair<std::string, ShellWord>> assignments;
  std::vector<ShellWord> words;
  std::vector<ShellRedirect> redirects;
  std::shared_ptr<const ShellList> group;  // ( ... ) or { ...; } in place of words.
};

struct ShellPipeline {
  bool is_negated = false;
  std::vector<ShellCommand> commands;
};

struct ShellList {
  enum class When { kAlways, kAfterSuccess, kAfterFailure };
  std::vector<std::pair<When, ShellPipeline>> items;
};

// The error is what mksh would say, without its name in front.
absl::StatusOr<ShellList> ParseShell(std::string_view text);

}  // namespace mooring::testing::android
