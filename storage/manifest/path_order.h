// The order of paths in a manifest: byte by byte over the whole path. Compares
// paths that are held as directory and name without joining them.

#pragma once

#include <compare>
#include <string>
#include <string_view>

namespace mooring::storage {

// The path `name` if `dir` is empty, else `dir`/`name`. `name` may itself be a
// whole path when `dir` is empty.
struct SplitPath {
  std::string_view dir;
  std::string_view name;

  std::string Join() const;
};

// Splits before the last component.
SplitPath Split(std::string_view path);

std::strong_ordering ComparePaths(const SplitPath& a, const SplitPath& b);

// Whether an entry of directory `dir` lies below `directory`; "" is the top.
bool LiesBelow(std::string_view dir, std::string_view directory);

}  // namespace mooring::storage
