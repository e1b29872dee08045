#include "agent/android/storage_restore.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <optional>

#include <fmt/format.h>

#include "agent/android/phone_hash.h"
#include "agent/android/phone_tree_list.h"
#include "agent/android/storage_rules.h"
#include "agent/device/cause.h"
#include "agent/device/socket_wait.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::string_view kStorageRoot = "storage";
constexpr std::size_t kFilesPerCheck = 256;
constexpr std::uint64_t kBytesPerCheck = std::uint64_t{256} << 20;
constexpr std::size_t kCommandBytesMax = 8192;
constexpr std::size_t kOutputBytesMax = 64 << 10;
constexpr std::int64_t kSecondNs = 1'000'000'000;
constexpr std::uint32_t kFileMode = 0100660;

std::int64_t WholeSeconds(std::int64_t ns) {
  return ns / kSecondNs - (ns % kSecondNs < 0 ? 1 : 0);
}

}  // namespace

std::uint64_t StorageBytes(SnapshotReader& snapshot) {
  std::uint64_t bytes = 0;
  const absl::Status visited = snapshot.Visit(
      kStorageRoot, [&](std::string_view, const storage::Entry& entry) -> absl::Status {
        bytes += entry.size_bytes;
        return absl::OkStatus();
      });
  visited.IgnoreError();  // The visitor never fails.
  return bytes;
}

absl::StatusOr<std::uint64_t> MissingBytes(const OpContext& ctx, AdbDevice& device,
                                           SnapshotReader& snapshot) {
  std::uint64_t there = 0;
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<AdbSync> sync, device.Sync(ctx));
  const absl::Status listed = ListPhoneTree(
                                  ctx, device, *sync, "/sdcard", [&] { there = 0; },
                                  [](std::string_view path) { return !IsSkippedPath(path); },
                                  [&](const FoundFile& found) {
                                    const std::optional<storage::Entry> entry = snapshot.Find(
                                        fmt::format("{}/{}", kInternalRoot, found.path));
                                    if (entry && found.type == PhoneFileType::kFile &&
                                        entry->size_bytes == found.size_bytes) {
                                      there += found.size_bytes;
                                    }
                                    return absl::OkStatus();
                                  })
                                  .status();
  if (IsPhoneLost(listed) || absl::IsCancelled(listed)) return listed;
  const std::uint64_t all = StorageBytes(snapshot);
  return listed.ok() ? all - std::min(all, there) : all;
}

absl::StatusOr<std::uint64_t> ParseFreeBytes(std::string_view output) {
  // Filesystem 1K-blocks Used Available Use% Mounted on; one line of values.
  const std::size_t newline = output.find('\n');
  if (newline == std::string_view::npos) return absl::UnknownError("no df");
  std::string_view line = output.substr(newline + 1);
  line = line.substr(0, line.find('\n'));
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string_view::npos) break;
    line.remove_prefix(begin);
    words.push_back(line.substr(0, line.find_first_of(" \t")));
    line.remove_prefix(words.back().size());
  }
  std::uint64_t kib = 0;
  if (words.size() < 6 ||
      std::from_chars(words[3].data(), words[3].data() + words[3].size(), kib).ptr !=
          words[3].data() + words[3].size() ||
      kib > (std::uint64_t{1} << 50)) {
    return absl::UnknownError("the phone's df says nothing that we understand");
  }
  return kib * 1024;
}

absl::StatusOr<std::uint64_t> FreeBytes(const OpContext& ctx, AdbDevice& device) {
  MOORING_ASSIGN_OR_RETURN(const ShellResult result,
                           RunShell(ctx, device, "df -k /sdcard", kOutputBytesMax));
  return ParseFreeBytes(result.output);
}

