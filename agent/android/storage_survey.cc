#include "agent/android/storage_survey.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>
#include <fmt/format.h>

#include "agent/android/phone_line.h"
#include "agent/device/socket_wait.h"
#include "storage/base/status.h"
#include "storage/manifest/manifest.h"

namespace mooring::agent {
namespace {

// Files of the largest phones are a tenth of this.
constexpr std::uint64_t kRecordsMax = 5'000'000;
constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::size_t kDepthMax = 100;
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

FoundFile FromStat(const AdbStat& stat, std::string_view path) {
  FoundFile found;
  found.type = stat.is_directory()  ? PhoneFileType::kDirectory
               : stat.is_regular()  ? PhoneFileType::kFile
               : stat.is_symlink()  ? PhoneFileType::kSymlink
                                    : PhoneFileType::kOther;
  found.mode = stat.mode & 0777U;
  found.size_bytes = stat.size_bytes;
  // Seconds of any size would not fit.
  constexpr std::int64_t kSecondsMax = 9'000'000'000;
  found.modified_unix_ns =
      std::clamp(stat.modified_unix_s, -kSecondsMax, kSecondsMax) * kSecondNs;
  found.inode = stat.inode;
  found.path = path;
  return found;
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
  records_ = 0;
  is_partial_ = false;
}

absl::Status StorageSurvey::Run(const OpContext& ctx, AdbDevice& device, AdbSync& sync) {
  Clear();
  const absl::StatusOr<AdbStat> root = sync.Stat(ctx, tree_.phone_root + "/");
  if (!root.ok()) return root.status();
  const absl::Status found = Find(ctx, device);
  if (!absl::IsUnimplemented(found)) return found;
  Clear();
  return Walk(ctx, sync);
}

absl::Status StorageSurvey::Find(const OpContext& ctx, AdbDevice& device) {
  MOORING_ASSIGN_OR_RETURN(
      const std::unique_ptr<AdbShell> shell,
      device.Shell(ctx, fmt::format("find {} -printf '{}'", QuoteForShell(tree_.phone_root + "/"),
                                    kFindFormat)));
  FindListing listing;
  std::array<std::byte, kPieceBytes> piece;
  for (;;) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t size, shell->Read(ctx, piece));
    if (size == 0) break;
    MOORING_RETURN_IF_ERROR(listing.Feed(ByteView(piece).first(size),
                                         [&](const FoundFile& found) { return Take(found); }));
  }
  MOORING_ASSIGN_OR_RETURN(const ShellExit exit, shell->Finish(ctx));
  // Old phones: no -printf, or not this format; nothing was listed then.
  if (exit.status != 0 && records_ == 0) return absl::UnimplementedError("no find -printf");
  MOORING_RETURN_IF_ERROR(listing.Finish());
  if (exit.status != 0 && !TakeErrors(exit.errors)) is_partial_ = true;
  return absl::OkStatus();
}

bool StorageSurvey::TakeErrors(std::string_view errors) {
  if (errors.empty() || errors.size() >= kShellErrorBytesMax) return false;
  constexpr std::string_view kStart = "find: ";
  bool understood = true;
  while (!errors.empty()) {
    std::string_view line = errors.substr(0, errors.find('\n'));
    errors.remove_prefix(std::min(errors.size(), line.size() + 1));
    const std::size_t end = line.rfind(": ");
    if (line.substr(0, kStart.size()) != kStart || end <= kStart.size()) {
      understood = false;
      continue;
    }
    std::string_view path = line.substr(kStart.size(), end - kStart.size());
    const std::string_view why = line.substr(end + 2);
    if (path.size() > 2 && path.front() == '\'' && path.back() == '\'') {
      path = path.substr(1, path.size() - 2);
    }
    // As given on the command line: with the slash, which find may double.
    const std::string root = tree_.phone_root + "/";
    if (path.substr(0, root.size()) != root) {
      understood = false;
      continue;
    }
    path.remove_prefix(root.size());
    while (!path.empty() && path.front() == '/') path.remove_prefix(1);
    const bool is_gone = why.find("No such file") != std::string_view::npos;
    if (is_gone || path.empty() || !options_.is_wanted(path)) {
      understood = understood && !path.empty();
      continue;
    }
    unreadable_.push_back(fmt::format("{}/{}", tree_.snapshot_root, path));
    gaps_.Add(unreadable_.back(), v1::GAP_REASON_REFUSED);
  }
  return understood;
}

absl::Status StorageSurvey::Walk(const OpContext& ctx, AdbSync& sync) {
  struct Directory {
    std::string path;  // Below the root; empty for it.
    std::size_t depth = 0;
  };
  std::vector<Directory> left = {{}};
  while (!left.empty()) {
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    const Directory directory = std::move(left.back());
    left.pop_back();
    const std::string prefix = directory.path.empty() ? "" : directory.path + "/";
    const absl::Status listed = sync.List(
        ctx, tree_.phone_root + "/" + directory.path,
        [&](std::string_view name, const AdbStat& stat) -> absl::Status {
          const std::string path = prefix + std::string(name);
          if (stat.unreadable) {
            unreadable_.push_back(fmt::format("{}/{}", tree_.snapshot_root, path));
            if (options_.is_wanted(path)) {
              gaps_.Add(unreadable_.back(), v1::GAP_REASON_REFUSED);
            }
            return absl::OkStatus();
          }
          MOORING_RETURN_IF_ERROR(Take(FromStat(stat, path)));
          if (stat.is_directory() && options_.is_wanted(path) && directory.depth < kDepthMax) {
            left.push_back({path, directory.depth + 1});
          }
          return absl::OkStatus();
        });
    if (IsFileRefusal(listed)) {
      unreadable_.push_back(fmt::format("{}/{}", tree_.snapshot_root, directory.path));
      gaps_.Add(unreadable_.back(), v1::GAP_REASON_REFUSED);
    } else {
      MOORING_RETURN_IF_ERROR(listed);
    }
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
  if (++records_ > kRecordsMax) {
    return absl::InvalidArgumentError("the phone lists more files than any phone has");
  }
  if (found.path.empty() || !options_.is_wanted(found.path)) return absl::OkStatus();
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
    wanted_bytes_ += found.size_bytes;
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
      tree_.snapshot_root,
      [&](std::string_view path, const storage::Entry& entry) -> absl::Status {
        const bool is_directory = entry.type == storage::EntryType::kDirectory;
        if (!IsBelow(path, tree_.snapshot_root) ||
            seen_.contains(SeenKey(path, is_directory)) ||
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
