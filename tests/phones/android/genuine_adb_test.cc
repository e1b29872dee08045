// Debian's adb against the simulated phone. What it accepts, and that contents arrive bit by
// bit, is the evidence that the simulator speaks the real protocol.

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/phones/android/android_farm.h"
#include "tests/phones/android/genuine_adb_server.h"
#include "tests/phones/common/digest.h"
#include "tests/phones/common/temp_dir.h"
#include "tests/phones/common/tool.h"

namespace mooring::testing::android {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string ReadWhole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class GenuineAdbTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const absl::Status started = server_.Start();
    ASSERT_TRUE(started.ok()) << started;
    StartFarm(0);
  }
  void StartFarm(std::uint16_t adb_server_port) {
    farm_.reset();
    absl::StatusOr<std::unique_ptr<AndroidFarm>> farm = AndroidFarm::Start(
        {.temp_dir = temp_.path(), .marker = {}, .adb_server_port = adb_server_port});
    ASSERT_TRUE(farm.ok()) << farm.status();
    farm_ = *std::move(farm);
  }

  ToolResult On(const std::string& serial, std::vector<std::string> words,
                absl::Duration timeout = absl::Seconds(60)) {
    words.insert(words.begin(), {"-s", farm_->Address(serial)});
    return server_.Adb(words, timeout);
  }
  std::string StateOf(const std::string& serial) {
    const std::string list = server_.Adb({"devices"}).output;
    const std::string address = farm_->Address(serial) + "\t";
    const std::size_t at = list.find(address);
    if (at == std::string::npos) return "";
    const std::size_t begin = at + address.size();
    return list.substr(begin, list.find('\n', begin) - begin);
  }
  // Bounded: 20 s.
  bool Becomes(const std::string& serial, const std::string& state) {
    for (int i = 0; i < 200; ++i) {
      if (StateOf(serial) == state) return true;
      clock_.Sleep(absl::Milliseconds(100), {});
    }
    return false;
  }
  std::string Add(std::uint64_t seed, AndroidPhoneOptions options) {
    std::string serial = farm_->AddPhone(seed, std::move(options));
    server_.Adb({"connect", farm_->Address(serial)});
    EXPECT_TRUE(Becomes(serial, "device"));
    return serial;
  }
  // Everything on shared storage is in `folder`, equal by hash and time, and nothing else is.
  void ExpectFolderHolds(const std::string& serial, const std::string& folder, bool with_times) {
    const absl::StatusOr<std::vector<DumpedFile>> dump = farm_->Dump(serial);
    ASSERT_TRUE(dump.ok());
    std::size_t entries = 0;
    for (const DumpedFile& file : *dump) {
      ++entries;
      const std::string path = folder + file.path.substr(std::string("/sdcard").size());
      struct stat info {};
      ASSERT_EQ(lstat(path.c_str(), &info), 0) << path;
      if (file.kind != FileInfo::Kind::kFile) continue;
      EXPECT_EQ(HexOf(Sha256(ReadWhole(path))), file.sha256) << path;
      if (with_times) {
        EXPECT_EQ(info.st_mtime, file.modified_unix) << path;
      }
    }
    std::size_t found = 0;
    for ([[maybe_unused]] const auto& entry :
         std::filesystem::recursive_directory_iterator(folder)) {
      ++found;
    }
    EXPECT_EQ(found, entries);
    EXPECT_GT(found, 150U);
  }

  // Without directories: adb pushes none that is empty.
  std::vector<DumpedFile> FilesOf(const std::string& serial) {
    std::vector<DumpedFile> files = *farm_->Dump(serial);
    std::erase_if(files, [](const DumpedFile& file) { return file.kind != FileInfo::Kind::kFile; });
    return files;
  }

  SystemClock clock_;
  TempDir temp_;
  GenuineAdbServer server_{temp_.path()};
  std::unique_ptr<AndroidFarm> farm_;
};

