#include "tests/phones/android/file_tree.h"

#include <sys/stat.h>

#include <deque>
#include <utility>

namespace mooring::testing::android {
namespace {

constexpr int kLinksMax = 16;
constexpr std::uint64_t kDirectoryBytes = 3452;  // As f2fs says.
constexpr std::size_t kPathBytesMax = 4096;

std::deque<std::string> Components(std::string_view path) {
  std::deque<std::string> parts;
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) parts.emplace_back(path.substr(0, slash));
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return parts;
}

}  // namespace

std::uint64_t FileInfo::size_bytes() const {
  switch (kind) {
    case Kind::kDirectory:
      return kDirectoryBytes;
    case Kind::kSymlink:
      return target.size();
    case Kind::kFile:
      break;
  }
  return content.size_bytes;
}

std::int64_t FileInfo::modified_unix() const {
  const std::int64_t seconds = modified_ns / 1'000'000'000;
  return modified_ns % 1'000'000'000 < 0 ? seconds - 1 : seconds;
}

std::string_view BaseName(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos || path.size() == 1 ? path : path.substr(slash + 1);
}

std::string_view ParentPath(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

FileTree::FileTree() {
  root_.info.kind = FileInfo::Kind::kDirectory;
  root_.info.mode = S_IFDIR | 0755;
  root_.info.inode = 2;
}

FileTree::Place FileTree::Walk(std::string_view path, bool follow) {
  Place place;
  place.node = &root_;
  place.path = "/";
  if (path.size() >= kPathBytesMax) return {.error = ENAMETOOLONG};
  const bool wants_directory = path.ends_with('/');
  std::deque<std::string> parts = Components(path);
  std::vector<std::pair<Node*, std::string>> above;  // Of place.node, with their paths.
  int links = 0;
  while (!parts.empty()) {
    const std::string part = std::move(parts.front());
    parts.pop_front();
    if (place.node == nullptr) return {.error = ENOENT};
    if (!place.node->info.is_directory()) return {.error = ENOTDIR};
    if (part == ".") continue;
    if (part == "..") {
      if (above.empty()) continue;
      place.node = above.back().first;
      place.path = above.back().second;
      above.pop_back();
      place.parent = above.empty() ? nullptr : above.back().first;
      place.name = std::string(BaseName(place.path));
      continue;
    }
    if (part.size() > kNameBytesMax) return {.error = ENAMETOOLONG};
    const auto child = place.node->children.find(part);
    Node* next = child == place.node->children.end() ? nullptr : child->second.get();
    const bool is_last = parts.empty();
    if (next != nullptr && next->info.kind == FileInfo::Kind::kSymlink &&
        (!is_last || follow || wants_directory)) {
      if (++links > kLinksMax) return {.error = ELOOP};
      std::deque<std::string> target = Components(next->info.target);
      parts.insert(parts.begin(), target.begin(), target.end());
      if (next->info.target.starts_with('/')) {
        above.clear();
        place.node = &root_;
        place.parent = nullptr;
        place.path = "/";
      }
      continue;
    }
    above.emplace_back(place.node, place.path);
    place.parent = place.node;
    place.node = next;
    place.name = part;
    place.path += (place.path.size() > 1 ? "/" : "") + part;
  }
  if (wants_directory && place.node != nullptr && !place.node->info.is_directory()) {
    return {.error = ENOTDIR};
  }
  return place;
}

OrErrno<FileInfo> FileTree::Stat(std::string_view path, bool follow) {
  MutexLock lock(mutex_);
  const Place place = Walk(path, follow);
  if (place.error != 0) return {.error = place.error};
  if (place.node == nullptr) return {.error = ENOENT};
  return {.value = place.node->info};
}

OrErrno<std::vector<DirectoryItem>> FileTree::List(std::string_view path) {
  MutexLock lock(mutex_);
  const Place place = Walk(path, true);
  if (place.error != 0) return {.error = place.error};
  if (place.node == nullptr) return {.error = ENOENT};
  if (!place.node->info.is_directory()) return {.error = ENOTDIR};
  OrErrno<std::vector<DirectoryItem>> items;
  items.value.reserve(place.node->children.size());
  for (const auto& [name, child] : place.node->children) items.value.push_back({name, child->info});
  return items;
}

OrErrno<std::string> FileTree::RealPath(std::string_view path, bool follow, bool allow_new) {
  MutexLock lock(mutex_);
  Place place = Walk(path, follow);
  if (place.error != 0) return {.error = place.error};
  if (place.node == nullptr && !allow_new) return {.error = ENOENT};
  return {.value = std::move(place.path)};
}

int FileTree::Put(std::string_view path, FileInfo info) {
  MutexLock lock(mutex_);
  const Place place = Walk(path, info.kind != FileInfo::Kind::kSymlink);
  if (place.error != 0) return place.error;
  if (place.node != nullptr) {
    if (place.node->info.is_directory() || info.is_directory()) {
      return info.is_directory() ? EEXIST : EISDIR;
    }
    info.inode = place.node->info.inode;
    content_bytes_ += info.content.size_bytes - place.node->info.content.size_bytes;
    place.node->info = std::move(info);
    return 0;
  }
  info.inode = ++last_inode_;
  content_bytes_ += info.content.size_bytes;
  auto node = std::make_unique<Node>();
  node->info = std::move(info);
  place.parent->children.emplace(place.name, std::move(node));
  return 0;
}

int FileTree::MakeDirectories(std::string_view path, const FileInfo& like) {
  MutexLock lock(mutex_);
  std::string prefix;
  for (const std::string& part : Components(path)) {
    prefix += "/" + part;
    const Place place = Walk(prefix, true);
    if (place.error != 0) return place.error;
    if (place.node != nullptr) {
      if (!place.node->info.is_directory()) return ENOTDIR;
      continue;
    }
    auto node = std::make_unique<Node>();
    node->info = like;
    node->info.inode = ++last_inode_;
    place.parent->children.emplace(place.name, std::move(node));
  }
  return 0;
}

int FileTree::Remove(std::string_view path) {
  MutexLock lock(mutex_);
  const Place place = Walk(path, false);
  if (place.error != 0) return place.error;
  if (place.node == nullptr) return ENOENT;
  if (place.parent == nullptr) return EBUSY;
  if (!place.node->children.empty()) return ENOTEMPTY;
  content_bytes_ -= place.node->info.content.size_bytes;
  place.parent->children.erase(place.name);
  return 0;
}

int FileTree::RemoveTree(std::string_view path) {
  MutexLock lock(mutex_);
  const Place place = Walk(path, false);
  if (place.error != 0) return place.error;
  if (place.node == nullptr) return ENOENT;
  if (place.parent == nullptr) return EBUSY;
  content_bytes_ -= BytesBelow(*place.node);
  place.parent->children.erase(place.name);
  return 0;
}

std::uint64_t FileTree::BytesBelow(const Node& node) {
  std::uint64_t bytes = node.info.content.size_bytes;
  for (const auto& [name, child] : node.children) bytes += BytesBelow(*child);
  return bytes;
}

int FileTree::Rename(std::string_view from, std::string_view to) {
  MutexLock lock(mutex_);
  const Place source = Walk(from, false);
  if (source.error != 0) return source.error;
  if (source.node == nullptr) return ENOENT;
  if (source.parent == nullptr) return EBUSY;
  const Place goal = Walk(to, false);
  if (goal.error != 0) return goal.error;
  if (goal.parent == nullptr || goal.path.starts_with(source.path + "/")) return EINVAL;
  if (goal.node != nullptr && goal.node->info.is_directory()) return EISDIR;
  if (goal.node == source.node) return 0;
  if (goal.node != nullptr) content_bytes_ -= goal.node->info.content.size_bytes;
  auto moved = source.parent->children.extract(source.name);
  goal.parent->children[goal.name] = std::move(moved.mapped());
  return 0;
}

int FileTree::Change(std::string_view path, const std::function<void(FileInfo&)>& change) {
  MutexLock lock(mutex_);
  const Place place = Walk(path, true);
  if (place.error != 0) return place.error;
  if (place.node == nullptr) return ENOENT;
  content_bytes_ -= place.node->info.content.size_bytes;
  change(place.node->info);
  content_bytes_ += place.node->info.content.size_bytes;
  return 0;
}

void FileTree::Visit(const Node& node, std::string& path,
                     const std::function<void(const std::string&, const FileInfo&)>& visit) {
  for (const auto& [name, child] : node.children) {
    const std::size_t length = path.size();
    path += (path.size() > 1 ? "/" : "") + name;
    visit(path, child->info);
    Visit(*child, path, visit);
    path.resize(length);
  }
}

void FileTree::ForEach(std::string_view root,
                       const std::function<void(const std::string& path, const FileInfo&)>& visit) {
  MutexLock lock(mutex_);
  Place place = Walk(root, true);
  if (place.error == 0 && place.node != nullptr) Visit(*place.node, place.path, visit);
}

std::uint64_t FileTree::content_bytes() {
  MutexLock lock(mutex_);
  return content_bytes_;
}

}  // namespace mooring::testing::android
