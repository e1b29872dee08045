#include "tests/phones/android/phone_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fnmatch.h>

namespace mooring::testing::android {
namespace {

constexpr std::size_t kWritesKept = 10'000;
constexpr std::uint64_t kGrowthBytes = 5'000;
constexpr std::uint64_t kVfatFileBytesMax = (4ULL << 30) - 1;
constexpr std::string_view kVfatForbidden = "\"*:<>?|\\";
constexpr std::string_view kTemporary = "/data/local/tmp";

bool IsBelow(std::string_view path, std::string_view root) {
  return path.starts_with(root) && (path.size() == root.size() || path[root.size()] == '/');
}

}  // namespace

FileReader::FileReader(PhoneFiles& files, std::string path, FileInfo info)
    : files_(files), path_(std::move(path)), info_(std::move(info)) {}

void FileReader::Seek(std::uint64_t offset) {
  offset_ = offset;
  hashes_ = hashes_ && offset == 0;
}

OrErrno<std::size_t> FileReader::Read(std::span<char> out) {
  if (offset_ >= fails_at_) return {.error = EIO};
  const std::uint64_t end = std::min(info_.content.size_bytes, fails_at_);
  if (offset_ >= end) {
    if (hashes_ && offset_ == info_.content.size_bytes) {
      files_.library_.Learn(info_.content, hash_.Finish());
    }
    return {};
  }
  const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), end - offset_));
  if (!files_.library_.Read(info_.content, offset_, out.first(length)).ok()) return {.error = EIO};
  if (hashes_) hash_.Update({out.data(), length});
  offset_ += length;
  if (std::exchange(grows_, false)) {
    files_.tree_.Change(path_, [](FileInfo& info) {
      info.content.size_bytes += kGrowthBytes;
      info.modified_ns += 2'000'000'000;
    });
    info_.content.size_bytes += kGrowthBytes;
    hashes_ = false;
  }
  return {.value = length};
}

FileWriter::FileWriter(PhoneFiles& files, std::string path)
    : files_(files), path_(std::move(path)), content_(files.library_) {}

int FileWriter::Append(std::string_view bytes) {
  const std::uint64_t size = content_.size_bytes() + bytes.size();
  if (files_.used_bytes() + size > files_.capacity_bytes()) return ENOSPC;
  if (files_.faults_.Take(FaultKind::kNoSpace)) return ENOSPC;
  if (files_.IsOnSdCard(path_) && size > kVfatFileBytesMax) return EFBIG;
  return content_.Append(bytes).ok() ? 0 : ENOSPC;
}

int FileWriter::Finish(std::int64_t modified_ns) {
  FileInfo info = files_.NewFile(path_);
  absl::StatusOr<ContentRef> content = content_.Finish();
  if (!content.ok()) return EIO;
  info.content = *content;
  info.modified_ns = modified_ns;
  if (files_.IsOnSdCard(path_)) info.modified_ns -= info.modified_ns % 2'000'000'000;
  files_.NoteWrite("write", path_);
  return files_.tree_.Put(path_, std::move(info));
}

PhoneFiles::PhoneFiles(Options options, ContentLibrary& library, FaultPlan& faults, Clock& clock)
    : options_(std::move(options)),
      library_(library),
      faults_(faults),
      clock_(clock),
      android_data_readable_(options_.android_data_readable),
      capacity_bytes_(options_.capacity_bytes) {}

std::int64_t PhoneFiles::NowNs() {
  return absl::ToUnixNanos(clock_.Now());
}

bool PhoneFiles::IsOnSdCard(std::string_view path) const {
  return !options_.sd_card.empty() && IsBelow(path, "/storage/" + options_.sd_card);
}

FileInfo PhoneFiles::NewFile(std::string_view path) const {
  FileInfo info;
  const bool is_new = options_.android >= 11;
  info.uid = is_new ? 10'123 : 0;
  info.gid = is_new ? 1023 : 1015;  // media_rw, sdcard_rw.
  info.mode = S_IFREG | 0660;
  if (IsBelow(path, kTemporary)) {
    info.uid = info.gid = kShellUid;
    info.mode = S_IFREG | 0644;
  }
  return info;
}

FileInfo PhoneFiles::NewDirectory(std::string_view path) const {
  FileInfo info = NewFile(path);
  info.kind = FileInfo::Kind::kDirectory;
  info.mode = S_IFDIR | (options_.android >= 11 ? 02770 : 0771);
  return info;
}

