#include "storage/manifest/path_order.h"

#include <algorithm>
#include <array>

namespace mooring::storage {
namespace {

// The pieces of a path, taken from the front.
class Pieces {
 public:
  explicit Pieces(const SplitPath& path)
      : pieces_{path.dir, path.dir.empty() ? std::string_view() : std::string_view("/"),
                path.name} {
    Settle();
  }

  bool at_end() const { return index_ == pieces_.size(); }
  std::string_view front() const { return pieces_[index_]; }
  void RemovePrefix(std::size_t bytes) {
    pieces_[index_].remove_prefix(bytes);
    Settle();
  }

 private:
  void Settle() {
    while (index_ < pieces_.size() && pieces_[index_].empty()) ++index_;
  }

  std::array<std::string_view, 3> pieces_;
  std::size_t index_ = 0;
};

}  // namespace

std::string SplitPath::Join() const {
  std::string path;
  path.reserve(dir.size() + 1 + name.size());
  path += dir;
  if (!dir.empty()) path += '/';
  path += name;
  return path;
}

SplitPath Split(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

std::strong_ordering ComparePaths(const SplitPath& a, const SplitPath& b) {
  if (a.dir == b.dir) return a.name.compare(b.name) <=> 0;
  Pieces left(a);
  Pieces right(b);
  while (!left.at_end() && !right.at_end()) {
    const std::size_t bytes = std::min(left.front().size(), right.front().size());
    const int order = left.front().substr(0, bytes).compare(right.front().substr(0, bytes));
    if (order != 0) return order <=> 0;
    left.RemovePrefix(bytes);
    right.RemovePrefix(bytes);
  }
  return !left.at_end() <=> !right.at_end();
}

bool LiesBelow(std::string_view dir, std::string_view directory) {
  if (directory.empty() || dir == directory) return true;
  return dir.size() > directory.size() && dir.starts_with(directory) &&
         dir[directory.size()] == '/';
}

}  // namespace mooring::storage