absl::StatusOr<std::string> StorageRestore::PhoneRoot(const OpContext& ctx,
                                                      const std::string& name) {
  if (name == "internal") return std::string("/sdcard");
  const std::string card = name.substr(name.find('-') + 1);
  const std::string root = "/storage/" + card;
  absl::Status there;
  MOORING_RETURN_IF_ERROR(parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(AdbSync* const sync, parts_.line.sync(ctx));
    there = sync->Stat(ctx, root + "/").status();
    return IsFileRefusal(there) ? absl::OkStatus() : there;
  }));
  if (there.ok()) return root;
  parts_.Remark(fmt::format(
      "the memory card {0} is not in this phone: its files are in the folder \"SD card {0}\"",
      card));
  return "/sdcard/SD card " + card;
}

absl::Status StorageRestore::ListThere(const OpContext& ctx, Tree& tree) {
  const absl::Status listed = parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(AdbSync* const sync, parts_.line.sync(ctx));
    return ListPhoneTree(
               ctx, parts_.line.device(), *sync, tree.phone_root, [&] { tree.there.clear(); },
               [](std::string_view path) { return !IsSkippedPath(path); },
               [&](const FoundFile& found) {
                 if (found.type == PhoneFileType::kFile && !IsSkippedPath(found.path)) {
                   tree.there[std::string(found.path)] = {found.size_bytes,
                                                          WholeSeconds(found.modified_unix_ns)};
                 }
                 return absl::OkStatus();
               })
        .status();
  });
  // A folder that is not there yet holds nothing.
  return absl::IsNotFound(listed) ? absl::OkStatus() : listed;
}

absl::Status StorageRestore::ListSnapshot(Tree& tree) {
  return parts_.snapshot.Visit(
      tree.snapshot_root, [&](std::string_view path, const storage::Entry& entry) -> absl::Status {
        if (path.size() <= tree.snapshot_root.size() + 1) return absl::OkStatus();
        std::string below(path.substr(tree.snapshot_root.size() + 1));
        if (entry.type == storage::EntryType::kDirectory) {
          tree.directories.push_back(std::move(below));
        } else if (entry.type == storage::EntryType::kFile) {
          tree.files.push_back(std::move(below));
        }
        return absl::OkStatus();
      });
}

absl::Status StorageRestore::MakeDirectories(const OpContext& ctx, const Tree& tree) {
  std::string command;
  for (std::size_t i = 0; i <= tree.directories.size(); ++i) {
    const bool is_last = i == tree.directories.size();
    if (!command.empty() && (is_last || command.size() > kCommandBytesMax)) {
      MOORING_RETURN_IF_ERROR(parts_.line.Run(ctx, [&] {
        return RunShell(ctx, parts_.line.device(), command, kOutputBytesMax).status();
      }));
      command.clear();
    }
    if (is_last) break;
    if (command.empty()) command = "mkdir -p --";
    command += ' ' + QuoteForShell(tree.phone_root + "/" + tree.directories[i]);
  }
  return absl::OkStatus();
}

void StorageRestore::Moved(std::uint64_t files, std::uint64_t bytes) {
  done_bytes_ += bytes;
  parts_.outcome.files += files;
  parts_.outcome.bytes += bytes;
  parts_.progress.Moved(files, bytes);
  if (total_bytes_ > 0) {
    parts_.progress.Percent(
        static_cast<int>(std::min<std::uint64_t>(99, done_bytes_ * 100 / total_bytes_)));
  }
}

absl::StatusOr<storage::Sha256Digest> StorageRestore::HashOfSnapshot(const OpContext& ctx,
                                                                     const std::string& path) {
  storage::Sha256Stream hash;
  MOORING_RETURN_IF_ERROR(parts_.snapshot.Read(ctx, path, [&](ByteView bytes) {
    hash.Update(bytes);
    return absl::OkStatus();
  }));
  return hash.Finish();
}

