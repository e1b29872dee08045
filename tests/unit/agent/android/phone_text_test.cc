#include "agent/android/phone_text.h"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "agent/android/phone_identity.h"
#include "agent/android/usb_bus.h"

namespace mooring::agent {
namespace {

TEST(PhoneTextTest, PropertiesWithOddValues) {
  const Properties properties = ParseProperties(
      "[ro.product.model]: [SM-G991B]\r\n[empty]: []\nnoise\n[two]: [line one\nline two]\n"
      "[ro.product.model]: [another]\n[open]: [never closed");
  EXPECT_EQ(PropertyOf(properties, "ro.product.model"), "SM-G991B");
  EXPECT_EQ(PropertyOf(properties, "two"), "line one\nline two");
  EXPECT_EQ(properties.count("empty"), 1U);
  EXPECT_EQ(properties.count("open"), 0U);
  EXPECT_EQ(PropertyOf(properties, "not there"), "");
}

TEST(PhoneTextTest, Battery) {
  EXPECT_EQ(ParseBatteryPercent("  status: 2\n  level: 85\n  scale: 100\n"), 85);
  EXPECT_EQ(ParseBatteryPercent("level: 100\r\nscale: 200\r\n"), 50);
  EXPECT_EQ(ParseBatteryPercent("level: -5"), std::nullopt);
  EXPECT_EQ(ParseBatteryPercent("level: 300\nscale: 100"), std::nullopt);
  EXPECT_EQ(ParseBatteryPercent("level: 3\nscale: 0"), std::nullopt);
  EXPECT_EQ(ParseBatteryPercent("Can't find service: battery"), std::nullopt);
}

TEST(PhoneTextTest, UsersAndTheWorkProfile) {
  const auto users = ParseUsers(
      "Users:\n\tUserInfo{0:Owner:c13} running\n\tUserInfo{10:Work: }profile:1030} running\n"
      "\tUserInfo{150:Secure Folder:10061010}\n\tUserInfo{x:y:z}\n");
  ASSERT_EQ(users.size(), 3U);
  EXPECT_EQ(users[0], (PhoneUser{0, false, true}));
  EXPECT_EQ(users[1], (PhoneUser{10, true, true}));
  EXPECT_EQ(users[2], (PhoneUser{150, false, false}));
  EXPECT_TRUE(ParseUsers("Exception occurred").empty());
}

TEST(PhoneTextTest, Space) {
  const auto space = ParseSpace(
      "Filesystem     1K-blocks     Used Available Use% Mounted on\n"
      "/dev/fuse      112345678 12345678 100000000  11% /storage/emulated\n");
  ASSERT_TRUE(space.has_value());
  EXPECT_EQ(space->total_bytes, 112345678ULL * 1024);
  EXPECT_EQ(space->used_bytes, 12345678ULL * 1024);
  EXPECT_FALSE(ParseSpace("df: /sdcard: Permission denied").has_value());
  EXPECT_FALSE(ParseSpace("x 10 20 0 1% /").has_value()) << "more used than there is";
}

TEST(PhoneTextTest, ScreenLock) {
  constexpr char kLine[] = " User \"deviceLocked=0\" (id=0, flags=0x4c13): deviceLocked=1, x=0\n";
  EXPECT_EQ(ParseScreenLocked(std::string("Trust manager state:\n") + kLine), true);
  EXPECT_EQ(ParseScreenLocked(" User \"Work\" (id=10, flags=0x1030): deviceLocked=1\n"),
            std::nullopt);
  EXPECT_EQ(ParseScreenLocked(" User \"Iris\" (id=0, flags=0x13): deviceLocked=0,\n"), false);
}

TEST(PhoneTextTest, DeviceOwner) {
  EXPECT_TRUE(HasDeviceOwner("Current state:\n  Device Owner: \n    admin=x\n"));
  EXPECT_FALSE(HasDeviceOwner("  Profile Owner (User 10): \n  note: no Device Owner:\n"));
}

TEST(PhoneTextTest, TextIsOneCleanLine) {
  EXPECT_EQ(CleanPhoneText("  Pixel 8 \r\nnext", 100), "Pixel 8");
  EXPECT_EQ(CleanPhoneText("a\x1b[31mb", 100), "a[31mb");
  EXPECT_EQ(CleanPhoneText("aaaa\xc3\xa4", 5), "aaaa") << "no half characters";
}

TEST(PhoneIdentityTest, SharedSerialsAreToldApartByThePlatform) {
  EXPECT_TRUE(IsDistinctiveSerial("R58M123ABC"));
  for (const char* shared : {"", "12345", "0123456789ABCDEF", "1111111111", "unknown",
                             "127.0.0.1:5555", "emulator-5554", "adb-X._adb-tls-connect._tcp"}) {
    EXPECT_FALSE(IsDistinctiveSerial(shared)) << shared;
  }
  const std::string one = PlatformIdOf("a1b2c3d4e5f60718");
  const std::string other = PlatformIdOf("ffffffffffffffff");
  EXPECT_EQ(one.size(), 16U);
  EXPECT_NE(one, other);
  EXPECT_EQ(PlatformIdOf("null"), "");
  EXPECT_EQ(IdentityOf("R58M123ABC", one), "R58M123ABC");
  EXPECT_EQ(IdentityOf("0123456789ABCDEF", one), "0123456789ABCDEF-" + one.substr(0, 8));
  EXPECT_NE(IdentityOf("0123456789ABCDEF", one), IdentityOf("0123456789ABCDEF", other));
  EXPECT_EQ(IdentityOf("", one), "android-" + one.substr(0, 8));
  EXPECT_EQ(IdentityOf("0123456789ABCDEF", ""), "") << "nothing tells it apart";
}

class SysfsUsbBusTest : public ::testing::Test {
 protected:
  SysfsUsbBusTest() {
    std::string name = ::testing::TempDir() + "usb_XXXXXX";
    directory_ = mkdtemp(name.data());
  }
  ~SysfsUsbBusTest() override { std::filesystem::remove_all(directory_); }

