// The commands of the control socket, and what a phone's contents promise.

#include "tests/phones/android/control.h"

#include <map>
#include <memory>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/phones/android/android_farm.h"
#include "tests/phones/android/run_line.h"
#include "tests/phones/common/temp_dir.h"

namespace mooring::testing::android {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ControlTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<AndroidFarm>> farm =
        AndroidFarm::Start({.temp_dir = temp_.path(), .marker = "PLANTED-MARKER"});
    ASSERT_TRUE(farm.ok()) << farm.status();
    farm_ = *std::move(farm);
    control_ = std::make_unique<Control>(*farm_, AndroidPhoneOptions());
  }
  json Do(const std::string& command) { return json::parse(control_->Execute(command)); }

  TempDir temp_;
  std::unique_ptr<AndroidFarm> farm_;
  std::unique_ptr<Control> control_;
};

TEST_F(ControlTest, AddsDescribesAndDumps) {
  const json added = Do("add seed=5 android=11 files=60 bytes=300000 sd-card work-profile");
  ASSERT_TRUE(added["ok"].get<bool>()) << added;
  EXPECT_FALSE(Do("add seed=5 android=11")["ok"].get<bool>());
  EXPECT_FALSE(Do("add android=8")["ok"].get<bool>());
  EXPECT_FALSE(Do("add color=1")["ok"].get<bool>());
  const json state = Do("state 0")["phone"];
  EXPECT_EQ(state["serial"], added["serial"]);
  EXPECT_EQ(state["android"], 11);
  EXPECT_EQ(state["attached"], true);
  EXPECT_EQ(state["work_profile"], true);
  EXPECT_EQ(Do("list")["phones"], json::array({state}));

  const json dump = Do("dump " + added["serial"].get<std::string>());
  std::set<std::string> paths;
  for (const json& file : dump["files"]) paths.insert(file["path"].get<std::string>());
  EXPECT_TRUE(paths.contains("/sdcard/Documents/new\nline.txt"));
  EXPECT_TRUE(paths.contains("/sdcard/Documents/PLANTED-MARKER.txt"));
  EXPECT_TRUE(paths.contains("/storage/1A2B-3C4D/Music/track 01.mp3"));
  EXPECT_THAT(dump["records"]["sms"], SizeIs(60));
  EXPECT_THAT(dump["records"]["raw_contacts"], SizeIs(25));
  EXPECT_THAT(dump["packages"], SizeIs(6));
  EXPECT_EQ(dump["settings"]["system"]["font_scale"], "1.15");
}

TEST_F(ControlTest, MutatesAsItSays) {
  Do("add seed=1 files=80");
  const std::string serial = farm_->Phones()[0];
  std::map<std::string, DumpedFile> before;
  const std::vector<DumpedFile> old_files = *farm_->Dump(serial);
  for (const DumpedFile& file : old_files) before[file.path] = file;
  const json result = Do("mutate 0 adds=4 changes=5 deletes=3 stealth=2 messages=6");
  EXPECT_EQ(result["added"], 4);
  std::size_t added = 0;
  std::size_t changed = 0;
  std::size_t stealthy = 0;
  const std::vector<DumpedFile> new_files = *farm_->Dump(serial);
  for (const DumpedFile& file : new_files) {
    const auto old = before.find(file.path);
    if (old == before.end()) {
      added += file.kind == FileInfo::Kind::kFile ? 1U : 0U;
      continue;
    }
    const bool looks_same = old->second.size_bytes == file.size_bytes &&
                            old->second.modified_unix == file.modified_unix;
    if (!looks_same) ++changed;
    if (looks_same && old->second.sha256 != file.sha256) ++stealthy;
    before.erase(old);
  }
  EXPECT_EQ(added, 4U);
  EXPECT_EQ(changed, 5U);
  EXPECT_EQ(stealthy, 2U);
  EXPECT_THAT(before, SizeIs(3));  // What was deleted.
  EXPECT_THAT(Do("dump 0")["records"]["sms"], SizeIs(66));
}

