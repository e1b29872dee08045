// Control: what tests and scripts tell simulated iPhones to do. One command a line, one
// line of JSON in answer; tests/phones/README.md lists the commands.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "tests/phones/iphone/phone_farm.h"

namespace mooring::testing {

// Carries commands out. Thread-safe.
class Control {
 public:
  // `defaults` are the options of phones that the command "add" makes.
  Control(PhoneFarm& farm, PhoneOptions defaults) : farm_(farm), defaults_(std::move(defaults)) {}

  // {"ok": true, ...} or {"ok": false, "error": "..."}, without a line end.
  std::string Execute(std::string_view line);

 private:
  using Words = std::vector<std::string>;
  absl::StatusOr<std::string> Run(const Words& words);
  absl::StatusOr<std::string> RunOnPhone(Phone& phone, const Words& words);
  absl::StatusOr<std::string> Add(const Words& words);
  absl::StatusOr<std::string> Dump(Phone& phone, const Words& words);
  std::string Describe(Phone& phone);

  PhoneFarm& farm_;
  const PhoneOptions defaults_;
};

}  // namespace mooring::testing
