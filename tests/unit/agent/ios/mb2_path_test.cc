#include "agent/ios/mb2_path.h"

#include <string>

#include <gtest/gtest.h>

#include "agent/device/cause.h"

namespace mooring::agent {
namespace {

constexpr std::string_view kUdid = "00008110-000A1B2C3D4E5F60";
const std::string kId(40, 'a');

std::string At(std::string_view below) {
  return std::string(kUdid) + std::string(below);
}

TEST(PhonePathTest, ListedPathsAreMapped) {
  const auto expect = [](const std::string& path, const std::string& mapped) {
    const auto parsed = ParsePhonePath(path, kUdid);
    ASSERT_TRUE(parsed.ok()) << path;
    EXPECT_TRUE(parsed->is_listed) << path;
    EXPECT_EQ(parsed->snapshot_path, mapped);
  };
  expect(At(""), "full");
  expect(At("/"), "full");
  expect(At("/Snapshot"), "full/Snapshot");
  expect(At("/Info.plist"), "full/Info.plist");
  expect(At("/Manifest.db"), "full/Manifest.db");
  expect(At("/0f"), "full/0f");
  expect(At("/aa/" + kId), "full/aa/" + kId);
  expect(At("/Snapshot/aa/" + kId), "full/Snapshot/aa/" + kId);
  expect(At("/Snapshot/Status.plist"), "full/Snapshot/Status.plist");
}

TEST(PhonePathTest, CleanButUnlistedPathsNeverExist) {
  for (const char* below : {"/backup_manifest.db", "/0F", "/aa/short", "/Snapshot/Snapshot",
                            "/Manifest.db-wal", "/aaa", "/Info.plist/x"}) {
    const auto parsed = ParsePhonePath(At(below), kUdid);
    ASSERT_TRUE(parsed.ok()) << below;
    EXPECT_FALSE(parsed->is_listed) << below;
    EXPECT_EQ(parsed->snapshot_path, "");
  }
}

TEST(PhonePathTest, EscapesAreRefusedWithTheirCause) {
  const std::string nul = At("/aa/") + std::string(20, 'a') + '\0' + std::string(19, 'a');
  for (const std::string& path :
       {std::string(), std::string("/"), std::string("."), std::string(".."), At("/.."),
        At("/../x"), At("/Snapshot/../../etc"), std::string("/etc/passwd"), "/" + At("/Info.plist"),
        std::string("00008110-00AAAAAAAAAAAAAA/Info.plist"), At("x/Info.plist"), At("//Info.plist"),
        At("/./Info.plist"), At("/a\\b"), nul, At("/" + std::string(2000, 'a'))}) {
    const auto parsed = ParsePhonePath(path, kUdid);
    EXPECT_EQ(CauseOf(parsed.status()), v1::CAUSE_PROTOCOL_ERROR) << path;
  }
}

TEST(PhonePathTest, PayloadPathsAreOfFileIdsAlone) {
  EXPECT_EQ(PayloadPath(kId), "full/aa/" + kId);
  EXPECT_EQ(PayloadPath("../../etc"), "");
  EXPECT_EQ(PayloadPath(std::string(40, 'A')), "");
  EXPECT_TRUE(IsPayloadPath("full/aa/" + kId));
  EXPECT_FALSE(IsPayloadPath("full/Manifest.db"));
  EXPECT_FALSE(IsPayloadPath("full/Snapshot/aa/" + kId));
}

}  // namespace
}  // namespace mooring::agent