TEST_F(GenuineAdbTest, ListsPhonesAndRunsCommandsOnEveryVersion) {
  for (int android = 9; android <= 16; ++android) {
    const std::string serial =
        Add(static_cast<std::uint64_t>(android), {.android = android,
                                                  .content = {.files = 30, .bytes = 100'000},
                                                  .old_checksums = android % 2 == 1});
    const PhoneIdentity& identity = farm_->Find(serial)->identity();
    const std::string list = server_.Adb({"devices", "-l"}).output;
    EXPECT_THAT(list, HasSubstr("product:" + identity.product + " "));
    EXPECT_EQ(On(serial, {"shell", "getprop ro.serialno"}).output, serial + "\n");
    EXPECT_EQ(On(serial, {"shell", "getprop ro.build.version.release"}).output,
              fmt::format("{}\n", android));
    const ToolResult failed = On(serial, {"shell", "nosuchprogram; exit 7"});
    EXPECT_EQ(failed.exit_code, 7);
    EXPECT_THAT(failed.output, HasSubstr("not found"));
    EXPECT_EQ(On(serial, {"shell", "nosuchprogram"}).exit_code, 127);
    const std::string printed = On(serial, {"shell", "find /sdcard/Movies -printf '%M\\n'"}).output;
    EXPECT_THAT(printed, HasSubstr(android >= 11 ? "drwx" : "bad arg '-printf'"));
    EXPECT_THAT(farm_->Violations(serial), IsEmpty());
  }
}

TEST_F(GenuineAdbTest, PullBringsEveryFileAndPushAnEqualPhone) {
  const std::string from = Add(1, {.android = 12, .content = {}});
  const std::string to = Add(2, {.android = 12, .content = {.empty = true}});
  const std::string folder = temp_.path() + "/pulled";
  const ToolResult pulled = On(from, {"pull", "-a", "/sdcard/", folder});
  ASSERT_EQ(pulled.exit_code, 0) << pulled.output;
  ExpectFolderHolds(from, folder, true);

  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const ToolResult pushed = On(to, {"push", entry.path().string(), "/sdcard/"});
    ASSERT_EQ(pushed.exit_code, 0) << pushed.output;
  }
  EXPECT_THAT(FilesOf(to), ::testing::ElementsAreArray(FilesOf(from)));
  EXPECT_THAT(farm_->Find(from)->files().writes(), IsEmpty());
  EXPECT_THAT(farm_->Violations(from), IsEmpty());
  EXPECT_THAT(farm_->Violations(to), IsEmpty());
}

TEST_F(GenuineAdbTest, PushedContentThatNoPhoneMadeIsKept) {
  const std::string serial = Add(1, {.android = 14});
  const std::string path = temp_.path() + "/own.bin";
  std::string bytes;
  for (int i = 0; i < 200'000; ++i) bytes += static_cast<char>(i * 7 % 251);
  std::ofstream(path, std::ios::binary) << bytes;
  ASSERT_EQ(On(serial, {"push", path, "/sdcard/Download/new folder/own.bin"}).exit_code, 0);
  const ToolResult hash = On(serial, {"shell", "sha256sum '/sdcard/Download/new folder/own.bin'"});
  EXPECT_THAT(hash.output, HasSubstr(HexOf(Sha256(bytes))));
  ASSERT_EQ(On(serial, {"pull", "/sdcard/Download/new folder/own.bin", "back"}).exit_code, 0);
  EXPECT_EQ(ReadWhole(temp_.path() + "/back"), bytes);
}

TEST_F(GenuineAdbTest, TarOverExecOutUnpacksWithGnuTar) {
  const std::string serial = Add(1, {.android = 12, .content = {}});
  const std::string folder = temp_.path() + "/unpacked";
  std::filesystem::create_directory(folder);
  const ToolResult unpacked = RunTool(
      {"bash", "-c",
       fmt::format(
           "set -o pipefail; adb -s {} exec-out 'cd /sdcard && tar -cf - *' | tar -xf - -C {}",
           farm_->Address(serial), folder)},
      {.environment = server_.environment(), .directory = temp_.path()});
  ASSERT_EQ(unpacked.exit_code, 0) << unpacked.output;
  ExpectFolderHolds(serial, folder, true);
}

TEST_F(GenuineAdbTest, InstallMultipleBringsAnAppWithItsSplits) {
  for (const int android : {10, 14}) {  // Over exec:, and over abb_exec:.
    const auto seed = static_cast<std::uint64_t>(android);
    const std::string from = Add(seed, {.android = android, .content = {}});
    const std::string to = Add(seed + 50, {.android = android, .content = {.empty = true}});
    const std::string name = "com.example.bank";
    const ToolResult paths = On(from, {"shell", "pm path --user 0 " + name});
    std::vector<std::string> install = {"install-multiple"};
    for (std::size_t at = paths.output.find("package:"); at != std::string::npos;
         at = paths.output.find("package:", at + 1)) {
      const std::string path = paths.output.substr(at + 8, paths.output.find('\n', at) - at - 8);
      const std::string local = fmt::format("{}/{}-{}", temp_.path(), android, BaseName(path));
      ASSERT_EQ(On(from, {"pull", path, local}).exit_code, 0);
      install.push_back(local);
    }
    ASSERT_THAT(install, SizeIs(4));
    const ToolResult installed = On(to, install);
    EXPECT_EQ(installed.exit_code, 0) << installed.output;
    const std::optional<Package> before = farm_->Find(from)->packages().Find(name);
    const std::optional<Package> after = farm_->Find(to)->packages().Find(name);
    ASSERT_TRUE(before && after);
    EXPECT_EQ(after->version_code, before->version_code);
    std::map<std::string, Sha256Digest> wanted;
    std::map<std::string, Sha256Digest> got;
    for (const Apk& apk : before->apks) {
      wanted[apk.split] = *farm_->Find(from)->library().Digest(apk.content);
    }
    for (const Apk& apk : after->apks) {
      got[apk.split] = *farm_->Find(to)->library().Digest(apk.content);
    }
    EXPECT_EQ(got, wanted);
    EXPECT_THAT(On(to, {"shell", "pm list packages -f -3 --user 0"}).output, HasSubstr("=" + name));

    farm_->Find(to)->packages().RefuseInstalls("INSTALL_FAILED_USER_RESTRICTED");
    const ToolResult refused = On(to, install);
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.output, HasSubstr("INSTALL_FAILED_USER_RESTRICTED"));
  }
}

