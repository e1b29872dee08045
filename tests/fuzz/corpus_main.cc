// Runs a fuzz target over files, and over the files of folders: the regression
// test for compilers without libFuzzer.

#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/base/file.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size);

namespace {

constexpr std::uint64_t kInputBytesMax = 64U << 20;

bool RunFile(const std::string& path) {
  const auto bytes = mooring::RealFileSystem().Read(path, kInputBytesMax);
  if (!bytes.ok()) {
    std::fprintf(stderr, "%s: %s\n", path.c_str(), bytes.status().ToString().c_str());
    return false;
  }
  LLVMFuzzerTestOneInput(reinterpret_cast<const unsigned char*>(bytes->data()), bytes->size());
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  int files = 0;
  for (int i = 1; i < argc; ++i) {
    std::vector<std::string> paths;
    if (std::filesystem::is_directory(argv[i])) {
      for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
        if (entry.is_regular_file()) paths.push_back(entry.path().string());
      }
    } else {
      paths.emplace_back(argv[i]);
    }
    for (const std::string& path : paths) {
      if (!RunFile(path)) return 1;
      ++files;
    }
  }
  std::printf("%d inputs\n", files);
  return files > 0 ? 0 : 1;
}
