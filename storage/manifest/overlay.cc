#include "storage/manifest/overlay.h"

#include <algorithm>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/manifest/tree.h"

namespace mooring::storage {
namespace {

absl::Status Conflict(std::string_view what) {
  return absl::FailedPreconditionError(ToAbsl(fmt::format("snapshot: {}", what)));
}

bool IsWithin(std::string_view path, std::string_view ancestor) {
  return path.size() > ancestor.size() && path.starts_with(ancestor) &&
         path[ancestor.size()] == '/';
}

// No file or link stands where `path` needs a directory.
absl::Status CheckParents(const Tree& tree, std::string_view path) {
  const std::string_view parent = Split(path).dir;
  if (parent.empty() || tree.HasDirectly(parent)) return absl::OkStatus();
  for (std::size_t end = path.find('/'); end != std::string_view::npos;
       end = path.find('/', end + 1)) {
    const auto found = tree.Find(path.substr(0, end));
    if (found != tree.end() && tree.Get(*found).type != EntryType::kDirectory) {
      return Conflict("an entry below something that is not a directory");
    }
  }
  return absl::OkStatus();
}

// `to` followed by what a moved or copied record has after `from`.
std::string Rebased(const Tree& tree, std::uint32_t index, std::string_view from,
                    std::string_view to) {
  return std::string(to) + tree.PathOf(index).Join().substr(from.size());
}

struct Relocation {
  std::vector<std::uint32_t> records;
  std::vector<std::string> paths;
};

// What Rename and Copy have in common: checks everything before anything changes.
absl::StatusOr<Relocation> PlanRelocation(const Tree& tree, std::string_view from,
                                          std::string_view to) {
  MOORING_RETURN_IF_ERROR(CheckSnapshotPath(from));
  MOORING_RETURN_IF_ERROR(CheckSnapshotPath(to));
  if (IsWithin(to, from) || IsWithin(from, to)) {
    return absl::InvalidArgumentError("snapshot: a tree cannot be moved into or over itself");
  }
  Relocation plan;
  plan.records = tree.Subtree(from);
  if (plan.records.empty()) return absl::NotFoundError("snapshot: no such file or directory");
  if (from == to) return plan;
  MOORING_RETURN_IF_ERROR(CheckParents(tree, to));
  plan.paths.reserve(plan.records.size());
  for (const std::uint32_t index : plan.records) {
    plan.paths.push_back(Rebased(tree, index, from, to));
    MOORING_RETURN_IF_ERROR(CheckSnapshotPath(plan.paths.back()));
  }
  return plan;
}

void RemoveSubtree(Tree& tree, std::string_view path) {
  for (const std::uint32_t index : tree.Subtree(path)) tree.Remove(index);
}

}  // namespace

// Where the header's forward declaration and the tree meet.
struct Overlay::Tree : storage::Tree {};

Overlay::Overlay() : tree_(std::make_unique<Tree>()) {}
Overlay::~Overlay() = default;
Overlay::Overlay(Overlay&&) noexcept = default;
Overlay& Overlay::operator=(Overlay&&) noexcept = default;

absl::Status Overlay::Load(std::vector<PathEntry> entries) {
  for (const PathEntry& item : entries) {
    if (tree_->Find(item.path) != tree_->end()) {
      return absl::DataLossError("manifest: a path stands twice");
    }
    const absl::Status put = Put(item.path, item.entry);
    if (absl::IsInvalidArgument(put) || absl::IsFailedPrecondition(put)) {
      return absl::DataLossError(put.message());
    }
    MOORING_RETURN_IF_ERROR(put);
  }
  return absl::OkStatus();
}

absl::Status Overlay::Put(std::string_view path, const Entry& entry) {
  MOORING_RETURN_IF_ERROR(CheckSnapshotPath(path));
  MOORING_RETURN_IF_ERROR(CheckEntry(entry));
  const bool is_directory = entry.type == EntryType::kDirectory;
  if (const auto found = tree_->Find(path); found != tree_->end()) {
    if ((tree_->Get(*found).type == EntryType::kDirectory) != is_directory) {
      return Conflict("a directory does not replace a file, nor a file a directory");
    }
  } else {
    if (tree_->entry_count() >= kEntriesMax) {
      return absl::ResourceExhaustedError("snapshot: too many entries");
    }
    if (!is_directory && tree_->HasBelow(path)) {
      return Conflict("a file does not replace a directory");
    }
    MOORING_RETURN_IF_ERROR(CheckParents(*tree_, path));
  }
  return tree_->Set(path, entry);
}

absl::Status Overlay::MakeDirectory(std::string_view path, std::int64_t modified_unix_ns) {
  Entry entry;
  entry.type = EntryType::kDirectory;
  entry.modified_unix_ns = modified_unix_ns;
  return Put(path, entry);
}

absl::Status Overlay::Remove(std::string_view path) {
  MOORING_RETURN_IF_ERROR(CheckSnapshotPath(path));
  RemoveSubtree(*tree_, path);
  return absl::OkStatus();
}

absl::Status Overlay::Rename(std::string_view from, std::string_view to) {
  MOORING_ASSIGN_OR_RETURN(const Relocation plan, PlanRelocation(*tree_, from, to));
  if (from == to) return absl::OkStatus();
  RemoveSubtree(*tree_, to);
  for (std::size_t i = 0; i < plan.records.size(); ++i) {
    tree_->Move(plan.records[i], plan.paths[i]);
  }
  return absl::OkStatus();
}

absl::Status Overlay::Copy(std::string_view from, std::string_view to) {
  MOORING_ASSIGN_OR_RETURN(const Relocation plan, PlanRelocation(*tree_, from, to));
  if (from == to) return absl::OkStatus();
  if (tree_->entry_count() + plan.records.size() > kEntriesMax) {
    return absl::ResourceExhaustedError("snapshot: too many entries");
  }
  RemoveSubtree(*tree_, to);
  for (std::size_t i = 0; i < plan.records.size(); ++i) {
    MOORING_RETURN_IF_ERROR(tree_->Set(plan.paths[i], tree_->EntryOf(plan.records[i])));
  }
  return absl::OkStatus();
}

std::optional<Entry> Overlay::Find(std::string_view path) const {
  const auto found = tree_->Find(path);
  if (found == tree_->end()) return std::nullopt;
  return tree_->EntryOf(*found);
}

bool Overlay::IsDirectory(std::string_view path) const {
  if (path.empty() || tree_->HasBelow(path)) return true;
  const auto found = tree_->Find(path);
  return found != tree_->end() && tree_->Get(*found).type == EntryType::kDirectory;
}

std::vector<ListedEntry> Overlay::List(std::string_view directory) const {
  std::vector<ListedEntry> listed;
  const auto end = tree_->EndBelow(directory);
  for (auto it = tree_->BeginBelow(directory); it != end;) {
    const SplitPath path = tree_->PathOf(*it);
    if (path.dir == directory) {
      const Record& record = tree_->Get(*it);
      listed.push_back(
          {std::string(path.name), record.type, record.size_bytes, record.modified_unix_ns});
      ++it;
      continue;
    }
    // Something deeper: list the directory that it makes, and step over it.
    const std::size_t begin = directory.empty() ? 0 : directory.size() + 1;
    const std::size_t slash = std::min(path.dir.find('/', begin), path.dir.size());
    listed.push_back(
        {std::string(path.dir.substr(begin, slash - begin)), EntryType::kDirectory, 0, 0});
    it = tree_->EndBelow(path.dir.substr(0, slash));
  }
  // A directory's own entry comes before what is in it, so the stable order keeps its times.
  const auto by_name = [](const ListedEntry& a, const ListedEntry& b) { return a.name < b.name; };
  std::stable_sort(listed.begin(), listed.end(), by_name);
  const auto same = [](const ListedEntry& a, const ListedEntry& b) { return a.name == b.name; };
  listed.erase(std::unique(listed.begin(), listed.end(), same), listed.end());
  return listed;
}

absl::Status Overlay::Visit(
    std::string_view prefix,
    absl::FunctionRef<absl::Status(std::string_view, const Entry&)> visit) const {
  if (!prefix.empty()) {
    if (const auto self = tree_->Find(prefix); self != tree_->end()) {
      MOORING_RETURN_IF_ERROR(visit(prefix, tree_->EntryOf(*self)));
    }
  }
  const auto end = tree_->EndBelow(prefix);
  for (auto it = tree_->BeginBelow(prefix); it != end; ++it) {
    MOORING_RETURN_IF_ERROR(visit(tree_->PathOf(*it).Join(), tree_->EntryOf(*it)));
  }
  return absl::OkStatus();
}

std::uint64_t Overlay::entry_count() const {
  return tree_->entry_count();
}
std::uint64_t Overlay::file_count() const {
  return tree_->file_count();
}
std::uint64_t Overlay::logical_bytes() const {
  return tree_->logical_bytes();
}

}  // namespace mooring::storage