absl::StatusOr<storage::Sha256Digest> StorageRestore::Send(const OpContext& ctx, const Tree& tree,
                                                           const std::string& path) {
  const std::string from = tree.snapshot_root + "/" + path;
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<FileReader> reader,
                           parts_.snapshot.Open(ctx, from));
  const std::optional<storage::Entry> entry = parts_.snapshot.Find(from);
  AdbSendFacts facts;
  facts.mode = kFileMode;
  facts.modified_unix_s = entry ? WholeSeconds(entry->modified_unix_ns) : 0;
  storage::Sha256Digest sha256{};
  absl::Status fault;  // The snapshot's.
  const absl::Status sent = parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(AdbSync* const sync, parts_.line.sync(ctx));
    storage::Sha256Stream hash;
    std::uint64_t at = 0;
    const absl::Status status =
        sync->Send(ctx, tree.phone_root + "/" + path, facts,
                   [&](std::span<std::byte> out) -> absl::StatusOr<std::size_t> {
                     const absl::StatusOr<std::size_t> read = reader->ReadAt(at, out);
                     if (!read.ok()) {
                       fault = read.status();
                       return absl::AbortedError("the snapshot cannot be read");
                     }
                     hash.Update(ByteView(out).first(*read));
                     at += *read;
                     return read;
                   });
    if (status.ok()) sha256 = hash.Finish();
    return status;
  });
  MOORING_RETURN_IF_ERROR(fault);
  MOORING_RETURN_IF_ERROR(sent);
  return sha256;
}

absl::Status StorageRestore::RestoreFile(const OpContext& ctx, const Tree& tree,
                                         const std::string& path, std::vector<Sent>& sent) {
  const std::string from = tree.snapshot_root + "/" + path;
  const std::optional<storage::Entry> entry = parts_.snapshot.Find(from);
  if (!entry) return absl::OkStatus();
  const auto there = tree.there.find(path);
  if (there != tree.there.end()) {
    const std::int64_t modified = WholeSeconds(entry->modified_unix_ns);
    const bool is_same =
        there->second.size_bytes == entry->size_bytes && there->second.modified_unix_s == modified;
    if (is_same) {
      ++already_there_;
      done_bytes_ += entry->size_bytes;
      if (!can_hash_) return absl::OkStatus();
      MOORING_ASSIGN_OR_RETURN(const storage::Sha256Digest sha256, HashOfSnapshot(ctx, from));
      sent.push_back({path, sha256});
      return absl::OkStatus();
    }
    if (there->second.modified_unix_s > modified) {
      ++newer_;
      return absl::OkStatus();
    }
  }
  if (tree.phone_root.size() + 1 + path.size() > kAdbPathBytesMax) {
    ++refused_;
    return absl::OkStatus();
  }
  const auto sha256 = Send(ctx, tree, path);
  if (CauseOf(sha256.status()) != v1::CAUSE_PHONE_FULL && IsFileRefusal(sha256.status())) {
    ++refused_;
    return absl::OkStatus();
  }
  MOORING_RETURN_IF_ERROR(sha256.status());
  sent.push_back({path, *sha256});
  Moved(1, entry->size_bytes);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<StorageRestore::Sent>> StorageRestore::Wrong(
    const OpContext& ctx, const Tree& tree, const std::vector<Sent>& sent) {
  std::vector<std::string> paths;
  for (const Sent& file : sent) paths.push_back(file.path);
  std::vector<bool> good(sent.size());
  const absl::Status hashed = parts_.line.Run(ctx, [&] {
    return HashOnPhone(ctx, parts_.line.device(), tree.phone_root, paths,
                       [&](std::size_t i, const storage::Sha256Digest& sha256) {
                         good[i] = sha256 == sent[i].sha256;
                       });
  });
  std::vector<Sent> wrong;
  if (absl::IsUnimplemented(hashed)) {
    can_hash_ = false;
    return wrong;
  }
  MOORING_RETURN_IF_ERROR(hashed);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    if (!good[i]) wrong.push_back(sent[i]);
  }
  return wrong;
}

