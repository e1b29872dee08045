#include "tests/unit/storage/vectors.h"

#include <algorithm>
#include <fstream>

#include "storage/base/check.h"

namespace mooring::testing {

std::map<std::string, VectorCase> LoadVectors(const std::string& file) {
  std::ifstream in(std::string(MOORING_VECTORS) + "/" + file);
  MOORING_CHECK(in.good());
  std::map<std::string, VectorCase> cases;
  std::string name;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line.front() == '#') continue;
    if (line.front() == '[') {
      name = line.substr(1, line.size() - 2);
      continue;
    }
    const std::size_t equals = line.find(" =");
    MOORING_CHECK(!name.empty() && equals != std::string::npos);
    cases[name].Set(line.substr(0, equals), line.substr(std::min(equals + 3, line.size())));
  }
  return cases;
}

void FixedRandom::Fill(std::span<std::byte> out) {
  MOORING_CHECK(used_ + out.size() <= bytes_.size());
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(used_), out.size(), out.begin());
  used_ += out.size();
}

}  // namespace mooring::testing
