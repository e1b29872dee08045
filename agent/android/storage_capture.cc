#include "agent/android/storage_capture.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "agent/android/phone_hash.h"
#include "agent/android/storage_rules.h"
#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr const char* kInternalPhoneRoot = "/sdcard";
constexpr const char* kVolumesRoot = "/storage";
constexpr std::size_t kCardsMax = 8;
// A prime: whatever the days between backups, every part gets its turn.
constexpr std::uint32_t kVerifyParts = 17;
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::uint64_t kTotalBytesMax = std::uint64_t{1} << 50;
// Removed files that one new file is held against.
constexpr std::size_t kRenameCandidatesMax = 8;

// 1234-ABCD, as vold names volumes by their file system's id.
bool IsCardName(std::string_view name) {
  return name.size() >= 4 && name.size() <= 40 && name != "emulated" && name != "self" &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f') ||
                  c == '-';
         });
}

}  // namespace

bool StorageCapture::IsWanted(std::string_view path, bool is_card) const {
  if (IsSkippedPath(path)) return false;
  return is_card || parts_.Wants(StorageCategory(path));
}

absl::StatusOr<std::vector<PhoneTree>> StorageCapture::Trees(const OpContext& ctx) {
  std::vector<PhoneTree> trees = {
      {kInternalPhoneRoot, std::string(kInternalRoot), Domain::kPerson}};
  if (!parts_.Wants(v1::CATEGORY_SD_CARD)) {
    for (const storage::ListedEntry& entry : parts_.builder.List("storage")) {
      const std::string path = "storage/" + entry.name;
      if (path.compare(0, kCardPrefix.size(), kCardPrefix) == 0) {
        MOORING_RETURN_IF_ERROR(parts_.builder.Remove(path));
      }
    }
    return trees;
  }
  const absl::Status listed = parts_.line.Run(ctx, [&]() -> absl::Status {
    trees.resize(1);
    MOORING_ASSIGN_OR_RETURN(AdbSync* const sync, parts_.line.sync(ctx));
    return sync->List(ctx, kVolumesRoot, [&](std::string_view name, const AdbStat&) {
      if (IsCardName(name) && trees.size() <= kCardsMax) {
        trees.push_back({fmt::format("{}/{}", kVolumesRoot, name),
                         fmt::format("{}{}", kCardPrefix, name), Domain::kPerson});
      }
      return absl::OkStatus();
    });
  });
  if (!listed.ok()) {
    if (EndsSession(listed)) return listed;
    trees.resize(1);
    parts_.gaps.Add(kCardPrefix, v1::GAP_REASON_FAILED);
    parts_.remarks.emplace_back("whether the phone has a memory card could not be told");
  }
  return trees;
}

absl::Status StorageCapture::Run(const OpContext& ctx) {
  parts_.line.Say(v1::PHASE_CAPTURING, "Looking through the phone's files");
  MOORING_ASSIGN_OR_RETURN(const std::vector<PhoneTree> trees, Trees(ctx));
  for (const PhoneTree& tree : trees) {
    const absl::Status captured = CaptureTree(ctx, tree);
    if (captured.ok()) continue;
    if (EndsSession(captured)) return captured;
    // What an earlier backup has of it stays.
    const bool refused = absl::IsNotFound(captured) || IsFileRefusal(captured);
    const bool is_card = tree.snapshot_root != kInternalRoot;
    parts_.gaps.Add(tree.snapshot_root, refused ? v1::GAP_REASON_REFUSED : v1::GAP_REASON_FAILED);
    parts_.remarks.push_back(
        fmt::format("{}: {}", is_card ? "the memory card" : "the phone's files",
                    refused ? "the phone did not show them"
                            : std::string(captured.message().data(), captured.message().size())));
  }
  return absl::OkStatus();
}

absl::Status StorageCapture::List(const OpContext& ctx, StorageSurvey& survey) {
  return parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(AdbSync* const sync, parts_.line.sync(ctx));
    return survey.Run(ctx, parts_.line.device(), *sync);
  });
}

absl::Status StorageCapture::FollowRenames(const OpContext& ctx,
                                           const std::vector<std::string>& gone,
                                           StorageSurvey& survey, const PhoneTree& tree) {
  std::map<std::pair<std::uint64_t, std::int64_t>, std::vector<const std::string*>> by_look;
  for (const std::string& path : gone) {
    const std::optional<storage::Entry> entry = parts_.builder.Find(path);
    if (!entry || entry->type != storage::EntryType::kFile || entry->size_bytes == 0) continue;
    by_look[{entry->size_bytes, entry->modified_unix_ns / kSecondNs}].push_back(&path);
  }
  if (by_look.empty()) return absl::OkStatus();
  absl::Status status;
  const auto was_renamed = [&](const WantedFile& file) {
    const auto it = by_look.find({file.size_bytes, file.modified_unix_ns / kSecondNs});
    if (!status.ok() || it == by_look.end() || file.inode == 0) return false;
    const std::string path = tree.snapshot_root + "/" + file.path;
    std::size_t looked_at = 0;
    for (const std::string*& from : it->second) {
      if (from == nullptr || ++looked_at > kRenameCandidatesMax) continue;
      const std::optional<FileMark> mark = parts_.index.Find(ctx, *from);
      if (!mark || mark->inode != file.inode || parts_.builder.IsDirectory(path)) continue;
      status = parts_.builder.Rename(*from, path);
      parts_.index.Remove(ctx, *from);
      parts_.index.Put(ctx, path, *mark);
      from = nullptr;
      return status.ok();
    }
    return false;
  };
  std::erase_if(survey.wanted(), was_renamed);
  return status;
}

