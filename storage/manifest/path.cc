#include <algorithm>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/manifest/manifest.h"

namespace mooring::storage {

absl::Status CheckSnapshotPath(std::string_view path) {
  const auto bad = [](std::string_view what) {
    return absl::InvalidArgumentError(ToAbsl(fmt::format("path: {}", what)));
  };
  if (path.empty()) return bad("empty");
  if (path.size() > kPathBytesMax) return bad(fmt::format("longer than {} bytes", kPathBytesMax));
  if (path.find('\0') != std::string_view::npos) return bad("holds a zero byte");
  std::size_t depth = 0;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    const std::string_view component = path.substr(begin, end - begin);
    if (component.empty()) return bad("absolute, or with an empty component");
    if (component == "." || component == "..") return bad("with a component . or ..");
    if (++depth > kPathDepthMax) return bad(fmt::format("deeper than {}", kPathDepthMax));
    begin = end + 1;
  }
  return absl::OkStatus();
}

}  // namespace mooring::storage
