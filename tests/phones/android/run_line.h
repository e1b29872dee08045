// A command line on a simulated phone, without adb in between: for tests.

#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "tests/phones/android/phone.h"
#include "tests/phones/android/shell.h"

namespace mooring::testing::android {

struct LineResult {
  int status = 0;
  std::string out;
  std::string err;
};

inline LineResult RunLine(AndroidPhone& phone, std::string_view line, std::string input = "",
                          std::string directory = "/") {
  TextSource in(std::move(input));
  TextSink out(256 << 20);
  TextSink err;
  ShellState state = FirstShellState();
  state.directory = std::move(directory);
  LineResult result;
  result.status = RunShell(ShellContext{phone, state, in, out, err}, line);
  result.out = out.Take();
  result.err = err.Take();
  return result;
}

}  // namespace mooring::testing::android
