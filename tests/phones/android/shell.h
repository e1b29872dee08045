// The shell of a simulated phone: what runs the command lines that hosts send.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/phones/android/phone.h"
#include "tests/phones/android/shell_io.h"
#include "tests/phones/android/shell_parse.h"

namespace mooring::testing::android {

// What a subshell has a copy of.
struct ShellState {
  std::string directory = "/";
  std::map<std::string, std::string> variables;
  int status = 0;
  bool has_exited = false;
};

// What adbd gives to a command.
ShellState FirstShellState();

struct ShellContext {
  AndroidPhone& phone;
  ShellState& state;
  ByteSource& in;
  ByteSink& out;
  ByteSink& err;

  // `path` from the root on; "." and ".." stay.
  std::string Absolute(std::string_view path) const;
  // Writes "NAME: text" and a line end to err; answers 1.
  int Fail(std::string_view name, std::string_view text) const;
};

using Arguments = std::vector<std::string>;

// Runs a command line; its exit status.
int RunShell(const ShellContext& context, std::string_view line);

// Runs one program; 127 if the phone has none of this name.
int RunProgram(const ShellContext& context, const Arguments& arguments);
bool HasProgram(std::string_view name);

// "No such file or directory" and its like.
std::string ErrorText(int error);

}  // namespace mooring::testing::android