TEST_F(GenuineAdbTest, TheDialogIsWaitedForRefusedAndRemembered) {
  const std::string serial = farm_->AddPhone(1, {.auth = AuthMode::kAsk});
  const std::shared_ptr<AndroidPhone> phone = farm_->Find(serial);
  server_.Adb({"connect", farm_->Address(serial)});
  ASSERT_TRUE(Becomes(serial, "unauthorized"));
  EXPECT_EQ(phone->auth_state(), "asking");
  EXPECT_THAT(On(serial, {"shell", "id"}).output, HasSubstr("unauthorized"));
  phone->Authorize();
  ASSERT_TRUE(Becomes(serial, "device"));
  EXPECT_EQ(On(serial, {"shell", "id -u"}).output, "2000\n");

  // A server that was restarted has the same key: nobody is asked again.
  server_.Stop();
  ASSERT_TRUE(server_.Start().ok());
  phone->set_auth_mode(AuthMode::kRefuse);
  EXPECT_THAT(server_.Adb({"connect", farm_->Address(serial)}).output, HasSubstr("connected to"));
  ASSERT_TRUE(Becomes(serial, "device"));

  phone->ForgetKeys();
  server_.Adb({"disconnect", farm_->Address(serial)});
  server_.Adb({"connect", farm_->Address(serial)});
  ASSERT_TRUE(Becomes(serial, "unauthorized"));
  EXPECT_EQ(phone->auth_state(), "refused");
  EXPECT_THAT(phone->violations(), IsEmpty());
}

