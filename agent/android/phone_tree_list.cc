#include "agent/android/phone_tree_list.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "agent/device/socket_wait.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Entries of the largest phones are a tenth of this.
constexpr std::uint64_t kRecordsMax = 5'000'000;
constexpr std::size_t kUnreadableMax = 10'000;
constexpr std::size_t kPieceBytes = 64 << 10;
constexpr std::size_t kDepthMax = 100;
constexpr std::int64_t kSecondNs = 1'000'000'000;

using Visit = absl::FunctionRef<absl::Status(const FoundFile&)>;

FoundFile FromStat(const AdbStat& stat, std::string_view path) {
  FoundFile found;
  found.type = stat.is_directory() ? PhoneFileType::kDirectory
               : stat.is_regular() ? PhoneFileType::kFile
               : stat.is_symlink() ? PhoneFileType::kSymlink
                                   : PhoneFileType::kOther;
  found.mode = stat.mode & 0777U;
  found.size_bytes = stat.size_bytes;
  // Seconds of any size would not fit.
  constexpr std::int64_t kSecondsMax = 9'000'000'000;
  found.modified_unix_ns = std::clamp(stat.modified_unix_s, -kSecondsMax, kSecondsMax) * kSecondNs;
  found.inode = stat.inode;
  found.path = path;
  return found;
}

absl::Status TooMany() {
  return absl::InvalidArgumentError("the phone lists more files than any phone has");
}

void AddUnreadable(std::string_view path, TreeListing& listing) {
  if (listing.unreadable.size() == kUnreadableMax) {
    listing.is_partial = true;
  } else {
    listing.unreadable.emplace_back(path);
  }
}

absl::StatusOr<TreeListing> Find(const OpContext& ctx, AdbDevice& device, const std::string& root,
                                 Visit visit) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<AdbShell> shell,
                           device.Shell(ctx, fmt::format("find {} -printf '{}'",
                                                         QuoteForShell(root + "/"), kFindFormat)));
  FindListing find;
  std::uint64_t records = 0;
  std::array<std::byte, kPieceBytes> piece;
  for (;;) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t size, shell->Read(ctx, piece));
    if (size == 0) break;
    MOORING_RETURN_IF_ERROR(find.Feed(ByteView(piece).first(size), [&](const FoundFile& found) {
      if (++records > kRecordsMax) return TooMany();
      return found.path.empty() ? absl::OkStatus() : visit(found);
    }));
  }
  MOORING_ASSIGN_OR_RETURN(const ShellExit exit, shell->Finish(ctx));
  // Old phones: no -printf, or not this format; nothing was listed then.
  if (exit.status != 0 && records == 0) return absl::UnimplementedError("no find -printf");
  MOORING_RETURN_IF_ERROR(find.Finish());
  TreeListing listing;
  if (exit.status != 0) TakeFindErrors(exit.errors, root, listing);
  return listing;
}

absl::StatusOr<TreeListing> Walk(const OpContext& ctx, AdbSync& sync, const std::string& root,
                                 absl::FunctionRef<bool(std::string_view)> descend, Visit visit) {
  struct Directory {
    std::string path;  // Below the root; empty for it.
    std::size_t depth = 0;
  };
  TreeListing listing;
  std::uint64_t records = 0;
  std::vector<Directory> left = {{}};
  while (!left.empty()) {
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    const Directory directory = std::move(left.back());
    left.pop_back();
    const std::string prefix = directory.path.empty() ? "" : directory.path + "/";
    const absl::Status listed =
        sync.List(ctx, root + "/" + directory.path,
                  [&](std::string_view name, const AdbStat& stat) -> absl::Status {
                    const std::string path = prefix + std::string(name);
                    if (++records > kRecordsMax) return TooMany();
                    if (stat.unreadable) {
                      AddUnreadable(path, listing);
                      return absl::OkStatus();
                    }
                    MOORING_RETURN_IF_ERROR(visit(FromStat(stat, path)));
                    if (stat.is_directory() && directory.depth < kDepthMax && descend(path)) {
                      left.push_back({path, directory.depth + 1});
                    }
                    return absl::OkStatus();
                  });
    if (IsFileRefusal(listed)) {
      AddUnreadable(directory.path, listing);
    } else {
      MOORING_RETURN_IF_ERROR(listed);
    }
  }
  return listing;
}

}  // namespace

void TakeFindErrors(std::string_view errors, std::string_view root, TreeListing& listing) {
  constexpr std::string_view kStart = "find: ";
  // Cut off: what else it complained of is not known.
  if (errors.empty() || errors.size() >= kShellErrorBytesMax) listing.is_partial = true;
  while (!errors.empty()) {
    const std::string_view line = errors.substr(0, errors.find('\n'));
    errors.remove_prefix(std::min(errors.size(), line.size() + 1));
    const std::size_t end = line.rfind(": ");
    if (line.substr(0, kStart.size()) != kStart || end == std::string_view::npos ||
        end <= kStart.size()) {
      listing.is_partial = true;
      continue;
    }
    std::string_view path = line.substr(kStart.size(), end - kStart.size());
    if (path.size() > 2 && path.front() == '\'' && path.back() == '\'') {
      path = path.substr(1, path.size() - 2);
    }
    if (line.substr(end).find("No such file") != std::string_view::npos) continue;
    if (path.substr(0, root.size()) != root) {
      listing.is_partial = true;
      continue;
    }
    path.remove_prefix(root.size());
    // The slash that the root was given with may come twice.
    while (!path.empty() && path.front() == '/') path.remove_prefix(1);
    if (path.empty()) {
      listing.is_partial = true;
    } else {
      AddUnreadable(path, listing);
    }
  }
}

absl::StatusOr<TreeListing> ListPhoneTree(const OpContext& ctx, AdbDevice& device, AdbSync& sync,
                                          const std::string& root, absl::FunctionRef<void()> begin,
                                          absl::FunctionRef<bool(std::string_view)> descend,
                                          Visit visit) {
  MOORING_RETURN_IF_ERROR(sync.Stat(ctx, root + "/").status());
  begin();
  auto found = Find(ctx, device, root, visit);
  if (!absl::IsUnimplemented(found.status())) return found;
  begin();
  return Walk(ctx, sync, root, descend, visit);
}

}  // namespace mooring::agent