  void Device(const std::string& path, const std::string& vendor, const std::string& serial) {
    Line(path, "idVendor", vendor);
    if (!serial.empty()) Line(path, "serial", serial);
    Line(path, "product", "Phone");
  }
  void Interface(const std::string& path, const std::string& kind, const std::string& name = "") {
    Line(path, "bInterfaceClass", kind.substr(0, 2));
    Line(path, "bInterfaceSubClass", kind.substr(2, 2));
    Line(path, "bInterfaceProtocol", kind.substr(4, 2));
    if (!name.empty()) Line(path, "interface", name);
  }

  std::string directory_;

 private:
  void Line(const std::string& path, const std::string& file, const std::string& text) {
    std::filesystem::create_directories(directory_ + "/" + path);
    std::ofstream(directory_ + "/" + path + "/" + file) << text << "\n";
  }
};

TEST_F(SysfsUsbBusTest, FindsPhonesAndWhetherTheyOfferAdb) {
  Device("1-2", "04e8", "R58M123ABC");
  Interface("1-2:1.0", "060101");
  Device("1-3", "18d1", "PIXEL99");
  Interface("1-3:1.0", "ffff00", "MTP");
  Interface("1-3:1.1", "ff4201");
  Device("1-4", "04e8", "MONITOR1");  // A maker of phones, but no phone.
  Interface("1-4:1.0", "030101");
  Device("1-5", "05ac", "IPHONE");  // Not ours.
  Interface("1-5:1.0", "060101");
  Device("usb1", "1d6b", "");
  SysfsUsbBus bus(RealFileSystem(), directory_);
  const std::vector<UsbPhone> phones = bus.Phones();
  ASSERT_EQ(phones.size(), 2U);
  EXPECT_EQ(phones[0].path, "1-2");
  EXPECT_EQ(phones[0].serial, "R58M123ABC");
  EXPECT_FALSE(phones[0].offers_adb);
  EXPECT_EQ(phones[1].path, "1-3");
  EXPECT_TRUE(phones[1].offers_adb);
}

TEST_F(SysfsUsbBusTest, NoUsbIsNoPhones) {
  SysfsUsbBus bus(RealFileSystem(), directory_ + "/not-there");
  EXPECT_TRUE(bus.Phones().empty());
}

}  // namespace
}  // namespace mooring::agent