int PhoneFiles::CheckReach(std::string_view path) {
  MutexLock lock(mutex_);
  if (IsBelow(path, kSharedStorage)) return locked_since_boot_ ? ENOENT : 0;
  if (IsBelow(path, "/storage/emulated") && path != "/storage/emulated") {
    return ParentPath(path) == "/storage/emulated" ? 0 : EACCES;
  }
  if (IsBelow(path, "/data/data") || IsBelow(path, "/data/user")) return EACCES;
  return 0;
}

int PhoneFiles::CheckRead(std::string_view path, bool is_directory) {
  if (const int error = CheckReach(path); error != 0) return error;
  MutexLock lock(mutex_);
  if (is_directory && (path == "/storage/emulated" || path == "/data" || path == "/data/app")) {
    return EACCES;
  }
  if (IsBelow(path, "/storage/emulated") && !IsBelow(path, kSharedStorage) &&
      path != "/storage/emulated") {
    return EACCES;
  }
  const std::string shared(kSharedStorage);
  if (!android_data_readable_ &&
      (IsBelow(path, shared + "/Android/data") || IsBelow(path, shared + "/Android/obb"))) {
    return EACCES;
  }
  const std::string text(path);
  return std::any_of(denied_.begin(), denied_.end(),
                     [&](const std::string& pattern) {
                       return fnmatch(pattern.c_str(), text.c_str(), 0) == 0;
                     })
             ? EACCES
             : 0;
}

int PhoneFiles::CheckWrite(std::string_view path) {
  if (const int error = CheckReach(path); error != 0) return error;
  if (IsOnSdCard(path)) {
    const bool is_legal = BaseName(path).find_first_of(kVfatForbidden) == std::string_view::npos;
    return is_legal ? 0 : EINVAL;
  }
  if (IsBelow(path, kTemporary)) return 0;
  if (!IsBelow(path, kSharedStorage)) return IsBelow(path, "/data") ? EACCES : EROFS;
  const std::string shared(kSharedStorage);
  MutexLock lock(mutex_);
  if (options_.android >= 11 && !android_data_readable_ &&
      (IsBelow(path, shared + "/Android/data") || IsBelow(path, shared + "/Android/obb"))) {
    return EACCES;
  }
  return 0;
}

OrErrno<FileInfo> PhoneFiles::Stat(std::string_view path, bool follow) {
  const OrErrno<std::string> real = tree_.RealPath(path, follow);
  if (!real.ok()) return {.error = real.error};
  if (const int error = CheckReach(real.value); error != 0) return {.error = error};
  // Behind a directory that is closed there is nothing to see.
  const std::string_view parent = ParentPath(real.value);
  if (parent.starts_with(kSharedStorage) && CheckRead(parent, true) == EACCES &&
      parent.find("/Android/") != std::string_view::npos) {
    return {.error = EACCES};
  }
  return tree_.Stat(real.value, false);
}

OrErrno<std::vector<DirectoryItem>> PhoneFiles::List(std::string_view path) {
  const OrErrno<std::string> real = tree_.RealPath(path, true);
  if (!real.ok()) return {.error = real.error};
  if (const int error = CheckRead(real.value, true); error != 0) return {.error = error};
  return tree_.List(real.value);
}

OrErrno<std::string> PhoneFiles::RealPath(std::string_view path) {
  OrErrno<std::string> real = tree_.RealPath(path, true);
  if (!real.ok()) return real;
  if (const int error = CheckReach(real.value); error != 0) return {.error = error};
  return real;
}

OrErrno<std::unique_ptr<FileReader>> PhoneFiles::Open(std::string_view path) {
  const OrErrno<std::string> real = tree_.RealPath(path, true);
  if (!real.ok()) return {.error = real.error};
  const OrErrno<FileInfo> info = tree_.Stat(real.value, false);
  if (!info.ok()) return {.error = info.error};
  if (const int error = CheckRead(real.value, false); error != 0) return {.error = error};
  if (info.value.is_directory()) return {.error = EISDIR};
  if (faults_.TakeForPath(FaultKind::kVanish, real.value)) {
    tree_.RemoveTree(real.value);
    return {.error = ENOENT};
  }
  OrErrno<std::unique_ptr<FileReader>> reader;
  reader.value.reset(new FileReader(*this, real.value, info.value));
  reader.value->grows_ = faults_.TakeForPath(FaultKind::kGrow, real.value).has_value();
  if (const auto fault = faults_.TakeForPath(FaultKind::kFileError, real.value)) {
    reader.value->fails_at_ = fault->after_bytes.value_or(info.value.content.size_bytes / 2);
  }
  reader.value->hashes_ = !library_.IsKnown(info.value.content);
  return reader;
}

