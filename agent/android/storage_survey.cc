#include "agent/android/storage_survey.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>
#include <fmt/format.h>

#include "agent/android/phone_tree_list.h"
#include "storage/base/status.h"
#include "storage/manifest/manifest.h"

namespace mooring::agent {
namespace {

constexpr std::int64_t kSecondNs = 1'000'000'000;

// Type and path in 8 bytes, salted by the process: a million paths are not kept
// twice. Two that collide cost a deleted file its deletion, once.
std::uint64_t SeenKey(std::string_view path, bool is_directory) {
  return absl::Hash<std::pair<absl::string_view, bool>>{}({ToAbsl(path), is_directory});
}

bool SameTime(std::int64_t a, std::int64_t b) {
  if (a % kSecondNs != 0 && b % kSecondNs != 0) return a == b;
  const auto seconds = [](std::int64_t ns) {
    return ns / kSecondNs - (ns % kSecondNs < 0 ? 1 : 0);
  };
  return seconds(a) == seconds(b);
}

bool IsBelow(std::string_view path, std::string_view root) {
  return path.size() > root.size() && path.substr(0, root.size()) == root &&
         path[root.size()] == '/';
}

}  // namespace

void StorageSurvey::Clear() {
  wanted_.clear();
  to_verify_.clear();
  directories_.clear();
  unreadable_.clear();
  seen_.clear();
  files_ = 0;
  wanted_bytes_ = 0;
  is_partial_ = false;
}

absl::Status StorageSurvey::Run(const OpContext& ctx, AdbDevice& device, AdbSync& sync) {
  MOORING_ASSIGN_OR_RETURN(const TreeListing listing,
                           ListPhoneTree(
                               ctx, device, sync, tree_.phone_root, [this] { Clear(); },
                               [this](std::string_view path) { return options_.is_wanted(path); },
                               [this](const FoundFile& found) { return Take(found); }));
  is_partial_ = listing.is_partial;
  for (const std::string& path : listing.unreadable) {
    unreadable_.push_back(fmt::format("{}/{}", tree_.snapshot_root, path));
    if (options_.is_wanted(path)) gaps_.Add(unreadable_.back(), v1::GAP_REASON_REFUSED);
  }
  return absl::OkStatus();
}

bool StorageSurvey::IsUnchanged(std::string_view snapshot_path, const FoundFile& found) const {
  const std::optional<storage::Entry> known = builder_.Find(snapshot_path);
  return known && known->type == storage::EntryType::kFile &&
         known->size_bytes == found.size_bytes &&
         SameTime(known->modified_unix_ns, found.modified_unix_ns);
}

absl::Status StorageSurvey::Take(const FoundFile& found) {
  if (!options_.is_wanted(found.path)) return absl::OkStatus();
  const std::string path = fmt::format("{}/{}", tree_.snapshot_root, found.path);
  const bool is_file = found.type == PhoneFileType::kFile;
  if (!storage::CheckSnapshotPath(path).ok() ||
      tree_.phone_root.size() + 1 + found.path.size() > kAdbPathBytesMax ||
      (!is_file && found.type != PhoneFileType::kDirectory)) {
    gaps_.Add(path, v1::GAP_REASON_NOT_STORABLE);
    return absl::OkStatus();
  }
  // A name twice in a listing is no file more.
  if (!seen_.insert(SeenKey(path, !is_file)).second) return absl::OkStatus();
  if (!is_file) {
    directories_.push_back(path);
    return absl::OkStatus();
  }
  ++files_;
  WantedFile file{std::string(found.path), found.size_bytes, found.modified_unix_ns, found.inode,
                  found.mode};
  if (!IsUnchanged(path, found)) {
    // A phone may claim any size.
    wanted_bytes_ += std::min(found.size_bytes, ~std::uint64_t{0} - wanted_bytes_);
    wanted_.push_back(std::move(file));
  } else if (options_.is_to_verify && options_.is_to_verify(path)) {
    to_verify_.push_back(std::move(file));
  }
  return absl::OkStatus();
}

std::vector<std::string> StorageSurvey::Gone() const {
  std::vector<std::string> gone;
  if (is_partial_) return gone;
  const absl::Status visited = builder_.Visit(
      tree_.snapshot_root, [&](std::string_view path, const storage::Entry& entry) -> absl::Status {
        const bool is_directory = entry.type == storage::EntryType::kDirectory;
        if (!IsBelow(path, tree_.snapshot_root) || seen_.contains(SeenKey(path, is_directory)) ||
            std::any_of(unreadable_.begin(), unreadable_.end(), [path](const std::string& root) {
              return path == root || IsBelow(path, root);
            })) {
          return absl::OkStatus();
        }
        // A directory that the phone still has goes only with what is in it.
        gone.emplace_back(path);
        return absl::OkStatus();
      });
  visited.IgnoreError();  // The visitor never fails.
  return gone;
}

absl::Status StorageSurvey::KeepEmptyDirectories() {
  for (const std::string& path : directories_) {
    if (builder_.IsDirectory(path)) continue;
    const absl::Status made = builder_.MakeDirectory(path, 0);
    if (absl::IsInvalidArgument(made)) {
      gaps_.Add(path, v1::GAP_REASON_NOT_STORABLE);
    } else {
      MOORING_RETURN_IF_ERROR(made);
    }
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
