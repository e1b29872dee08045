#include "storage/base/ids.h"

#include <set>
#include <type_traits>

#include <absl/container/flat_hash_set.h>
#include <gtest/gtest.h>

namespace mooring {
namespace {

static_assert(!std::is_convertible_v<DeviceId, PersonId>);
static_assert(!std::is_constructible_v<SnapshotId, SessionId>);

TEST(IdTest, TextAndBytesGoBothWays) {
  SeededRandom random(1);
  const DeviceId id = DeviceId::Make(random);
  EXPECT_EQ(DeviceId::FromHex(id.hex()), id);
  EXPECT_EQ(DeviceId::FromBytes(id.bytes()), id);
  EXPECT_EQ(DeviceId::FromBytes(id.view()), id);
  EXPECT_EQ(id.hex().size(), 32U);
}

TEST(IdTest, RefusesOtherLengths) {
  EXPECT_EQ(DeviceId::FromHex("00"), std::nullopt);
  EXPECT_EQ(DeviceId::FromBytes(std::string(17, 'x')), std::nullopt);
  EXPECT_EQ(ChunkId::FromBytes(std::string(16, 'x')), std::nullopt);
  EXPECT_EQ(DeviceId::FromHex(std::string(32, 'z')), std::nullopt);
}

TEST(IdTest, NoneIsAllZero) {
  EXPECT_TRUE(DeviceId().is_none());
  EXPECT_FALSE(DeviceId::FromHex("00000000000000000000000000000001")->is_none());
}

TEST(IdTest, OrderIsThatOfTheBytes) {
  const auto id = [](const char* hex) { return DeviceId::FromHex(hex).value(); };
  EXPECT_LT(id("00ffffffffffffffffffffffffffffff"), id("80000000000000000000000000000000"));
  EXPECT_LT(id("7f000000000000000000000000000000"), id("80000000000000000000000000000000"));
}

TEST(IdTest, MadeIdsDifferAndHash) {
  SeededRandom random(2);
  absl::flat_hash_set<ChunkId> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(ChunkId::Make(random));
  EXPECT_EQ(ids.size(), 1000U);
}

}  // namespace
}  // namespace mooring
