// Every state that an iPhone can be in before a backup, named to its owner.

#include <gmock/gmock.h>

#include "agent/ios/ios_monitor.h"
#include "tests/integration/agent/ios/ios_fixture.h"

namespace mooring::testing {
namespace {

using ::testing::HasSubstr;

class IosTrustTest : public IosEngineTest {
 protected:
  // The owner does `react` when the engine first waits for `waiting_for`.
  void When(v1::WaitingFor waiting_for, std::function<void()> react) {
    progress_.set_on_report(
        [waiting_for, react, done = false](const RecordingProgress::Line& line) mutable {
          if (done || line.waiting_for != waiting_for) return;
          done = true;
          react();
        });
  }
};

TEST_F(IosTrustTest, ProbeOfAnUnpairedPhoneAsksNothingOfIt) {
  PhoneOptions options;
  options.trust = TrustMode::kAsk;
  options.name = "Ann\u202E's \tiPhone";
  const std::string udid = AddPhone(1, options);
  const auto probed = EngineOf(udid)->Probe(ctx_);
  ASSERT_TRUE(probed.ok()) << probed.status();
  EXPECT_FALSE(probed->facts.trusted());
  EXPECT_EQ(probed->facts.serial(), udid);
  EXPECT_EQ(probed->facts.platform(), v1::PLATFORM_IOS);
  EXPECT_EQ(probed->facts.name(), "Ann's iPhone");
  EXPECT_EQ(probed->facts.battery_percent(), -1);
  EXPECT_EQ(probed->waiting_for, v1::WAITING_FOR_TRUST);
  EXPECT_EQ(PhoneOf(udid).trust_state(), "never");
}

TEST_F(IosTrustTest, PrepareWaitsForTrust) {
  PhoneOptions options;
  options.trust = TrustMode::kAsk;
  const std::string udid = AddPhone(1, options);
  When(v1::WAITING_FOR_TRUST, [&] { PhoneOf(udid).Trust(); });
  const auto prepared = EngineOf(udid)->Prepare(ctx_, progress_);
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_TRUE(prepared->facts.trusted());
  EXPECT_GT(prepared->facts.capacity_bytes(), 0U);
  EXPECT_GE(prepared->facts.battery_percent(), 0);
  EXPECT_TRUE(progress_.WaitedFor(v1::WAITING_FOR_TRUST));
  ExpectGoodManners(udid);
}

TEST_F(IosTrustTest, RefusalSaysHowToBeAskedAgain) {
  PhoneOptions options;
  options.trust = TrustMode::kRefuse;
  const std::string udid = AddPhone(1, options);
  const auto prepared = EngineOf(udid)->Prepare(ctx_, progress_);
  EXPECT_EQ(agent::CauseOf(prepared.status()), v1::CAUSE_TRUST_REFUSED) << prepared.status();
  EXPECT_THAT(agent::NextStepOf(prepared.status()), HasSubstr("tap Trust"));
}

TEST_F(IosTrustTest, NobodyAnswersTheQuestion) {
  PhoneOptions options;
  options.trust = TrustMode::kAsk;
  const std::string udid = AddPhone(1, options);
  patience_.trust.trust_max = absl::Milliseconds(500);
  const auto prepared = EngineOf(udid)->Prepare(ctx_, progress_);
  EXPECT_EQ(prepared.status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(agent::CauseOf(prepared.status()), v1::CAUSE_TRUST_PENDING);
}

TEST_F(IosTrustTest, StopEndsTheWait) {
  PhoneOptions options;
  options.trust = TrustMode::kAsk;
  const std::string udid = AddPhone(1, options);
  std::stop_source stop;
  ctx_.stop = stop.get_token();
  When(v1::WAITING_FOR_TRUST, [&] { stop.request_stop(); });
  const auto prepared = EngineOf(udid)->Prepare(ctx_, progress_);
  EXPECT_EQ(prepared.status().code(), absl::StatusCode::kCancelled);
}

TEST_F(IosTrustTest, PrepareWaitsForUnlock) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  PhoneOf(udid).set_locked(true);
  const auto probed = EngineOf(udid)->Probe(ctx_);
  ASSERT_TRUE(probed.ok()) << probed.status();
  EXPECT_EQ(probed->waiting_for, v1::WAITING_FOR_UNLOCK);
  EXPECT_TRUE(probed->facts.locked());
  When(v1::WAITING_FOR_UNLOCK, [&] { PhoneOf(udid).set_locked(false); });
  const auto prepared = EngineOf(udid)->Prepare(ctx_, progress_);
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_FALSE(prepared->facts.locked());
}

TEST_F(IosTrustTest, LockedAndNeverTrustedIsUnlockedFirst) {
  PhoneOptions options;
  options.is_locked = true;
  const std::string udid = AddPhone(1, options);
  When(v1::WAITING_FOR_UNLOCK, [&] { PhoneOf(udid).set_locked(false); });
  const auto prepared = EngineOf(udid)->Prepare(ctx_, progress_);
  ASSERT_TRUE(prepared.ok()) << prepared.status();
  EXPECT_TRUE(progress_.WaitedFor(v1::WAITING_FOR_UNLOCK));
}

TEST_F(IosTrustTest, LostPairingIsAskedForAgain) {
  const std::string udid = AddPhone(1);
  Pair(udid);
  PhoneOf(udid).ForgetAllHosts();
  const auto probed = EngineOf(udid)->Probe(ctx_);
  ASSERT_TRUE(probed.ok()) << probed.status();
  EXPECT_EQ(probed->waiting_for, v1::WAITING_FOR_TRUST);
  EXPECT_FALSE(probed->facts.trusted());
  // A backup does not pair by itself.
  EXPECT_EQ(agent::CauseOf(BackUp(udid).status()), v1::CAUSE_TRUST_PENDING);
  Pair(udid);
  EXPECT_TRUE(BackUp(udid).ok());
}

TEST_F(IosTrustTest, AnAbsentPhoneIsSaidToBeUnplugged) {
  const std::string udid = AddPhone(1);
  farm_->Detach(udid);
  EXPECT_EQ(agent::CauseOf(EngineOf(udid)->Probe(ctx_).status()), v1::CAUSE_UNPLUGGED);
}

TEST_F(IosTrustTest, PasscodeIsAskedForAndEntered) {
  PhoneOptions options;
  options.passcode = PasscodeMode::kWait;
  const std::string udid = AddPhone(1, options);
  Pair(udid);
  When(v1::WAITING_FOR_PASSCODE, [&] { PhoneOf(udid).EnterPasscode(); });
  const auto outcome = BackUp(udid);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_TRUE(progress_.WaitedFor(v1::WAITING_FOR_PASSCODE));
  ExpectGoodManners(udid);
}

TEST_F(IosTrustTest, PasscodeThatIsNotEnteredIsTheCause) {
  PhoneOptions options;
  options.passcode = PasscodeMode::kWait;
  const std::string udid = AddPhone(1, options);
  Pair(udid);
  When(v1::WAITING_FOR_PASSCODE, [&] { PhoneOf(udid).CancelPasscode(); });
  const auto outcome = BackUp(udid);
  EXPECT_EQ(agent::CauseOf(outcome.status()), v1::CAUSE_PASSCODE_NOT_ENTERED) << outcome.status();
  ExpectGoodManners(udid);
}

class RecordingListener final : public agent::DeviceMonitor::Listener {
 public:
  void OnAttached(const agent::DeviceMonitor::Attached& device) override {
    Add("attached " + device.serial);
  }
  void OnDetached(const std::string& serial) override { Add("detached " + serial); }
  void OnChanged(const std::string& serial) override { Add("changed " + serial); }

  bool Await(const std::string& event) {
    MutexLock lock(mutex_);
    return changed_
        .WaitFor(mutex_, {}, absl::Seconds(20),
                 [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return events_.count(event) > 0; })
        .ready;
  }

 private:
  void Add(const std::string& event) {
    MutexLock lock(mutex_);
    events_.insert(event);
    changed_.NotifyAll();
  }

  Mutex mutex_;
  CondVar changed_;
  std::multiset<std::string> events_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(IosTrustTest, MonitorTellsOfPhonesThatComeAndGo) {
  const std::string first = AddPhone(1);
  RecordingListener listener;
  const auto monitor = agent::IosMonitor::Start(listener);
  ASSERT_TRUE(monitor.ok()) << monitor.status();
  EXPECT_TRUE(listener.Await("attached " + first));
  const std::string second = AddPhone(2);
  EXPECT_TRUE(listener.Await("attached " + second));
  farm_->Detach(first);
  EXPECT_TRUE(listener.Await("detached " + first));
  EXPECT_EQ(agent::IosMonitor::Start(listener).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace mooring::testing
