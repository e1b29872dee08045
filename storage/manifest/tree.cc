#include "storage/manifest/tree.h"

#include <utility>

#include "storage/base/status.h"

namespace mooring::storage {

std::uint32_t DirectoryTable::Add(std::string_view path) {
  if (const auto found = by_path_.find(path); found != by_path_.end()) {
    ++slots_[found->second].uses;
    return found->second;
  }
  const std::uint32_t index = slots_.Add();
  slots_[index] = {std::string(path), 1};
  by_path_.emplace(slots_[index].path, index);
  return index;
}

void DirectoryTable::RemoveUse(std::uint32_t index) {
  if (--slots_[index].uses > 0) return;
  by_path_.erase(slots_[index].path);
  slots_.Remove(index);
}

Tree::Tree() : order_(Less{this}) {}

Tree::Order::const_iterator Tree::BeginBelow(std::string_view directory) const {
  if (directory.empty()) return order_.begin();
  // Nothing sorts between "d/" and the first path that begins with it.
  return order_.lower_bound(SplitPath{directory, ""});
}

Tree::Order::const_iterator Tree::EndBelow(std::string_view directory) const {
  if (directory.empty()) return order_.end();
  // '0' is the byte after '/'.
  std::string after(directory);
  after += static_cast<char>('/' + 1);
  return order_.lower_bound(SplitPath{"", after});
}

bool Tree::HasBelow(std::string_view directory) const {
  if (dirs_.Contains(directory)) return true;
  const auto first = BeginBelow(directory);
  return first != order_.end() && LiesBelow(dirs_.Get(Get(*first).dir), directory);
}

std::vector<std::uint32_t> Tree::Subtree(std::string_view path) const {
  std::vector<std::uint32_t> found;
  if (const auto self = Find(path); self != order_.end()) found.push_back(*self);
  found.insert(found.end(), BeginBelow(path), EndBelow(path));
  return found;
}

absl::StatusOr<Tree::ExtentList> Tree::AddExtents(const std::vector<Extent>& extents) {
  ExtentList list;
  list.reserve(extents.size());
  for (const Extent& extent : extents) {
    const absl::StatusOr<std::uint32_t> chunk = chunks_.Add(extent.chunk);
    if (!chunk.ok()) {
      for (const SmallExtent& added : list) chunks_.RemoveUse(added.chunk);
      return chunk.status();
    }
    list.push_back({*chunk, extent.offset, extent.bytes});
  }
  return list;
}

absl::Status Tree::SetContent(Record& record, const Entry& entry) {
  MOORING_ASSIGN_OR_RETURN(ExtentList list, AddExtents(entry.extents));
  ReleaseContent(record);  // After the new uses, so that a chunk kept is not dropped and remade.
  record.type = entry.type;
  record.mode = entry.mode;
  record.size_bytes = entry.size_bytes;
  record.modified_unix_ns = entry.modified_unix_ns;
  record.digest = entry.digest;
  if (list.size() == 1) {
    record.content = Content::kOneExtent;
    record.first = list[0].chunk;
    record.second = list[0].offset;
  } else if (!list.empty()) {
    record.content = Content::kManyExtents;
    record.first = extent_lists_.Add();
    extent_lists_[record.first] = std::move(list);
  } else if (entry.type == EntryType::kSymlink) {
    record.content = Content::kTarget;
    record.first = text_.Add(entry.target);
    record.second = static_cast<std::uint32_t>(entry.target.size());
  }
  if (entry.type == EntryType::kFile) ++file_count_;
  logical_bytes_ += entry.size_bytes;
  return absl::OkStatus();
}

void Tree::ReleaseContent(Record& record) {
  if (record.content == Content::kOneExtent) {
    chunks_.RemoveUse(record.first);
  } else if (record.content == Content::kManyExtents) {
    for (const SmallExtent& extent : extent_lists_[record.first]) chunks_.RemoveUse(extent.chunk);
    extent_lists_.Remove(record.first);
  } else if (record.content == Content::kTarget) {
    text_.Remove(record.second);
  }
  record.content = Content::kNone;
  if (record.type == EntryType::kFile) --file_count_;
  logical_bytes_ -= record.size_bytes;
  record.size_bytes = 0;
}

absl::Status Tree::Set(std::string_view path, const Entry& entry) {
  if (const auto found = Find(path); found != order_.end()) {
    const absl::Status set = SetContent(records_[*found], entry);
    RebuildTextIfWasteful();
    return set;
  }
  const std::uint32_t index = records_.Add();
  Record& record = records_[index];
  if (const absl::Status set = SetContent(record, entry); !set.ok()) {
    records_.Remove(index);
    return set;
  }
  const SplitPath split = Split(path);
  record.dir = dirs_.Add(split.dir);
  record.name = text_.Add(split.name);
  record.name_bytes = static_cast<std::uint16_t>(split.name.size());
  order_.insert(index);
  return absl::OkStatus();
}

void Tree::Remove(std::uint32_t index) {
  order_.erase(index);
  Record& record = records_[index];
  ReleaseContent(record);
  dirs_.RemoveUse(record.dir);
  text_.Remove(record.name_bytes);
  records_.Remove(index);
  RebuildTextIfWasteful();
}

void Tree::Move(std::uint32_t index, std::string_view path) {
  order_.erase(index);
  Record& record = records_[index];
  const SplitPath to = Split(path);
  const std::uint32_t old_dir = record.dir;
  record.dir = dirs_.Add(to.dir);
  dirs_.RemoveUse(old_dir);
  // The usual move keeps the name, and costs no new text.
  if (text_.Get(record.name, record.name_bytes) != to.name) {
    text_.Remove(record.name_bytes);
    record.name = text_.Add(to.name);
    record.name_bytes = static_cast<std::uint16_t>(to.name.size());
  }
  order_.insert(index);
  RebuildTextIfWasteful();
}

Entry Tree::EntryOf(std::uint32_t index) const {
  const Record& record = records_[index];
  Entry entry;
  entry.type = record.type;
  entry.size_bytes = record.size_bytes;
  entry.modified_unix_ns = record.modified_unix_ns;
  entry.mode = record.mode;
  entry.digest = record.digest;
  if (record.content == Content::kOneExtent) {
    entry.extents.push_back(
        {chunks_.Get(record.first), record.second, static_cast<std::uint32_t>(record.size_bytes)});
  } else if (record.content == Content::kManyExtents) {
    const ExtentList& list = extent_lists_[record.first];
    entry.extents.reserve(list.size());
    for (const SmallExtent& extent : list) {
      entry.extents.push_back({chunks_.Get(extent.chunk), extent.offset, extent.bytes});
    }
  } else if (record.content == Content::kTarget) {
    entry.target = std::string(text_.Get(record.first, record.second));
  }
  return entry;
}

void Tree::RebuildTextIfWasteful() {
  if (!text_.is_wasteful()) return;
  TextArena fresh;
  for (const std::uint32_t index : order_) {
    Record& record = records_[index];
    record.name = fresh.Add(text_.Get(record.name, record.name_bytes));
    if (record.content == Content::kTarget) {
      record.first = fresh.Add(text_.Get(record.first, record.second));
    }
  }
  text_ = std::move(fresh);
}

}  // namespace mooring::storage
