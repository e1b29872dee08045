// FakeAdbDevice: a phone played in memory behind the AdbDevice seam, with the few
// commands that the engine uses on files, and a cable that can be pulled after
// any number of bytes.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/android/adb_device.h"
#include "agent/android/phone_line.h"

namespace mooring::testing {

struct FakeFile {
  std::string content;
  std::int64_t modified_unix_ns = 1'700'000'000'000'000'000;
  std::uint64_t inode = 0;
  bool is_readable = true;
  bool is_directory = false;
};

struct FakeReply {
  std::string output;
  int status = 0;
  std::string errors;
};

// What outlives a cable that is pulled. Thread-compatible.
class FakePhone {
 public:
  // By absolute path, for example /sdcard/DCIM/a.jpg.
  std::map<std::string, FakeFile> files;
  // Commands that are no file's: by their first words.
  std::function<std::optional<FakeReply>(const std::string& command)> answer;
  bool has_find = true;
  bool has_tar = true;
  bool has_hash = true;
  // Called before a file's bytes are sent.
  std::function<void(const std::string& path)> before_read;
  // Bytes to the host until the cable is pulled; nullopt: never.
  std::optional<std::uint64_t> bytes_until_pulled;
  // Searches for it that fail after that.
  int absent_for = 1;

  void Put(const std::string& path, std::string content, std::int64_t seconds = 1'700'000'000) {
    FakeFile& file = files[path];
    file.content = std::move(content);
    file.modified_unix_ns = seconds * 1'000'000'000 + 5'000'000;
    if (file.inode == 0) file.inode = ++last_inode_;
  }

  // For MakeAndroidEngine and PhoneLine. The phone outlives it.
  agent::FindPhone Finder();

  // What crossed the cable.
  std::uint64_t sent_bytes = 0;
  std::vector<std::string> commands;

 private:
  friend class FakeAdbDevice;
  friend class FakeShell;
  friend class FakeSync;

  // How many of `bytes` may still cross; 0: the cable is out.
  std::size_t Cross(std::size_t bytes);
  FakeReply Run(const std::string& command, const std::string& input);
  FakeReply Find(const std::string& root);
  FakeReply Tar(const std::string& root, const std::string& names);
  FakeReply Hash(const std::string& root, const std::string& names);

  std::uint64_t last_inode_ = 100;
  bool is_pulled_ = false;
  int looked_for_ = 0;
};

}  // namespace mooring::testing
