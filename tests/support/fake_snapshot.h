// FakeSnapshot: a SnapshotBuilder over a map from path to bytes, for tests of
// engines. It judges paths as the real one does and forgets a file whose writer
// was dropped.

#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/pipeline/snapshot_builder.h"
#include "storage/manifest/manifest.h"

namespace mooring::testing {

class BytesReader final : public agent::FileReader {
 public:
  explicit BytesReader(Bytes bytes) : bytes_(std::move(bytes)) {}
  std::uint64_t size_bytes() const override { return bytes_.size(); }
  absl::StatusOr<std::size_t> ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    if (offset >= bytes_.size()) return std::size_t{0};
    const std::size_t size = std::min<std::size_t>(out.size(), bytes_.size() - offset);
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), size, out.begin());
    return size;
  }

 private:
  const Bytes bytes_;
};

// Thread-compatible.
class FakeSnapshot final : public agent::SnapshotBuilder {
 public:
  std::map<std::string, Bytes, std::less<>> files;
  std::set<std::string, std::less<>> directories;

  bool has_base() const override { return false; }
  bool base_has_capture(int) const override { return false; }

  absl::StatusOr<std::unique_ptr<agent::FileWriter>> Put(const OpContext&, std::string_view path,
                                                         const agent::FileFacts&,
                                                         agent::Domain) override {
    const absl::Status good = storage::CheckSnapshotPath(path);
    if (!good.ok()) return good;
    return std::unique_ptr<agent::FileWriter>(new Writer(*this, std::string(path)));
  }
  absl::Status MakeDirectory(std::string_view path, std::int64_t) override {
    directories.insert(std::string(path));
    return storage::CheckSnapshotPath(path);
  }
  absl::Status PutSymlink(std::string_view, std::string_view, const agent::FileFacts&) override {
    return absl::UnimplementedError("no links here");
  }
  absl::Status Remove(std::string_view path) override {
    std::erase_if(files, [path](const auto& file) { return IsAtOrBelow(file.first, path); });
    std::erase_if(directories, [path](const auto& name) { return IsAtOrBelow(name, path); });
    return absl::OkStatus();
  }
  absl::Status Rename(std::string_view from, std::string_view to) override {
    const absl::Status copied = Copy(from, to);
    return copied.ok() ? Remove(from) : copied;
  }
  absl::Status Copy(std::string_view from, std::string_view to) override {
    std::map<std::string, Bytes, std::less<>> copies;
    for (const auto& [path, bytes] : files) {
      if (IsAtOrBelow(path, from)) {
        copies[std::string(to) + path.substr(from.size())] = bytes;
      }
    }
    const bool is_directory = directories.count(from) > 0;
    if (copies.empty() && !is_directory) return absl::NotFoundError("nothing there");
    const absl::Status removed = Remove(to);
    if (is_directory) directories.insert(std::string(to));
    files.merge(copies);
    return removed;
  }

  std::optional<storage::Entry> Find(std::string_view path) const override {
    const auto file = files.find(path);
    if (file == files.end()) return std::nullopt;
    storage::Entry entry;
    entry.size_bytes = file->second.size();
    return entry;
  }
  bool IsDirectory(std::string_view path) const override {
    return directories.count(path) > 0 || !List(path).empty();
  }
  std::vector<storage::ListedEntry> List(std::string_view directory) const override {
    std::map<std::string, storage::ListedEntry> listed;
    const auto add = [&](std::string_view path, bool is_file, std::uint64_t size) {
      if (path.size() <= directory.size() + 1 || !IsAtOrBelow(path, directory)) return;
      const std::string_view rest = path.substr(directory.size() + 1);
      const std::string name(rest.substr(0, rest.find('/')));
      const bool is_leaf = is_file && rest.find('/') == std::string_view::npos;
      listed[name] = {name, is_leaf ? storage::EntryType::kFile : storage::EntryType::kDirectory,
                      is_leaf ? size : 0, 0};
    };
    for (const auto& [path, bytes] : files) add(path, true, bytes.size());
    for (const auto& path : directories) add(path, false, 0);
    std::vector<storage::ListedEntry> entries;
    for (auto& [name, entry] : listed) entries.push_back(std::move(entry));
    return entries;
  }
  absl::Status Visit(std::string_view prefix,
                     absl::FunctionRef<absl::Status(std::string_view, const storage::Entry&)> visit)
      const override {
    for (const auto& [path, bytes] : files) {
      if (!IsAtOrBelow(path, prefix)) continue;
      const absl::Status visited = visit(path, *Find(path));
      if (!visited.ok()) return visited;
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<agent::FileReader>> Open(const OpContext&,
                                                          std::string_view path) override {
    const auto file = files.find(path);
    if (file == files.end()) return absl::NotFoundError("no such file");
    return std::unique_ptr<agent::FileReader>(new BytesReader(file->second));
  }

 private:
  class Writer final : public agent::FileWriter {
   public:
    Writer(FakeSnapshot& snapshot, std::string path)
        : snapshot_(snapshot), path_(std::move(path)) {}
    absl::Status Write(ByteView bytes) override {
      Append(content_, bytes);
      return absl::OkStatus();
    }
    absl::Status Close() override {
      snapshot_.files[path_] = std::move(content_);
      return absl::OkStatus();
    }

   private:
    FakeSnapshot& snapshot_;
    const std::string path_;
    Bytes content_;
  };

  static bool IsAtOrBelow(std::string_view path, std::string_view root) {
    return path == root || (path.size() > root.size() && path.substr(0, root.size()) == root &&
                            path[root.size()] == '/');
  }
};

}  // namespace mooring::testing
