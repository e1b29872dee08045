// What a phone says of itself: kept, completed, shown, and acted upon.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "proto/rpc_status.h"
#include "storage/base/random.h"
#include "storage/base/status.h"
#include "tests/integration/server/server_fixture.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kSerial[] = "R58M123ABC";

class DeviceFactsTest : public ServerFixture {
 protected:
  void SetUp() override {
    SetUpServer({});
    AddPerson("alice");
    agent_ = Enroll("desk-1");
    ASSERT_NE(agent_, nullptr);
    control_ = std::make_unique<TestControl>(*agent_);
    ASSERT_TRUE(control_->hello().ok());
  }

  static v1::DeviceFacts Facts() {
    v1::DeviceFacts facts;
    facts.set_platform(v1::PLATFORM_ANDROID);
    facts.set_serial(kSerial);
    facts.set_model("SM-G991B");
    facts.set_os_version("14");
    facts.set_sdk(34);
    facts.set_trusted(true);
    facts.set_platform_id("0011223344556677");
    Add(facts, "contacts", v1::CAPABILITY_STATE_AVAILABLE);
    Add(facts, "usb-debugging", v1::CAPABILITY_STATE_AVAILABLE);
    return facts;
  }
  static v1::DeviceFacts DebuggingOff() {
    v1::DeviceFacts facts;
    facts.set_platform(v1::PLATFORM_ANDROID);
    facts.set_serial(kSerial);
    Add(facts, "usb-debugging", v1::CAPABILITY_STATE_REFUSED);
    return facts;
  }
  static void Add(v1::DeviceFacts& facts, const std::string& name, v1::CapabilityState state) {
    facts.add_capabilities()->set_name(name);
    facts.mutable_capabilities(facts.capabilities_size() - 1)->set_state(state);
  }

