#include "admin/cli/resolve.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace mooring::admin {
namespace {

const std::vector<std::string> kIds = {std::string("\xab\xcd\xef\x11") + std::string(12, '\0'),
                                       std::string("\xab\xcd\xef\x22") + std::string(12, '\0'),
                                       std::string(16, '\x77')};

absl::StatusOr<std::string> Resolve(const std::string& text) {
  return ResolveId(text, "snapshot",
                   []() -> absl::StatusOr<std::vector<std::string>> { return kIds; });
}

TEST(ResolveIdTest, TakesAUniquePrefix) {
  EXPECT_EQ(*Resolve("777777"), kIds[2]);
  EXPECT_EQ(*Resolve("ABCDEF1"), kIds[0]);
  EXPECT_EQ(*Resolve("abcdef2"), kIds[1]) << "an odd number of characters";
}

TEST(ResolveIdTest, RefusesAnAmbiguousPrefix) {
  const auto result = Resolve("abcdef");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(result.status().message().find("2 snapshots begin with abcdef"),
            absl::string_view::npos)
      << result.status();
}

TEST(ResolveIdTest, RefusesWhatIsTooShortOrNoId) {
  for (const char* bad : {"", "77777", "zzzzzz", "7777777777777777777777777777777777", "latest"}) {
    EXPECT_EQ(Resolve(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

TEST(ResolveIdTest, SaysWhenThereIsNone) {
  EXPECT_EQ(Resolve("123456").status().code(), absl::StatusCode::kNotFound);
}

TEST(ResolveIdTest, AFullIdNeedsNoList) {
  const auto result = ResolveId("00112233445566778899aabbccddeeff", "snapshot",
                                []() -> absl::StatusOr<std::vector<std::string>> {
                                  return absl::InternalError("not to be asked");
                                });
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->size(), 16U);
}

}  // namespace
}  // namespace mooring::admin
