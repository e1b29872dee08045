// A directory that goes with the object, for tests.

#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

namespace mooring::testing {

class TempDir {
 public:
  TempDir() {
    std::string path = "/tmp/mooring-phones-XXXXXX";
    if (mkdtemp(path.data()) != nullptr) path_ = path;
  }
  ~TempDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace mooring::testing
