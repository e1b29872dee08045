// FileTree: the files of one simulated Android phone, from the root down. Contents are
// named, never held: 100,000 files cost about 30 MB whatever their bytes.

#pragma once

#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/mutex.h"
#include "tests/phones/common/content.h"

namespace mooring::testing::android {

// A value, or the errno of why there is none: phones answer in errno.
template <typename T>
struct OrErrno {
  int error = 0;
  T value = {};
  bool ok() const { return error == 0; }
};

struct FileInfo {
  enum class Kind : std::uint8_t { kFile, kDirectory, kSymlink };

  Kind kind = Kind::kFile;
  std::uint32_t mode = 0;  // With the type bits, as st_mode.
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t inode = 0;
  std::int64_t modified_ns = 0;  // Since 1970.
  ContentRef content;
  std::string target;  // Of a symbolic link.

  bool is_directory() const { return kind == Kind::kDirectory; }
  std::uint64_t size_bytes() const;
  std::int64_t modified_unix() const;
};

struct DirectoryItem {
  std::string name;
  FileInfo info;
};

inline constexpr std::size_t kNameBytesMax = 255;

// Paths are absolute; "." and ".." and links on the way are followed. Thread-safe.
class FileTree {
 public:
  FileTree();

  OrErrno<FileInfo> Stat(std::string_view path, bool follow);
  // Without "." and "..", by name.
  OrErrno<std::vector<DirectoryItem>> List(std::string_view path);
  // Where `path` leads to, without links. With `allow_new` its last component need not exist.
  OrErrno<std::string> RealPath(std::string_view path, bool follow, bool allow_new = false);

  // Adds or replaces a file or link, or adds a directory. The directory above must exist.
  int Put(std::string_view path, FileInfo info);
  // The directories of `path` that are missing, as `like`, the last one included.
  int MakeDirectories(std::string_view path, const FileInfo& like);
  int Remove(std::string_view path);  // ENOTEMPTY for a directory that holds something.
  int RemoveTree(std::string_view path);
  int Rename(std::string_view from, std::string_view to);
  // Applies `change` to what is there; its kind and inode stay.
  int Change(std::string_view path, const std::function<void(FileInfo&)>& change);

  // Everything below `root`, by path, parents first.
  void ForEach(std::string_view root,
               const std::function<void(const std::string& path, const FileInfo&)>& visit);
  // Of all contents.
  std::uint64_t content_bytes();

 private:
  struct Node {
    FileInfo info;
    std::map<std::string, std::unique_ptr<Node>, std::less<>> children;
  };
  struct Place {
    int error = 0;
    Node* node = nullptr;    // Null if only the last component is missing.
    Node* parent = nullptr;  // Null at the root.
    std::string path = {};
    std::string name = {};
  };
  Place Walk(std::string_view path, bool follow) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Visit(const Node& node, std::string& path,
                    const std::function<void(const std::string&, const FileInfo&)>& visit);

  Mutex mutex_;
  Node root_ ABSL_GUARDED_BY(mutex_);
  static std::uint64_t BytesBelow(const Node& node);

  std::uint64_t content_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t last_inode_ ABSL_GUARDED_BY(mutex_) = 4000;
};

// The last component of `path`; the part before it.
std::string_view BaseName(std::string_view path);
std::string_view ParentPath(std::string_view path);

}  // namespace mooring::testing::android
