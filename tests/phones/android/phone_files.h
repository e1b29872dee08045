// PhoneFiles: the files of a phone as the user "shell" reaches them: what is closed to
// it, what is full, what goes wrong while it is read.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/clock.h"
#include "storage/base/mutex.h"
#include "tests/phones/android/file_tree.h"
#include "tests/phones/common/content.h"
#include "tests/phones/common/faults.h"

namespace mooring::testing::android {

inline constexpr std::string_view kSharedStorage = "/storage/emulated/0";
inline constexpr std::uint32_t kShellUid = 2000;

class PhoneFiles;

// One open file. Thread-compatible.
class FileReader {
 public:
  // How many bytes came, 0 at the end; or EIO.
  OrErrno<std::size_t> Read(std::span<char> out);
  void Seek(std::uint64_t offset);
  const FileInfo& info() const { return info_; }

 private:
  friend class PhoneFiles;
  FileReader(PhoneFiles& files, std::string path, FileInfo info);

  PhoneFiles& files_;
  const std::string path_;
  FileInfo info_;
  std::uint64_t offset_ = 0;
  std::uint64_t fails_at_ = UINT64_MAX;
  bool grows_ = false;
  bool hashes_ = false;  // Read from the start on: what is read here is recognized later.
  Sha256Stream hash_;
};

// A file on its way in; nothing is seen of it before Finish. Thread-compatible.
class FileWriter {
 public:
  int Append(std::string_view bytes);  // 0 or an errno.
  int Finish(std::int64_t modified_ns);
  std::uint64_t size_bytes() const { return content_.size_bytes(); }

 private:
  friend class PhoneFiles;
  FileWriter(PhoneFiles& files, std::string path);

  PhoneFiles& files_;
  const std::string path_;
  IncomingContent content_;
};

// Thread-safe.
class PhoneFiles {
 public:
  struct Options {
    int android = 14;
    std::uint64_t capacity_bytes = 64ULL << 30;
    bool android_data_readable = true;
    std::string sd_card;  // "1A2B-3C4D", or empty.
  };
  PhoneFiles(Options options, ContentLibrary& library, FaultPlan& faults, Clock& clock);

  OrErrno<FileInfo> Stat(std::string_view path, bool follow);
  OrErrno<std::vector<DirectoryItem>> List(std::string_view path);
  OrErrno<std::string> RealPath(std::string_view path);
  OrErrno<std::unique_ptr<FileReader>> Open(std::string_view path);
  OrErrno<std::unique_ptr<FileWriter>> Create(std::string_view path, bool make_parents);
  int MakeDirectory(std::string_view path, bool make_parents);
  int Remove(std::string_view path, bool recursive);
  int Rename(std::string_view from, std::string_view to);
  int SetModified(std::string_view path, std::int64_t modified_ns);
  // The file beside which nothing is checked: for the phone's own making.
  FileTree& tree() { return tree_; }
  ContentLibrary& library() { return library_; }
  std::int64_t NowNs();

  // What a file or directory that comes into being at `path` looks like.
  FileInfo NewFile(std::string_view path) const;
  FileInfo NewDirectory(std::string_view path) const;

  void set_locked_since_boot(bool locked);
  void set_android_data_readable(bool readable);
  void set_capacity_bytes(std::uint64_t bytes);
  std::uint64_t capacity_bytes();
  std::uint64_t used_bytes() { return tree_.content_bytes(); }
  void Deny(std::string pattern);  // Of paths below /storage; reading them is refused.
  void ClearDenied();
  // Of every change that hosts made, with the path.
  std::vector<std::string> writes();
  const Options& options() const { return options_; }

 private:
  friend class FileReader;
  friend class FileWriter;
  // 0, or why the shell may not go there. `path` has no links.
  int CheckReach(std::string_view path);
  int CheckRead(std::string_view path, bool is_directory);
  int CheckWrite(std::string_view path);
  OrErrno<std::string> ForWriting(std::string_view path);
  bool IsOnSdCard(std::string_view path) const;
  void NoteWrite(std::string_view what, std::string_view path);

  const Options options_;
  ContentLibrary& library_;
  FaultPlan& faults_;
  Clock& clock_;
  FileTree tree_;
  Mutex mutex_;
  bool locked_since_boot_ ABSL_GUARDED_BY(mutex_) = false;
  bool android_data_readable_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t capacity_bytes_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> denied_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> writes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing::android