OrErrno<std::string> PhoneFiles::ForWriting(std::string_view path) {
  OrErrno<std::string> real = tree_.RealPath(path, true, true);
  if (!real.ok()) return real;
  if (BaseName(real.value).size() > kNameBytesMax) return {.error = ENAMETOOLONG};
  if (const int error = CheckWrite(real.value); error != 0) return {.error = error};
  return real;
}

OrErrno<std::unique_ptr<FileWriter>> PhoneFiles::Create(std::string_view path, bool make_parents) {
  if (make_parents) {
    if (const int error = MakeDirectory(ParentPath(path), true); error != 0 && error != EEXIST) {
      return {.error = error};
    }
  }
  const OrErrno<std::string> real = ForWriting(path);
  if (!real.ok()) return {.error = real.error};
  const OrErrno<FileInfo> there = tree_.Stat(real.value, false);
  if (there.ok() && there.value.is_directory()) return {.error = EISDIR};
  OrErrno<std::unique_ptr<FileWriter>> writer;
  writer.value.reset(new FileWriter(*this, real.value));
  return writer;
}

int PhoneFiles::MakeDirectory(std::string_view path, bool make_parents) {
  if (const OrErrno<FileInfo> there = tree_.Stat(path, true); there.ok()) {
    return there.value.is_directory() && make_parents ? 0 : EEXIST;
  }
  if (make_parents && path != "/" && path != ".") {
    if (const int error = MakeDirectory(ParentPath(path), true); error != 0) return error;
  }
  const OrErrno<std::string> real = ForWriting(path);
  if (!real.ok()) return real.error;
  FileInfo info = NewDirectory(real.value);
  info.modified_ns = NowNs();
  NoteWrite("mkdir", real.value);
  return tree_.Put(real.value, std::move(info));
}

int PhoneFiles::Remove(std::string_view path, bool recursive) {
  const OrErrno<std::string> real = tree_.RealPath(path, false);
  if (!real.ok()) return real.error;
  if (const int error = CheckWrite(real.value); error != 0) return error;
  if (real.value == kSharedStorage) return EBUSY;
  NoteWrite("remove", real.value);
  return recursive ? tree_.RemoveTree(real.value) : tree_.Remove(real.value);
}

int PhoneFiles::Rename(std::string_view from, std::string_view to) {
  const OrErrno<std::string> source = tree_.RealPath(from, false);
  if (!source.ok()) return source.error;
  if (const int error = CheckWrite(source.value); error != 0) return error;
  const OrErrno<std::string> goal = ForWriting(to);
  if (!goal.ok()) return goal.error;
  NoteWrite("rename", goal.value);
  return tree_.Rename(source.value, goal.value);
}

int PhoneFiles::SetModified(std::string_view path, std::int64_t modified_ns) {
  const OrErrno<std::string> real = ForWriting(path);
  if (!real.ok()) return real.error;
  if (IsOnSdCard(real.value)) modified_ns -= modified_ns % 2'000'000'000;
  NoteWrite("touch", real.value);
  return tree_.Change(real.value, [&](FileInfo& info) { info.modified_ns = modified_ns; });
}

void PhoneFiles::NoteWrite(std::string_view what, std::string_view path) {
  MutexLock lock(mutex_);
  if (writes_.size() < kWritesKept) writes_.push_back(fmt::format("{} {}", what, path));
}

std::vector<std::string> PhoneFiles::writes() {
  MutexLock lock(mutex_);
  return writes_;
}

void PhoneFiles::set_locked_since_boot(bool locked) {
  MutexLock lock(mutex_);
  locked_since_boot_ = locked;
}

void PhoneFiles::set_android_data_readable(bool readable) {
  MutexLock lock(mutex_);
  android_data_readable_ = readable;
}

void PhoneFiles::set_capacity_bytes(std::uint64_t bytes) {
  MutexLock lock(mutex_);
  capacity_bytes_ = bytes;
}

std::uint64_t PhoneFiles::capacity_bytes() {
  MutexLock lock(mutex_);
  return capacity_bytes_;
}

void PhoneFiles::Deny(std::string pattern) {
  MutexLock lock(mutex_);
  if (pattern.starts_with("/sdcard/")) pattern.replace(0, 7, kSharedStorage);
  denied_.push_back(std::move(pattern));
}

void PhoneFiles::ClearDenied() {
  MutexLock lock(mutex_);
  denied_.clear();
}

}  // namespace mooring::testing::android