  void Attached(const v1::DeviceFacts& facts) {
    v1::ControlRequest event;
    *event.mutable_device_attached() = facts;
    control_->Send(event);
  }
  // Tells of the phone and waits until the server has taken it in.
  void Tell(const v1::DeviceFacts& facts) {
    Attached(facts);
    EXPECT_TRUE(control_->Next(v1::ControlResponse::kStanding).ok());
  }
  // The server comes to say what `is_it` waits for; it may say other things before.
  template <typename Predicate>
  bool Becomes(Predicate is_it) {
    for (int i = 0; i < 5; ++i) {
      const auto order = control_->Next(v1::ControlResponse::kStanding);
      if (!order.ok()) return false;
      if (is_it(order->standing())) return true;
    }
    return false;
  }
  v1::Device Get() {
    grpc::ClientContext context;
    v1::GetDeviceRequest request;
    request.set_device(kSerial);
    v1::GetDeviceResponse response;
    const grpc::Status status = admin().fleet->GetDevice(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.device();
  }
  void Apply(const v1::AndroidRules& rules) {
    grpc::ClientContext context;
    v1::ApplyPolicyRequest request;
    request.mutable_policy()->set_group("default");
    *request.mutable_policy()->mutable_android() = rules;
    v1::ApplyPolicyResponse response;
    const grpc::Status status = admin().policy->ApplyPolicy(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  std::unique_ptr<TestAgent> agent_;
  std::unique_ptr<TestControl> control_;
};

TEST_F(DeviceFactsTest, CapabilitiesAreKeptAndShown) {
  Tell(Facts());
  const v1::Device device = Get();
  EXPECT_EQ(device.facts().sdk(), 34U);
  ASSERT_EQ(device.facts().capabilities_size(), 2);
  EXPECT_EQ(device.facts().capabilities(0).name(), "contacts");
}

TEST_F(DeviceFactsTest, APhoneWithDebuggingOffKeepsItsNameAndSaysWhy) {
  Tell(Facts());
  Tell(DebuggingOff());
  const v1::Device device = Get();
  EXPECT_EQ(device.model(), "SM-G991B");
  EXPECT_EQ(device.os_version(), "14");
  ASSERT_EQ(device.facts().capabilities_size(), 2);
  EXPECT_EQ(device.facts().capabilities(0).name(), "usb-debugging");
  EXPECT_EQ(device.facts().capabilities(0).state(), v1::CAPABILITY_STATE_REFUSED);
}

TEST_F(DeviceFactsTest, PolicyRemindsAndSaysWhatTheCompanyForbids) {
  Tell(Facts());
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  EXPECT_TRUE(Becomes([](const v1::DeviceStanding& standing) {
    return standing.assigned() && !standing.remind_debugging_off() &&
           !standing.debugging_forbidden();
  }));
  v1::AndroidRules rules;
  rules.set_remind_debugging_off(true);
  Apply(rules);
  EXPECT_TRUE(Becomes([](const v1::DeviceStanding& standing) {
    return standing.remind_debugging_off() && !standing.debugging_forbidden();
  }));
  rules.set_debugging_forbidden(true);
  Apply(rules);
  EXPECT_TRUE(
      Becomes([](const v1::DeviceStanding& standing) { return standing.debugging_forbidden(); }));
}

TEST_F(DeviceFactsTest, AFullyManagedPhoneIsRememberedAsSuch) {
  v1::DeviceFacts managed = Facts();
  Add(managed, "device-management", v1::CAPABILITY_STATE_AVAILABLE);
  Tell(managed);
  Tell(DebuggingOff());
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  EXPECT_TRUE(
      Becomes([](const v1::DeviceStanding& standing) { return standing.debugging_forbidden(); }));
}

TEST_F(DeviceFactsTest, AnotherPhoneWithTheSameSerialIsOnRecord) {
  Tell(Facts());
  EXPECT_THAT(AuditActions(), Not(Contains("device.platform_changed")));
  v1::DeviceFacts other = Facts();
  other.set_platform_id("ffffffffffffffff");
  Tell(other);
  EXPECT_THAT(AuditActions(), Contains("device.platform_changed"));
}

// The phone that was assigned, and what another one with its serial number says.
struct Twin {
  const char* name;
  v1::Platform platform;
  const char* model;
  v1::Platform other_platform;
  const char* other_model;
};

class SerialTwinTest : public DeviceFactsTest, public ::testing::WithParamInterface<Twin> {
 protected:
  static v1::DeviceFacts PhoneOf(v1::Platform platform, const std::string& model) {
    v1::DeviceFacts facts;
    facts.set_platform(platform);
    facts.set_serial(kSerial);
    facts.set_model(model);
    facts.set_trusted(true);
    return facts;
  }
  static v1::DeviceFacts First() { return PhoneOf(GetParam().platform, GetParam().model); }
  static v1::DeviceFacts Second() {
    return PhoneOf(GetParam().other_platform, GetParam().other_model);
  }

  absl::StatusOr<v1::BeginBackupResponse> Begin(const v1::DeviceFacts& facts) {
    SystemRandom random;
    grpc::ClientContext context;
    v1::BeginBackupRequest request;
    request.set_idempotency_key(SessionId::Make(random).bytes());
    *request.mutable_device() = facts;
    request.add_captures(v1::CAPTURE_KIND_FULL);
    v1::BeginBackupResponse response;
    MOORING_RETURN_IF_ERROR(
        FromGrpcStatus(agent_->backup().BeginBackup(&context, request, &response)));
    return response;
  }
  // With the cause and with what to do; and the phone is nobody's.
  void ExpectRefused(const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("another phone than before"));
    const auto detail = ErrorDetailOf(status);
    ASSERT_TRUE(detail.has_value());
    EXPECT_EQ(detail->cause(), v1::CAUSE_ANOTHER_PHONE);
    EXPECT_THAT(detail->next_step(), HasSubstr("mooring device assign"));
    const v1::Device device = Get();
    EXPECT_EQ(device.person_handle(), "");
    EXPECT_EQ(device.last_cause(), v1::CAUSE_ANOTHER_PHONE);
  }
};

TEST_P(SerialTwinTest, IsNotBackedUpBeforeItIsAssignedAgain) {
  Tell(First());
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  const auto granted = Begin(First());
  ASSERT_TRUE(granted.ok() && granted->has_granted()) << granted.status();
  EXPECT_EQ(Get().lineage(), 1U);

  Attached(Second());
  EXPECT_TRUE(Becomes([](const v1::DeviceStanding& standing) {
    return !standing.assigned() && standing.another_phone();
  }));
  ExpectRefused(Begin(Second()).status());
  EXPECT_THAT(AuditActions(), Contains("device.another_phone"));
  // The first one's session does not go on with the second.
  EXPECT_THAT(AuditActions(), Contains("session.abort"));

  // For the same person, too, it is another phone: nothing of the first is its base.
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  EXPECT_EQ(Get().lineage(), 2U);
  const auto again = Begin(Second());
  ASSERT_TRUE(again.ok() && again->has_granted()) << again.status();
  EXPECT_FALSE(again->granted().has_base());

  // The first one is another phone by now.
  ExpectRefused(Begin(First()).status());
}

TEST_P(SerialTwinTest, IsNoticedWhenItBeginsWithoutHavingBeenTold) {
  Tell(First());
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  ExpectRefused(Begin(Second()).status());
  ExpectRefused(Begin(Second()).status());
  EXPECT_THAT(AuditActions(), Contains("device.another_phone"));
}

TEST_P(SerialTwinTest, APhoneThatSaysLessIsTheSame) {
  Tell(First());
  ASSERT_TRUE(Assign(kSerial, "alice").ok());
  v1::DeviceFacts less = First();
  less.clear_model();
  for (const bool trusted : {false, true}) {
    less.set_trusted(trusted);
    Tell(less);
    EXPECT_EQ(Get().facts().model(), GetParam().model);
    EXPECT_EQ(Get().person_handle(), "alice");
  }
  EXPECT_TRUE(Begin(First()).ok());
  ExpectRefused(Begin(Second()).status());
}

INSTANTIATE_TEST_SUITE_P(Platforms, SerialTwinTest,
                         ::testing::Values(Twin{"Android", v1::PLATFORM_ANDROID, "SM-G991B",
                                                v1::PLATFORM_ANDROID, "Pixel 8"},
                                           Twin{"Iphone", v1::PLATFORM_IOS, "iPhone15,2",
                                                v1::PLATFORM_IOS, "iPhone12,1"},
                                           Twin{"AndroidAfterIphone", v1::PLATFORM_IOS,
                                                "iPhone15,2", v1::PLATFORM_ANDROID, "Pixel 8"}),
                         [](const auto& twin) { return std::string(twin.param.name); });

}  // namespace
}  // namespace mooring::testing
