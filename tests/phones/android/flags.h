// Flags: the options of a command line, as toybox reads them.

#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace mooring::testing::android {

class Flags {
 public:
  // `spec` has the letters, a ':' after those that take a value, then long options in
  // parentheses, with '=' if they take one: "ab:(uri=)(null)". Options may stand anywhere;
  // "--" ends them. The error is toybox's.
  static absl::StatusOr<Flags> Parse(const std::vector<std::string>& arguments,
                                     std::string_view spec);

  bool Has(std::string_view name) const { return values_.contains(std::string(name)); }
  // The last value given, or `otherwise`.
  std::string Get(std::string_view name, std::string_view otherwise = "") const;
  std::vector<std::string> All(std::string_view name) const;
  const std::vector<std::string>& operands() const { return operands_; }

 private:
  std::map<std::string, std::vector<std::string>> values_;
  std::vector<std::string> operands_;
};

}  // namespace mooring::testing::android
