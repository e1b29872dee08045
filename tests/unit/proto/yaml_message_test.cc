#include "proto/yaml_message.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "mooring/config/v1/config.pb.h"
#include "mooring/v1/policy.pb.h"

namespace mooring {
namespace {

using ::testing::HasSubstr;

std::string Error(std::string_view text) {
  v1::Policy policy;
  const absl::Status status = YamlToMessage(text, policy);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  return std::string(status.message());
}

TEST(YamlToMessageTest, ReadsEveryKindOfField) {
  v1::Policy policy;
  const absl::Status status = YamlToMessage(R"(
# A policy.
group: sales
rpo: 24h
retention: {keep_last: 3, daily: 7}
phone_encryption: as-is
custody: CUSTODY_MANAGED
categories:
  - category: call-log
    action: skip
  - {category: sd-card, action: capture, legal_basis: "contract: 1"}
roaming:
  agents: [desk-1, "desk 2"]
bandwidth_bytes_per_second: 18446744073709551615
ios:
  full_off: true
window:
)",
                                            policy);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(policy.group(), "sales");
  EXPECT_EQ(policy.rpo(), "24h");
  EXPECT_EQ(policy.retention().daily(), 7U);
  EXPECT_EQ(policy.phone_encryption(), v1::PHONE_ENCRYPTION_AS_IS);
  EXPECT_EQ(policy.custody(), v1::CUSTODY_MANAGED);
  ASSERT_EQ(policy.categories_size(), 2);
  EXPECT_EQ(policy.categories(0).category(), v1::CATEGORY_CALL_LOG);
  EXPECT_EQ(policy.categories(0).action(), v1::CATEGORY_ACTION_SKIP);
  EXPECT_EQ(policy.categories(1).legal_basis(), "contract: 1");
  ASSERT_EQ(policy.roaming().agents_size(), 2);
  EXPECT_EQ(policy.roaming().agents(1), "desk 2");
  EXPECT_EQ(policy.bandwidth_bytes_per_second(), 18446744073709551615ULL);
  EXPECT_TRUE(policy.ios().full_off());
}

TEST(YamlToMessageTest, AnEmptyDocumentIsTheDefault) {
  v1::Policy policy;
  policy.set_group("before");
  ASSERT_TRUE(YamlToMessage("# nothing\n", policy).ok());
  EXPECT_EQ(policy.group(), "");
}

TEST(YamlToMessageTest, NamesTheUnknownKeyItsLineAndTheNearestKnown) {
  const std::string error = Error("group: a\nretension: {keep_last: 1}\n");
  EXPECT_THAT(error, HasSubstr("line 2"));
  EXPECT_THAT(error, HasSubstr("unknown key \"retension\""));
  EXPECT_THAT(error, HasSubstr("did you mean \"retention\"?"));
  EXPECT_THAT(Error("retention:\n  whatever: 1\n"), HasSubstr("known are keep_last, daily"));
}

TEST(YamlToMessageTest, RefusesValuesOfAnotherType) {
  EXPECT_THAT(Error("retention: {daily: many}"), HasSubstr("takes a whole number"));
  EXPECT_THAT(Error("retention: {daily: -1}"), HasSubstr("from 0 to 4294967295"));
  EXPECT_THAT(Error("retention: 5"), HasSubstr("keys and values"));
  EXPECT_THAT(Error("group: [a]"), HasSubstr("a single value, not a list"));
  EXPECT_THAT(Error("group:"), HasSubstr("a single value, not nothing"));
  EXPECT_THAT(Error("categories: {category: photos}"), HasSubstr("takes a list"));
  EXPECT_THAT(Error("ios: {full_off: yes}"), HasSubstr("true or false"));
  EXPECT_THAT(Error("custody: manged"), HasSubstr("did you mean \"managed\"?"));
  EXPECT_THAT(Error("custody: unspecified"), HasSubstr("cannot be"));
}

TEST(YamlToMessageTest, RefusesWhatStrictYamlLeavesOut) {
  EXPECT_THAT(Error("group: a\ngroup: b\n"), HasSubstr("already given in line 1"));
  EXPECT_THAT(Error("group: &x a\n"), HasSubstr("anchors"));
  EXPECT_THAT(Error("retention: *x\n"), HasSubstr("line 1"));
  EXPECT_THAT(Error("group: !!binary aGk=\n"), HasSubstr("tags"));
  EXPECT_THAT(Error("group: a\n---\ngroup: b\n"), HasSubstr("second document"));
  EXPECT_THAT(Error("retention: {keep_last: 1\n"), HasSubstr("not YAML"));
  EXPECT_THAT(Error("[a, b]"), HasSubstr("keys and values"));
}

TEST(YamlToMessageTest, IsBoundedInSizeDepthAndNodes) {
  EXPECT_THAT(Error(std::string(kYamlBytesMax + 1, '#')), HasSubstr("bytes long"));
  EXPECT_THAT(Error("group: " + std::string(100'000, '[')), HasSubstr("levels deep"));
  std::string many = "roaming:\n  agents: [";
  for (std::size_t i = 0; i <= kYamlNodesMax; ++i) many += "a,";
  EXPECT_THAT(Error(many + "]"), HasSubstr("more than 20000 values"));
}

TEST(MessageToYamlTest, ComesBackEqual) {
  v1::Policy policy;
  policy.set_group("7");
  policy.set_description("yes: a #b\n\"c\"");
  policy.set_rpo("7d");
  policy.set_phone_encryption(v1::PHONE_ENCRYPTION_REQUIRED);
  policy.mutable_retention()->set_keep_last(3);
  policy.add_categories()->set_category(v1::CATEGORY_MESSAGING_APPS);
  policy.mutable_roaming()->add_agents("true");
  policy.mutable_ios()->set_full_off(true);
  const std::string yaml = MessageToYaml(policy);
  EXPECT_THAT(yaml, HasSubstr("phone_encryption: required"));
  EXPECT_THAT(yaml, HasSubstr("group: \"7\""));
  v1::Policy back;
  const absl::Status status = YamlToMessage(yaml, back);
  ASSERT_TRUE(status.ok()) << status << "\n" << yaml;
  EXPECT_EQ(back.SerializeAsString(), policy.SerializeAsString()) << yaml;
}

TEST(MessageToYamlTest, ServerConfigurationComesBackEqual) {
  config::v1::ServerConfig config;
  config.set_organization("Example & Söhne");
  config.mutable_listen()->set_agents("0.0.0.0:7443");
  config.mutable_listen()->add_names("::1");
  config.mutable_limits()->set_store_reserve_bytes(5ULL << 30);
  config.set_single_admin(true);
  config::v1::ServerConfig back;
  ASSERT_TRUE(YamlToMessage(MessageToYaml(config), back).ok());
  EXPECT_EQ(back.SerializeAsString(), config.SerializeAsString());
}

}  // namespace
}  // namespace mooring
