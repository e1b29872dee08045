#include "agent/pipeline/pending_files.h"

#include <utility>

#include "storage/seal/digest.h"

namespace mooring::agent {
namespace {

storage::FileDigest DigestOf(const std::vector<storage::Extent>& extents,
                             const std::vector<storage::FrameHash>& hashes) {
  Bytes input;
  input.reserve(extents.size() * 40);
  for (std::size_t i = 0; i < extents.size(); ++i) {
    Append(input, hashes[i].view());
    AppendLe32(input, extents[i].offset);
    AppendLe32(input, extents[i].bytes);
  }
  return *storage::FileDigest::FromBytes(ByteView(storage::Sha256(input)));
}

}  // namespace

PendingFiles::Handle PendingFiles::Begin() {
  const Handle handle = next_++;
  files_.emplace(handle, File());
  return handle;
}

void PendingFiles::Extend(Handle handle, const PendingExtent& extent) {
  File& file = files_.at(handle);
  by_ticket_[extent.ticket].push_back({handle, file.entry.extents.size()});
  file.entry.extents.push_back({{}, extent.offset, extent.bytes});
  file.hashes.emplace_back();
  ++file.open;
}

void PendingFiles::Abandon(Handle handle) {
  File& file = files_.at(handle);
  file.closed = true;
  file.wanted = false;
  TakeIfComplete(handle);
}

std::optional<PendingFiles::Complete> PendingFiles::Close(Handle handle, const std::string& path,
                                                          storage::Entry entry) {
  File& file = files_.at(handle);
  entry.extents = std::move(file.entry.extents);
  file.entry = std::move(entry);
  file.path = path;
  file.closed = true;
  by_path_[path] = handle;
  return TakeIfComplete(handle);
}

std::vector<PendingFiles::Complete> PendingFiles::Resolve(const SealedPiece& piece) {
  std::vector<Complete> complete;
  const auto it = by_ticket_.find(piece.ticket);
  if (it == by_ticket_.end()) return complete;
  const std::vector<Waiting> waiting = std::move(it->second);
  by_ticket_.erase(it);
  for (const Waiting& one : waiting) {
    File& file = files_.at(one.file);
    file.entry.extents[one.extent].chunk = piece.chunk;
    file.hashes[one.extent] = piece.frame_hash;
    --file.open;
    std::optional<Complete> done = TakeIfComplete(one.file);
    if (done) complete.push_back(*std::move(done));
  }
  return complete;
}

std::optional<PendingFiles::Complete> PendingFiles::TakeIfComplete(Handle handle) {
  const auto it = files_.find(handle);
  File& file = it->second;
  if (!file.closed || file.open > 0) return std::nullopt;
  std::optional<Complete> complete;
  if (file.wanted) {
    by_path_.erase(file.path);
    file.entry.digest = DigestOf(file.entry.extents, file.hashes);
    complete = Complete{std::move(file.path), std::move(file.entry)};
  }
  files_.erase(it);
  return complete;
}

std::vector<PendingFiles::Handle> PendingFiles::At(std::string_view path) const {
  std::vector<Handle> handles;
  const auto exact = by_path_.find(path);
  if (exact != by_path_.end()) handles.push_back(exact->second);
  const std::string below = std::string(path) + "/";
  for (auto it = by_path_.lower_bound(below);
       it != by_path_.end() && it->first.compare(0, below.size(), below) == 0; ++it) {
    handles.push_back(it->second);
  }
  return handles;
}

void PendingFiles::Forget(std::string_view path) {
  for (const Handle handle : At(path)) {
    File& file = files_.at(handle);
    file.wanted = false;
    by_path_.erase(file.path);
  }
}

void PendingFiles::Move(std::string_view from, std::string_view to) {
  if (from == to) return;
  Forget(to);
  for (const Handle handle : At(from)) {
    File& file = files_.at(handle);
    by_path_.erase(file.path);
    file.path = std::string(to) + file.path.substr(from.size());
    by_path_[file.path] = handle;
  }
}

bool PendingFiles::Contains(std::string_view path) const {
  return by_path_.find(path) != by_path_.end();
}

bool PendingFiles::ContainsBelow(std::string_view path) const {
  return !At(path).empty();
}

}  // namespace mooring::agent