TEST_F(ControlTest, EqualSeedsMakeEqualPhones) {
  const std::string one = farm_->AddPhone(7, {.android = 12});
  const std::string other = farm_->AddPhone(7, {.android = 13});
  const std::string third = farm_->AddPhone(8, {.android = 12});
  EXPECT_EQ(*farm_->Dump(one), *farm_->Dump(other));
  EXPECT_NE(*farm_->Dump(one), *farm_->Dump(third));
  EXPECT_NE(one, other);
}

TEST_F(ControlTest, SwitchesTakeEffect) {
  Do("add seed=1 files=60 android=14");
  AndroidPhone& phone = *farm_->Find("0");
  EXPECT_TRUE(Do("detach 0")["ok"].get<bool>());
  EXPECT_EQ(Do("state 0")["phone"]["attached"], false);
  EXPECT_TRUE(Do("attach 0")["ok"].get<bool>());
  EXPECT_TRUE(Do("set 0 battery=12 capacity=100000000 android-data=1")["ok"].get<bool>());
  EXPECT_THAT(RunLine(phone, "dumpsys battery").out, HasSubstr("level: 12\n"));
  EXPECT_EQ(RunLine(phone, "ls /sdcard/Android/data").status, 0);
  EXPECT_TRUE(Do("deny 0 path=/sdcard/DCIM*")["ok"].get<bool>());
  EXPECT_THAT(RunLine(phone, "ls /sdcard/DCIM/Camera").err, HasSubstr("Permission denied"));
  EXPECT_TRUE(Do("provider 0 refuse sms")["ok"].get<bool>());
  EXPECT_EQ(RunLine(phone, "content query --uri content://sms").status, 1);
  EXPECT_TRUE(Do("locked-since-boot 0")["ok"].get<bool>());
  EXPECT_EQ(RunLine(phone, "ls /sdcard/").status, 1);
  EXPECT_THAT(RunLine(phone, "dumpsys user").out, HasSubstr("RUNNING_LOCKED"));
  EXPECT_FALSE(Do("hostile 0 kindness")["ok"].get<bool>());
  EXPECT_TRUE(Do("hostile 0 sync-names")["ok"].get<bool>());
  EXPECT_FALSE(Do("fault 0 explode")["ok"].get<bool>());
  EXPECT_FALSE(Do("nonsense 0")["ok"].get<bool>());
  EXPECT_FALSE(Do("state 9")["ok"].get<bool>());
}

TEST_F(ControlTest, FilesVanishGrowAndBreak) {
  Do("add seed=1 files=60 android=12");
  AndroidPhone& phone = *farm_->Find("0");
  Do("fault 0 vanish value=*.hidden");
  EXPECT_THAT(RunLine(phone, "cat /sdcard/Documents/.hidden").err, HasSubstr("No such file"));
  EXPECT_EQ(RunLine(phone, "cat /sdcard/Documents/-rf").status, 0);
  Do("fault 0 grow value=*/-rf");
  const std::string before = RunLine(phone, "stat -c %s /sdcard/Documents/-rf").out;
  EXPECT_EQ(RunLine(phone, "cat /sdcard/Documents/-rf | wc -c").status, 0);
  EXPECT_NE(RunLine(phone, "stat -c %s /sdcard/Documents/-rf").out, before);
  Do("fault 0 file-error value=*/-rf after=10");
  const LineResult broken = RunLine(phone, "tar -c -C /sdcard/Documents -T -", "-rf\n");
  EXPECT_EQ(broken.status, 1);
  EXPECT_THAT(broken.err, HasSubstr("tar: -rf: Input/output error\ntar: had errors\n"));
  EXPECT_THAT(phone.files().writes(), IsEmpty());
}

}  // namespace
}  // namespace mooring::testing::android
