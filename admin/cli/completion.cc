#include "admin/cli/completion.h"

#include <string>
#include <string_view>
#include <vector>

#include <absl/strings/str_join.h>
#include <absl/strings/str_replace.h>
#include <fmt/format.h>

namespace mooring::admin {
namespace {

struct Word {
  std::string text;
  std::string description;
};

// One command with what may follow it.
struct Node {
  std::string path;  // "mooring agent invite"
  std::vector<Word> commands;
  std::vector<Word> options;
};

void AddOptions(const CLI::App& app, std::vector<Word>& words) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_snames()) {
      words.push_back({"-" + name, option->get_description()});
    }
    for (const std::string& name : option->get_lnames()) {
      words.push_back({"--" + name, option->get_description()});
    }
  }
}

void Walk(const CLI::App& root, const CLI::App& app, const std::string& path,
          std::vector<Node>& nodes) {
  Node node;
  node.path = path;
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* child : children) {
    node.commands.push_back({child->get_name(), child->get_description()});
  }
  AddOptions(app, node.options);
  // The output format is taken anywhere.
  if (&app != &root) {
    for (const char* name : {"-o", "--output"}) node.options.push_back({name, "output format"});
  }
  nodes.push_back(std::move(node));
  for (const CLI::App* child : children) {
    Walk(root, *child, path + " " + child->get_name(), nodes);
  }
}

std::string Quoted(std::string_view text) {
  return "'" + absl::StrReplaceAll({text.data(), text.size()}, {{"'", "'\\''"}}) + "'";
}

// Every path below the top as alternatives of a shell `case`.
std::string PathAlternatives(const std::vector<Node>& nodes, std::string_view separator) {
  std::vector<std::string> paths;
  for (std::size_t i = 1; i < nodes.size(); ++i) paths.push_back(Quoted(nodes[i].path));
  return absl::StrJoin(paths, {separator.data(), separator.size()});
}

std::string BashScript(const std::vector<Node>& nodes) {
  std::string out = fmt::format(
      R"(# bash completion for mooring; use: source <(mooring completion bash)
_mooring() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" previous="${{COMP_WORDS[COMP_CWORD-1]}}"
  local path=mooring words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$path ${{COMP_WORDS[i]}}" in
      {}) path="$path ${{COMP_WORDS[i]}}" ;;
    esac
  done
  case "$previous" in
    -o|--output) COMPREPLY=($(compgen -W "table json yaml" -- "$current")); return ;;
  esac
  case "$path" in
)",
      PathAlternatives(nodes, "|"));
  for (const Node& node : nodes) {
    std::vector<std::string> words;
    for (const Word& word : node.commands) words.push_back(word.text);
    for (const Word& word : node.options) words.push_back(word.text);
    out +=
        fmt::format("    {}) words={} ;;\n", Quoted(node.path), Quoted(absl::StrJoin(words, " ")));
  }
  out += R"(  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _mooring mooring
)";
  return out;
}

std::string ZshScript(const std::vector<Node>& nodes) {
  std::string out = fmt::format(
      R"(#compdef mooring
# zsh completion for mooring; use: source <(mooring completion zsh)
_mooring() {{
  local at=mooring i
  local -a choices
  for ((i = 2; i < CURRENT; i++)); do
    case "$at ${{words[i]}}" in
      {}) at="$at ${{words[i]}}" ;;
    esac
  done
  if [[ ${{words[CURRENT-1]}} == (-o|--output) ]]; then
    choices=(table json yaml)
    _describe 'format' choices
    return
  fi
  case "$at" in
)",
      PathAlternatives(nodes, "|"));
  for (const Node& node : nodes) {
    std::vector<std::string> choices;
    for (const auto* words : {&node.commands, &node.options}) {
      for (const Word& word : *words) {
        choices.push_back(Quoted(absl::StrReplaceAll(word.text, {{":", "\\:"}}) + ":" +
                                 absl::StrReplaceAll(word.description, {{":", "\\:"}})));
      }
    }
    out += fmt::format("    {}) choices=({}) ;;\n", Quoted(node.path), absl::StrJoin(choices, " "));
  }
  out += R"(  esac
  _describe 'mooring' choices || _files
}
compdef _mooring mooring
)";
  return out;
}

std::string FishScript(const std::vector<Node>& nodes) {
  std::string out = fmt::format(
      R"(# fish completion for mooring; use: mooring completion fish | source
function __mooring_at
  set -l path mooring
  set -l typed (commandline -opc)
  set -e typed[1]
  for word in $typed
    switch "$path $word"
      case {}
        set path "$path $word"
    end
  end
  test "$path" = "$argv[1]"
end
)",
      PathAlternatives(nodes, " "));
  for (const Node& node : nodes) {
    const std::string at = Quoted("__mooring_at \"" + node.path + "\"");
    for (const Word& word : node.commands) {
      out += fmt::format("complete -c mooring -f -n {} -a {} -d {}\n", at, Quoted(word.text),
                         Quoted(word.description));
    }
    for (const Word& word : node.options) {
      const bool is_long = word.text.size() > 2;
      out += fmt::format("complete -c mooring -n {} {} {} -d {}\n", at, is_long ? "-l" : "-s",
                         Quoted(word.text.substr(is_long ? 2 : 1)), Quoted(word.description));
    }
  }
  return out;
}

}  // namespace

std::string CompletionScript(const CLI::App& tree, Shell shell) {
  std::vector<Node> nodes;
  Walk(tree, tree, tree.get_name(), nodes);
  switch (shell) {
    case Shell::kBash:
      return BashScript(nodes);
    case Shell::kZsh:
      return ZshScript(nodes);
    case Shell::kFish:
      return FishScript(nodes);
  }
  return "";
}

}  // namespace mooring::admin
