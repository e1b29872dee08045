#include "tests/phones/android/package_table.h"

#include <sys/stat.h>

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "storage/base/bytes.h"
#include "storage/base/check.h"

namespace mooring::testing::android {
namespace {

constexpr std::size_t kSessionsMax = 100;
constexpr std::array<std::string_view, 6> kApps = {"com.example.chat", "org.example.notes",
                                                   "com.example.bank", "com.example.maps",
                                                   "com.example.mail", "com.example.game"};
constexpr std::array<std::string_view, 4> kSplits = {"base", "split_config.arm64_v8a",
                                                     "split_config.en", "split_config.xxhdpi"};

std::string RandomLooking(std::string_view text) {
  return HexOf(Sha256(text)).substr(0, 22) + "==";
}

// The app that the first bytes of an APK tell.
std::optional<ApkName> Recognize(std::string_view head) {
  constexpr std::string_view kZip("PK\x03\x04", 4);
  if (!head.starts_with(kZip)) return std::nullopt;
  head.remove_prefix(kZip.size());
  if (!head.starts_with(kApkMark) || head.size() < kApkMark.size() + 16) return std::nullopt;
  head.remove_prefix(kApkMark.size());
  std::uint64_t seed = 0;
  if (std::from_chars(head.data(), head.data() + 16, seed, 16).ptr != head.data() + 16) {
    return std::nullopt;
  }
  return ApkName{.app = static_cast<std::uint32_t>(seed >> 32),
                 .version = static_cast<std::uint32_t>(seed >> 8 & 0xFFFFFF),
                 .split = static_cast<std::uint32_t>(seed & 0xFF)};
}

}  // namespace

std::uint64_t ApkSeed(const ApkName& name) {
  return std::uint64_t{name.app} << 32 | std::uint64_t{name.version} << 8 | name.split;
}

std::string AppPackageName(std::uint32_t app) {
  if (app < kApps.size()) return std::string(kApps[app]);
  return fmt::format("com.example.app{}", app);
}

void PackageTable::Place(Package package) {
  const int android = files_.options().android;
  const std::string unique =
      RandomLooking(fmt::format("{} {}", package.name, package.version_code));
  package.directory =
      package.is_system ? "/system/app/" + std::string(BaseName(package.name))
      : android >= 11
          ? fmt::format("/data/app/~~{}/{}-{}", RandomLooking(package.name), package.name, unique)
          : fmt::format("/data/app/{}-{}", package.name, unique);
  FileInfo directory;
  directory.kind = FileInfo::Kind::kDirectory;
  directory.mode = S_IFDIR | 0755;
  directory.uid = directory.gid = 1000;
  directory.modified_ns = files_.NowNs();
  MOORING_CHECK(files_.tree().MakeDirectories(package.directory, directory) == 0);
  for (const Apk& apk : package.apks) {
    FileInfo file;
    file.mode = S_IFREG | 0644;
    file.uid = file.gid = 1000;
    file.modified_ns = files_.NowNs();
    file.content = apk.content;
    MOORING_CHECK(files_.tree().Put(fmt::format("{}/{}.apk", package.directory, apk.split), file) ==
                  0);
  }
  packages_[package.name] = std::move(package);
}

void PackageTable::Preload(std::uint32_t app, std::uint32_t version, std::uint64_t apk_bytes,
                           bool is_system) {
  Package package;
  package.name = is_system ? fmt::format("com.android.part{}", app) : AppPackageName(app);
  package.version_code = version;
  package.is_system = is_system;
  if (!is_system) package.installer = "com.android.vending";
  const std::uint32_t splits = is_system ? 1 : 1 + app * 3 % 4;
  for (std::uint32_t split = 0; split < splits; ++split) {
    const std::uint64_t seed = ApkSeed({.app = app, .version = version, .split = split});
    package.apks.push_back(
        {.split = std::string(kSplits[split]),
         .content = {
             .seed = seed, .size_bytes = apk_bytes / (split + 1), .kind = ContentKind::kApk}});
  }
  MutexLock lock(mutex_);
  Place(std::move(package));
}

std::vector<Package> PackageTable::List() {
  MutexLock lock(mutex_);
  std::vector<Package> packages;
  for (const auto& [name, package] : packages_) packages.push_back(package);
  return packages;
}

std::optional<Package> PackageTable::Find(std::string_view name) {
  MutexLock lock(mutex_);
  const auto found = packages_.find(name);
  if (found == packages_.end()) return std::nullopt;
  return found->second;
}

bool PackageTable::Uninstall(std::string_view name) {
  MutexLock lock(mutex_);
  const auto found = packages_.find(name);
  if (found == packages_.end() || found->second.is_system) return false;
  files_.tree().RemoveTree(found->second.directory);
  packages_.erase(found);
  return true;
}

int PackageTable::OpenSession(std::string installer) {
  MutexLock lock(mutex_);
  if (sessions_.size() >= kSessionsMax) sessions_.erase(sessions_.begin());
  sessions_[++last_session_].installer = std::move(installer);
  return last_session_;
}

bool PackageTable::AddToSession(int session, std::string split, ContentRef content,
                                std::string head) {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return false;
  found->second.apks.push_back({std::move(split), content, std::move(head)});
  return true;
}

bool PackageTable::Abandon(int session) {
  MutexLock lock(mutex_);
  return sessions_.erase(session) > 0;
}

std::string PackageTable::Commit(int session) {
  MutexLock lock(mutex_);
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) {
    return fmt::format("Error: java.lang.SecurityException: Caller has no access to session {}",
                       session);
  }
  Session staged = std::move(found->second);
  sessions_.erase(found);
  if (!refusal_.empty()) return fmt::format("Failure [{}]", refusal_);
  return Install(std::move(staged));
}

std::string PackageTable::Install(Session session) {
  Package package;
  package.installer = std::move(session.installer);
  bool has_base = false;
  std::uint64_t bytes = 0;
  for (Staged& staged : session.apks) {
    const std::optional<ApkName> name = Recognize(staged.head);
    if (!name) {
      return "Failure [INSTALL_PARSE_FAILED_NOT_APK: Failed to parse " + staged.split + "]";
    }
    const std::string package_name = AppPackageName(name->app);
    if (!package.name.empty() &&
        (package.name != package_name || package.version_code != name->version)) {
      return "Failure [INSTALL_FAILED_INVALID_APK: " + staged.split + " is inconsistent]";
    }
    package.name = package_name;
    package.version_code = name->version;
    has_base = has_base || name->split == 0;
    bytes += staged.content.size_bytes;
    package.apks.push_back(
        {.split = std::string(kSplits[name->split % kSplits.size()]), .content = staged.content});
  }
  if (!has_base) {
    return "Failure [INSTALL_FAILED_INVALID_APK: Full install must include a base package]";
  }
  const auto there = packages_.find(package.name);
  if (there != packages_.end() && there->second.version_code > package.version_code) {
    return "Failure [INSTALL_FAILED_VERSION_DOWNGRADE]";
  }
  if (files_.used_bytes() + bytes > files_.capacity_bytes()) {
    return "Failure [INSTALL_FAILED_INSUFFICIENT_STORAGE]";
  }
  if (there != packages_.end()) files_.tree().RemoveTree(there->second.directory);
  Place(std::move(package));
  return "Success";
}

void PackageTable::RefuseInstalls(std::string failure) {
  MutexLock lock(mutex_);
  refusal_ = std::move(failure);
}

}  // namespace mooring::testing::android
