#include "server/services/device_facts.h"

#include <gtest/gtest.h>

namespace mooring::server {
namespace {

void Add(v1::DeviceFacts& facts, const std::string& name, v1::CapabilityState state) {
  v1::Capability& capability = *facts.add_capabilities();
  capability.set_name(name);
  capability.set_state(state);
}

v1::DeviceFacts Known() {
  v1::DeviceFacts facts;
  facts.set_platform(v1::PLATFORM_ANDROID);
  facts.set_serial("R58M123");
  facts.set_model("SM-G991B");
  facts.set_os_version("14");
  facts.set_sdk(34);
  facts.set_trusted(true);
  facts.set_capacity_bytes(1000);
  Add(facts, "contacts", v1::CAPABILITY_STATE_AVAILABLE);
  Add(facts, "usb-debugging", v1::CAPABILITY_STATE_AVAILABLE);
  return facts;
}

TEST(DeviceFactsTest, WhatAPhoneSaysIsBounded) {
  v1::DeviceFacts facts = Known();
  facts.mutable_capabilities(0)->set_reason("a\x1b[31m" + std::string(5000, 'b'));
  Add(facts, "Not A Name", v1::CAPABILITY_STATE_AVAILABLE);
  for (int i = 0; i < 200; ++i) Add(facts, "x", v1::CAPABILITY_STATE_REFUSED);
  const auto clean = CleanFacts(facts);
  ASSERT_TRUE(clean.ok());
  EXPECT_EQ(clean->capabilities_size(), 64);
  EXPECT_EQ(clean->capabilities(2).name(), "x");
  EXPECT_EQ(clean->capabilities(0).reason().find('\x1b'), std::string::npos);
  EXPECT_LE(clean->capabilities(0).reason().size(), 512U);
  facts.clear_serial();
  EXPECT_FALSE(CleanFacts(facts).ok());
}

TEST(DeviceFactsTest, APhoneThatSaysLittleIsStillThePhoneThatItWas) {
  v1::DeviceFacts now;
  now.set_platform(v1::PLATFORM_ANDROID);
  now.set_serial("R58M123");
  Add(now, "usb-debugging", v1::CAPABILITY_STATE_REFUSED);
  const v1::DeviceFacts merged = MergeFacts(Known(), now);
  EXPECT_EQ(merged.model(), "SM-G991B");
  EXPECT_EQ(merged.os_version(), "14");
  EXPECT_EQ(merged.sdk(), 34U);
  EXPECT_FALSE(merged.trusted());
  ASSERT_EQ(merged.capabilities_size(), 2);
  EXPECT_EQ(merged.capabilities(0).state(), v1::CAPABILITY_STATE_REFUSED);
  EXPECT_EQ(merged.capabilities(1).name(), "contacts");
}

TEST(DeviceFactsTest, AFullProbeReplacesWhatWasKnown) {
  v1::DeviceFacts now = Known();
  now.clear_capabilities();
  EXPECT_EQ(MergeFacts(Known(), now).capabilities_size(), 0);
}

TEST(DeviceFactsTest, DebuggingIsForbiddenByPolicyOrByManagement) {
  v1::DeviceFacts facts = Known();
  v1::Policy policy;
  EXPECT_FALSE(IsDebuggingForbidden(facts, policy));
  policy.mutable_android()->set_debugging_forbidden(true);
  EXPECT_TRUE(IsDebuggingForbidden(facts, policy));
  policy.Clear();
  Add(facts, "device-management", v1::CAPABILITY_STATE_AVAILABLE);
  EXPECT_TRUE(IsDebuggingForbidden(facts, policy));
  facts.set_platform(v1::PLATFORM_IOS);
  EXPECT_FALSE(IsDebuggingForbidden(facts, policy));
}

}  // namespace
}  // namespace mooring::server
