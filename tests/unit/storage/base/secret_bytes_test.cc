#include "storage/base/secret_bytes.h"

#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

namespace mooring {
namespace {

static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);

TEST(SecretBytesTest, CopiesAreWrittenOutAndEqual) {
  const SecretBytes secret = SecretBytes::CopyOf(AsBytes("correct horse"));
  const SecretBytes clone = secret.Clone();
  EXPECT_TRUE(SecretBytes::Equal(secret.view(), clone.view()));
  EXPECT_NE(secret.view().data(), clone.view().data());
}

TEST(SecretBytesTest, EqualSeesContentAndLength) {
  EXPECT_FALSE(SecretBytes::Equal(AsBytes("abc"), AsBytes("abd")));
  EXPECT_FALSE(SecretBytes::Equal(AsBytes("abc"), AsBytes("ab")));
  EXPECT_TRUE(SecretBytes::Equal({}, {}));
}

TEST(SecretBytesTest, MovingLeavesNothingBehind) {
  SecretBytes from = SecretBytes::CopyOf(AsBytes("key"));
  SecretBytes to = std::move(from);
  EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): what is tested
  EXPECT_EQ(AsText(to.view()), "key");
  to = SecretBytes::CopyOf(AsBytes("another"));
  EXPECT_EQ(AsText(to.view()), "another");
}

TEST(SecretBytesTest, StartsZeroAndMadeOnesDiffer) {
  const SecretBytes zero(8);
  EXPECT_EQ(ToHex(zero.view()), "0000000000000000");
  SeededRandom random(3);
  EXPECT_FALSE(SecretBytes::Equal(SecretBytes::Make(random, 32).view(),
                                  SecretBytes::Make(random, 32).view()));
}

}  // namespace
}  // namespace mooring
