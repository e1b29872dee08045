// PackageTable: the apps of a phone, their APKs and splits, and installing more.
//
// An APK of the simulator is content of kind kApk: its header tells a seed, and the seed
// the app, its version and the split, so that a phone knows an APK that comes back.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/mutex.h"
#include "tests/phones/android/phone_files.h"
#include "tests/phones/common/content.h"

namespace mooring::testing::android {

struct Apk {
  std::string split;  // "base", or "split_config.xxhdpi".
  ContentRef content;
};

struct Package {
  std::string name;
  std::uint32_t version_code = 1;
  std::string installer;  // Empty: none is known.
  bool is_system = false;
  std::string directory;
  std::vector<Apk> apks;
};

// Which app, which version, which split an APK's seed means.
struct ApkName {
  std::uint32_t app = 0;
  std::uint32_t version = 1;
  std::uint32_t split = 0;
};
std::uint64_t ApkSeed(const ApkName& name);
std::string AppPackageName(std::uint32_t app);

// Thread-safe.
class PackageTable {
 public:
  explicit PackageTable(PhoneFiles& files) : files_(files) {}

  // Puts an app of the simulator's own onto the phone, as it was when it was bought.
  void Preload(std::uint32_t app, std::uint32_t version, std::uint64_t apk_bytes, bool is_system);
  std::vector<Package> List();
  std::optional<Package> Find(std::string_view name);
  bool Uninstall(std::string_view name);

  // An installation as `pm` leads it; messages are pm's own ("Success: ...", "Failure [...]").
  int OpenSession(std::string installer);
  // The content must be complete; false if there is no such session.
  bool AddToSession(int session, std::string split, ContentRef content, std::string head);
  std::string Commit(int session);
  bool Abandon(int session);

  // From now on installations fail with this code; empty: they work.
  void RefuseInstalls(std::string failure);

 private:
  struct Staged {
    std::string split;
    ContentRef content;
    std::string head;
  };
  struct Session {
    std::string installer;
    std::vector<Staged> apks;
  };
  std::string Install(Session session) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Place(Package package) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  PhoneFiles& files_;
  Mutex mutex_;
  std::map<std::string, Package, std::less<>> packages_ ABSL_GUARDED_BY(mutex_);
  std::map<int, Session> sessions_ ABSL_GUARDED_BY(mutex_);
  int last_session_ ABSL_GUARDED_BY(mutex_) = 1'234'560;
  std::string refusal_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing::android
