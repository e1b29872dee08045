// Shell completion, generated from the command tree: what completes is what
// parses.

#pragma once

#include <string>

#include <CLI/App.hpp>

namespace mooring::admin {

enum class Shell { kBash, kZsh, kFish };

// A script to be sourced by the shell.
std::string CompletionScript(const CLI::App& tree, Shell shell);

}  // namespace mooring::admin