absl::Status StorageCapture::DropGone(const OpContext& ctx, StorageSurvey& survey,
                                      const PhoneTree& tree) {
  std::vector<std::string> gone = survey.Gone();
  MOORING_RETURN_IF_ERROR(FollowRenames(ctx, gone, survey, tree));
  // Deepest first: a directory goes once nothing is left in it.
  std::reverse(gone.begin(), gone.end());
  for (const std::string& path : gone) {
    if (parts_.builder.IsDirectory(path)) {
      if (!parts_.builder.List(path).empty()) continue;
    } else if (!parts_.builder.Find(path)) {
      continue;
    } else {
      parts_.index.Remove(ctx, path);
    }
    MOORING_RETURN_IF_ERROR(parts_.builder.Remove(path));
  }
  return absl::OkStatus();
}

absl::Status StorageCapture::VerifyUnchanged(const OpContext& ctx, StorageSurvey& survey,
                                             const PhoneTree& tree) {
  const std::vector<WantedFile>& files = survey.to_verify();
  if (files.empty()) return absl::OkStatus();
  parts_.line.Say(v1::PHASE_CAPTURING, "Checking files that look unchanged");
  std::vector<std::string> paths;
  paths.reserve(files.size());
  for (const WantedFile& file : files) paths.push_back(file.path);
  std::vector<std::optional<storage::Sha256Digest>> actual(files.size());
  const absl::Status hashed = parts_.line.Run(ctx, [&] {
    return HashOnPhone(
        ctx, parts_.line.device(), tree.phone_root, paths,
        [&](std::size_t i, const storage::Sha256Digest& sha256) { actual[i] = sha256; });
  });
  if (absl::IsUnimplemented(hashed)) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(hashed);
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::optional<FileMark> mark =
        parts_.index.Find(ctx, tree.snapshot_root + "/" + files[i].path);
    if (actual[i] && mark && mark->sha256 != *actual[i]) survey.wanted().push_back(files[i]);
  }
  return absl::OkStatus();
}

absl::Status StorageCapture::CaptureTree(const OpContext& ctx, const PhoneTree& tree) {
  const bool is_card = tree.snapshot_root != kInternalRoot;
  StorageSurvey::Options options;
  options.is_wanted = [this, is_card](std::string_view path) { return IsWanted(path, is_card); };
  const auto day = static_cast<std::uint32_t>(absl::ToUnixSeconds(parts_.clock.Now()) / 86'400);
  if (parts_.builder.has_base()) {
    options.is_to_verify = [day](std::string_view path) {
      return StorageIndex::IsInPart(path, day % kVerifyParts, kVerifyParts);
    };
  }
  StorageSurvey survey(parts_.builder, parts_.gaps, tree, options);
  MOORING_RETURN_IF_ERROR(List(ctx, survey));
  MOORING_RETURN_IF_ERROR(DropGone(ctx, survey, tree));
  MOORING_RETURN_IF_ERROR(VerifyUnchanged(ctx, survey, tree));
  if (parts_.budget.quota_bytes > 0 && survey.wanted_bytes() > parts_.budget.quota_bytes) {
    return Failure(absl::StatusCode::kResourceExhausted, v1::CAUSE_SERVER_FULL,
                   "the phone holds more than its backup may take",
                   "ask the administrator for more room for this phone");
  }
  std::sort(survey.wanted().begin(), survey.wanted().end(),
            [](const WantedFile& a, const WantedFile& b) { return a.path < b.path; });
  parts_.budget.total_bytes += std::min(survey.wanted_bytes(), kTotalBytesMax);
  parts_.line.Say(v1::PHASE_CAPTURING, "Copying the phone's files");
  FileFetch fetch(
      {parts_.line, parts_.builder, parts_.index, parts_.gaps, parts_.progress, parts_.budget},
      tree);
  MOORING_RETURN_IF_ERROR(fetch.Fetch(ctx, std::move(survey.wanted())));
  if (fetch.files_read() > 0) {
    // What changed while it was read, and what came meanwhile.
    StorageSurvey::Options again;
    again.is_wanted = options.is_wanted;
    StorageSurvey second(parts_.builder, parts_.gaps, tree, again);
    MOORING_RETURN_IF_ERROR(List(ctx, second));
    MOORING_RETURN_IF_ERROR(DropGone(ctx, second, tree));
    MOORING_RETURN_IF_ERROR(fetch.Fetch(ctx, std::move(second.wanted())));
    files_ += second.files();
    return second.KeepEmptyDirectories();
  }
  files_ += survey.files();
  return survey.KeepEmptyDirectories();
}

}  // namespace mooring::agent
