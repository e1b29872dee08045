#include <gtest/gtest.h>

#include "agent/android/apps_capture.h"
#include "agent/android/apps_restore.h"
#include "agent/android/settings_rules.h"
#include "agent/android/storage_restore.h"
#include "agent/android/storage_rules.h"

namespace mooring::agent {
namespace {

TEST(StorageRules, SkipsWhatIsNeverWorthKeeping) {
  for (const char* path :
       {"Android/data", "Android/data/com.x/files/a", "Android/obb/x", "DCIM/.thumbnails/1.jpg",
        "DCIM/.trashed-1700000000-a.jpg", "Download/cache/x", "DCIM/.pending-17-a.mp4"}) {
    EXPECT_TRUE(IsSkippedPath(path)) << path;
  }
  for (const char* path : {"Android", "Android/media/com.whatsapp/a", "Android/database",
                           "DCIM/Camera/a.jpg", "Download/cached", ".nomedia"}) {
    EXPECT_FALSE(IsSkippedPath(path)) << path;
  }
}

TEST(StorageRules, NamesTheCategory) {
  EXPECT_EQ(StorageCategory("DCIM/Camera/a.jpg"), v1::CATEGORY_PHOTOS);
  EXPECT_EQ(StorageCategory("DCIM"), v1::CATEGORY_PHOTOS);
  EXPECT_EQ(StorageCategory("DCIMx/a"), v1::CATEGORY_DOCUMENTS);
  EXPECT_EQ(StorageCategory("Android/media/com.whatsapp/WhatsApp/x"), v1::CATEGORY_MESSAGING_APPS);
  EXPECT_EQ(StorageCategory("Android/media/com.other/x"), v1::CATEGORY_APP_DATA);
  EXPECT_EQ(StorageCategory("Download/a.pdf"), v1::CATEGORY_DOCUMENTS);
}

TEST(Settings, AreTakenFromTheAllowListAlone) {
  const auto settings = ParseSettings("system",
                                      "font_scale=1.15\nscreen_off_timeout=60000\n"
                                      "evil=x\nscreen_off_timeout=1\ntime_12_24=$(reboot)\n");
  EXPECT_EQ(settings.size(), 1U);
  EXPECT_EQ(settings.at("font_scale"), "1.15");
  EXPECT_FALSE(IsAllowedSetting("global", "adb_enabled", "1"));
  EXPECT_FALSE(IsAllowedSetting("secure", "font_scale", "1"));
}

TEST(Packages, AreReadFromWhatPmPrints) {
  const auto packages = ParsePackages(
      "package:com.a.b versionCode:12  installer=com.android.vending\n"
      "package:org.c\r\nnoise\npackage:../../x\npackage:a b\n");
  ASSERT_EQ(packages.size(), 3U);
  EXPECT_EQ(packages[0].version_code, "12");
  EXPECT_EQ(packages[0].installer, "com.android.vending");
  EXPECT_EQ(packages[1].name, "org.c");
  EXPECT_EQ(packages[2].name, "a");
  const auto paths = ParsePackagePaths(
      "=com.a.b\npackage:/data/app/x/base.apk\npackage:/data/app/x/split_de.apk\n=org.c\n"
      "Error: no\n");
  EXPECT_EQ(paths.at("com.a.b").size(), 2U);
  EXPECT_TRUE(paths.at("org.c").empty());
}

TEST(Install, ResultsAreRead) {
  EXPECT_EQ(*ParseInstallSession("Success: created install session [123456]\n"), "123456");
  EXPECT_FALSE(ParseInstallSession("Success [1; rm -rf]").ok());
  EXPECT_FALSE(ParseInstallSession("Failure [X]").ok());
  EXPECT_TRUE(ParseInstallResult("Success\n").ok());
  EXPECT_EQ(ParseInstallResult("Failure [INSTALL_FAILED_VERSION_DOWNGRADE: x]").message(),
            "INSTALL_FAILED_VERSION_DOWNGRADE");
}

TEST(FreeSpace, IsReadFromDf) {
  EXPECT_EQ(*ParseFreeBytes("Filesystem 1K-blocks Used Available Use% Mounted on\n"
                            "/dev/fuse  61200000 100 61199900  1% /storage/emulated\n"),
            61'199'900ULL * 1024);
  EXPECT_FALSE(ParseFreeBytes("Filesystem Size Used Free Blksize\n/mnt 25G 1G 24G 4096\n").ok());
  EXPECT_FALSE(ParseFreeBytes("").ok());
}

}  // namespace
}  // namespace mooring::agent