TEST_F(GenuineAdbTest, AnUnplugBreaksOffAndThePhoneComesBack) {
  StartFarm(server_.port());
  const std::string serial = farm_->AddPhone(1, {.android = 14});
  ASSERT_TRUE(Becomes(serial, "device"));
  farm_->Find(serial)->AddFault(
      {.kind = FaultKind::kUnplug, .after_bytes = 300'000, .delay_ms = 300});
  EXPECT_NE(On(serial, {"pull", "/sdcard/DCIM", temp_.path() + "/broken"}).exit_code, 0);
  ASSERT_TRUE(Becomes(serial, "device"));
  EXPECT_EQ(On(serial, {"pull", "/sdcard/DCIM", temp_.path() + "/whole"}).exit_code, 0);

  farm_->Find(serial)->AddFault(
      {.kind = FaultKind::kUnplug, .after_received = 100'000, .delay_ms = 300});
  EXPECT_NE(On(serial, {"push", temp_.path() + "/whole", "/sdcard/Pictures/"}).exit_code, 0);
  ASSERT_TRUE(Becomes(serial, "device"));

  farm_->Detach(serial);
  EXPECT_TRUE(Becomes(serial, ""));  // As when a cable is pulled: the line is gone.
  farm_->Attach(serial);
  EXPECT_TRUE(Becomes(serial, "device"));
}

TEST_F(GenuineAdbTest, SeveralPhonesAtOnce) {
  std::vector<std::string> serials;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) serials.push_back(Add(seed, {.android = 12}));
  {
    std::vector<std::jthread> pulls;
    for (const std::string& serial : serials) {
      pulls.emplace_back([this, serial] {
        EXPECT_EQ(On(serial, {"pull", "-a", "/sdcard/", temp_.path() + "/" + serial}).exit_code, 0);
      });
    }
  }
  for (const std::string& serial : serials) {
    ExpectFolderHolds(serial, temp_.path() + "/" + serial, true);
  }
}

TEST_F(GenuineAdbTest, WhatIsClosedIsClosed) {
  const std::string serial = Add(1, {.android = 14, .content = {.work_profile = true}});
  const std::shared_ptr<AndroidPhone> phone = farm_->Find(serial);
  EXPECT_THAT(On(serial, {"shell", "ls /storage/emulated/10/DCIM"}).output,
              HasSubstr("Permission denied"));
  EXPECT_THAT(On(serial, {"shell", "pm list packages"}).output,
              HasSubstr("does not have permission to access user 10"));
  EXPECT_EQ(On(serial, {"shell", "pm list packages --user 0"}).exit_code, 0);
  EXPECT_THAT(On(serial, {"shell", "ls /sdcard/Android/data"}).output,
              HasSubstr("Permission denied"));
  EXPECT_THAT(On(serial, {"shell", "ls /data/data"}).output, HasSubstr("Permission denied"));

  phone->files().Deny("/sdcard/Documents/-rf");
  EXPECT_THAT(On(serial, {"pull", "/sdcard/Documents/-rf", "x"}).output,
              HasSubstr("Permission denied"));
  phone->LockSinceBoot();
  EXPECT_THAT(On(serial, {"shell", "ls /sdcard/"}).output, HasSubstr("No such file"));
  EXPECT_EQ(On(serial, {"shell", "getprop sys.user.0.ce_available"}).output, "false\n");
  phone->Unlock();
  EXPECT_THAT(On(serial, {"shell", "ls /sdcard/"}).output, HasSubstr("DCIM"));
}

TEST_F(GenuineAdbTest, AFullPhoneSaysSo) {
  const std::string serial = Add(1, {.android = 14});
  const std::string path = temp_.path() + "/large.bin";
  std::ofstream(path, std::ios::binary) << std::string(3 << 20, 'x');
  farm_->Find(serial)->files().set_capacity_bytes(farm_->Find(serial)->files().used_bytes() +
                                                  (1 << 20));
  const ToolResult pushed = On(serial, {"push", path, "/sdcard/Download/"});
  EXPECT_NE(pushed.exit_code, 0);
  EXPECT_THAT(pushed.output, HasSubstr("No space left on device"));
  EXPECT_THAT(On(serial, {"shell", "ls /sdcard/Download/"}).output, Not(HasSubstr("large.bin")));
}

TEST_F(GenuineAdbTest, TheServerHangsUpOnPacketsThatAreTooLarge) {
  const std::string serial = Add(1, {.android = 14});
  farm_->Find(serial)->set_hostile("oversize-packet");
  // adb itself exits with 0 here: what comes without an exit packet is no success.
  EXPECT_THAT(On(serial, {"shell", "id"}).output, Not(HasSubstr("uid=2000")));
  farm_->Find(serial)->set_hostile("");
  EXPECT_EQ(server_.Adb({"version"}).exit_code, 0);  // And lives.
}

}  // namespace
}  // namespace mooring::testing::android
