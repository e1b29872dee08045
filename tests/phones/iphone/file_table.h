// FileTable: the files of one simulated phone, as a backup sees them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <tuple>

#include "tests/phones/common/content.h"
#include "tests/phones/iphone/crypto.h"

namespace mooring::testing {

struct FileEntry {
  enum class Kind : std::uint8_t { kFile = 1, kDirectory = 2, kSymlink = 4 };  // Manifest.db flags.

  Kind kind = Kind::kFile;
  std::uint8_t protection_class = 3;  // 3: readable from the first unlock on.
  bool encrypted_only = false;        // Left out of unencrypted backups (keychain, Health).
  std::uint16_t mode = 0;             // With the type bits, as st_mode.
  std::uint32_t inode = 0;
  std::int64_t modified_unix = 0;
  ContentRef content;
  std::string target;  // Of a symbolic link.
};

// The key of a file in a table: domain and path. Ordered by domain, then path.
struct FileName {
  std::string domain;
  std::string path;

  friend bool operator<(const FileName& a, const FileName& b) {
    return std::tie(a.domain, a.path) < std::tie(b.domain, b.path);
  }
  friend bool operator==(const FileName&, const FileName&) = default;
};

// The name of a file in a backup: SHA-1 of "domain-path", in hexadecimal.
std::string FileIdOf(const FileName& name);

// About 250 bytes a file; contents are not in it. Thread-compatible.
class FileTable {
 public:
  using Map = std::map<FileName, FileEntry>;

  const Map& files() const { return files_; }
  const FileEntry* Find(const FileName& name) const;
  // Adds or replaces; the directories above come into being with the file.
  void Put(FileName name, FileEntry entry);
  void Remove(const FileName& name) { files_.erase(name); }
  void Clear() { files_.clear(); }

  std::uint64_t content_bytes() const;
  std::uint32_t next_inode() { return ++last_inode_; }

 private:
  Map files_;
  std::uint32_t last_inode_ = 1000;
};

struct PhoneContentOptions {
  std::uint64_t seed = 1;
  std::size_t files = 200;         // Regular files, about.
  std::uint64_t bytes = 6u << 20;  // All of them together.
  bool empty = false;              // A phone fresh from the box: a handful of files.
  bool sensitive = false;          // Adds Health and keychain, which only encrypted backups hold.
  std::string marker;              // Planted in contents and in file names when not empty.
};

FileTable MakePhoneContent(const PhoneContentOptions& options);

struct MutationOptions {
  std::size_t adds = 5;
  std::size_t changes = 5;
  std::size_t deletes = 3;
};

struct MutationResult {
  std::size_t added = 0;
  std::size_t changed = 0;
  std::size_t deleted = 0;
};

// What a day of use does to a phone: new photos and documents, edited databases,
// deleted files. Depends on the table, `round` and `options` alone. sms.db is
// always among the changed files.
MutationResult MutatePhoneContent(FileTable& table, std::uint64_t round,
                                  const MutationOptions& options);

}  // namespace mooring::testing