absl::Status StorageRestore::Verify(const OpContext& ctx, const Tree& tree,
                                    std::vector<Sent>& sent) {
  if (sent.empty() || !can_hash_) {
    sent.clear();
    return absl::OkStatus();
  }
  MOORING_ASSIGN_OR_RETURN(std::vector<Sent> wrong, Wrong(ctx, tree, sent));
  sent.clear();
  if (wrong.empty()) return absl::OkStatus();
  for (Sent& file : wrong) {
    const auto sha256 = Send(ctx, tree, file.path);
    if (!sha256.ok() && !IsFileRefusal(sha256.status())) return sha256.status();
  }
  MOORING_ASSIGN_OR_RETURN(wrong, Wrong(ctx, tree, wrong));
  wrong_ += wrong.size();
  return absl::OkStatus();
}

absl::Status StorageRestore::RestoreTree(const OpContext& ctx, Tree& tree) {
  MOORING_RETURN_IF_ERROR(ListThere(ctx, tree));
  parts_.line.Say(v1::PHASE_RESTORING, "Copying files to the phone");
  std::vector<Sent> sent;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < tree.files.size(); ++i) {
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    if (i % kFilesPerCheck == 0) {
      std::vector<std::string> ahead;
      for (std::size_t j = i; j < std::min(tree.files.size(), i + kFilesPerCheck); ++j) {
        if (tree.there.count(tree.files[j]) == 0) {
          ahead.push_back(tree.snapshot_root + "/" + tree.files[j]);
        }
      }
      parts_.snapshot.Prefetch(ahead);
    }
    const std::uint64_t before = done_bytes_;
    MOORING_RETURN_IF_ERROR(RestoreFile(ctx, tree, tree.files[i], sent));
    bytes += done_bytes_ - before;
    if (sent.size() >= kFilesPerCheck || bytes >= kBytesPerCheck) {
      MOORING_RETURN_IF_ERROR(Verify(ctx, tree, sent));
      bytes = 0;
    }
  }
  MOORING_RETURN_IF_ERROR(Verify(ctx, tree, sent));
  return MakeDirectories(ctx, tree);
}

absl::Status StorageRestore::Rescan(const OpContext& ctx) {
  ShellResult result;
  MOORING_RETURN_IF_ERROR(parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(result,
                             RunShell(ctx, parts_.line.device(),
                                      "content call --uri content://media --method scan_volume "
                                      "--arg external_primary",
                                      kOutputBytesMax));
    return absl::OkStatus();
  }));
  if (result.exit.status == 0 && result.exit.errors.empty()) return absl::OkStatus();
  parts_.Remark("the gallery shows the restored pictures once the phone was restarted");
  return absl::OkStatus();
}

void StorageRestore::SayCounts() {
  if (already_there_ > 0) {
    parts_.Remark(fmt::format("{} files were on the phone already", already_there_));
  }
  if (newer_ > 0) {
    parts_.Remark(fmt::format(
        "{} files on the phone are newer and different; they were left as they are", newer_));
  }
  if (refused_ > 0) {
    parts_.Remark(fmt::format("the phone refused {} files, for their names or places", refused_));
  }
  if (wrong_ > 0) {
    parts_.Remark(fmt::format("{} files are not on the phone as they were sent, twice", wrong_));
  }
  if (!can_hash_) parts_.Remark("this phone cannot hash files, so they were not read back");
}

absl::Status StorageRestore::Run(const OpContext& ctx) {
  std::vector<Tree> trees;
  for (const storage::ListedEntry& entry : parts_.snapshot.List(kStorageRoot)) {
    Tree tree;
    tree.snapshot_root = fmt::format("{}/{}", kStorageRoot, entry.name);
    MOORING_ASSIGN_OR_RETURN(tree.phone_root, PhoneRoot(ctx, entry.name));
    MOORING_RETURN_IF_ERROR(ListSnapshot(tree));
    trees.push_back(std::move(tree));
  }
  total_bytes_ = StorageBytes(parts_.snapshot);
  for (Tree& tree : trees) MOORING_RETURN_IF_ERROR(RestoreTree(ctx, tree));
  SayCounts();
  return trees.empty() ? absl::OkStatus() : Rescan(ctx);
}

}  // namespace mooring::agent
