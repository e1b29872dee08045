// Control: what tests and scripts tell simulated Android phones to do. One command a line,
// one line of JSON in answer; tests/phones/android/README.md lists the commands.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "tests/phones/android/android_farm.h"

namespace mooring::testing::android {

// Thread-safe.
class Control {
 public:
  // `defaults` are the options of phones that the command "add" makes.
  Control(AndroidFarm& farm, AndroidPhoneOptions defaults)
      : farm_(farm), defaults_(std::move(defaults)) {}

  // {"ok": true, ...} or {"ok": false, "error": "..."}, without a line end.
  std::string Execute(std::string_view line);

 private:
  using Words = std::vector<std::string>;
  absl::StatusOr<std::string> Run(const Words& words);
  absl::StatusOr<std::string> RunOnPhone(AndroidPhone& phone, const Words& words);
  // What takes an argument; nullopt-like empty optional if `words` is none of them.
  absl::StatusOr<bool> Set(AndroidPhone& phone, const Words& words);
  bool Switch(AndroidPhone& phone, const std::string& command);
  absl::StatusOr<std::string> Add(const Words& words);
  absl::StatusOr<std::string> Mutate(AndroidPhone& phone, const Words& words);
  absl::StatusOr<std::string> AddFault(AndroidPhone& phone, const std::string& text);
  absl::StatusOr<std::string> Dump(AndroidPhone& phone, const Words& words);
  std::string Describe(AndroidPhone& phone);

  AndroidFarm& farm_;
  const AndroidPhoneOptions defaults_;
};

// The attacks that `hostile PHONE NAME` knows.
const std::vector<std::string>& HostileNames();

}  // namespace mooring::testing::android
