// Whether the phone notices what a host does wrong, and whether its attacks and
// faults are what they say. The host here is scripted, over a socket pair, without TLS.

#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/clock.h"
#include "storage/base/random.h"
#include "tests/phones/iphone/hostile.h"
#include "tests/phones/iphone/phone.h"
#include "tests/phones/iphone/scripted_host.h"
#include "tests/phones/iphone/services.h"

namespace mooring::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class HostConductTest : public ::testing::Test {
 protected:
  HostConductTest() : library_("", "/tmp") {
    options_.batch_files = 50;
    options_.answer_timeout = absl::Seconds(20);
    options_.passcode_timeout = absl::Milliseconds(50);
    options_.content.bytes = 3 << 20;
  }

  // One conversation; what the phone made of it.
  absl::StatusOr<std::uint64_t> Converse(Mistake mistake, const std::string& request = "Backup") {
    if (!phone_) {
      phone_ = std::make_unique<Phone>(1, options_, library_, clock_, random_);
      phone_->set_unplug([this](std::uint64_t) { phone_->EndAttachment(); });
    }
    int ends[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    Channel device(ends[0]);
    Channel mine(ends[1]);
    mine.set_read_timeout(absl::Seconds(30));
    phone_->BeginAttachment();
    EXPECT_TRUE(phone_->Register(device));
    ScriptedHost host(mine, phone_->identity().udid, mistake);
    host.files() = std::move(files_);
    absl::StatusOr<std::uint64_t> code = absl::UnknownError("");
    {
      std::jthread phone_thread([&] {
        const absl::Status status = ServeMobileBackup2(*phone_, device);
        if (absl::IsInvalidArgument(status)) phone_->Violation(std::string(status.message()));
        device.Shutdown();
      });
      code = host.Run(request);
      mine.Shutdown();
    }
    phone_->Unregister(device);
    files_ = std::move(host.files());
    verbs_ = host.verbs();
    return code;
  }

  PhoneOptions options_;
  SystemClock clock_;
  SystemRandom random_;
  ContentLibrary library_;
  std::unique_ptr<Phone> phone_;
  std::map<std::string, std::string> files_;
  std::vector<std::string> verbs_;
};

TEST_F(HostConductTest, AGoodHostHasNoViolations) {
  EXPECT_EQ(*Converse(Mistake::kNone), 0U);
  EXPECT_TRUE(phone_->last_operation()->is_full);
  phone_->Mutate({});
  EXPECT_EQ(*Converse(Mistake::kNone), 0U);
  EXPECT_FALSE(phone_->last_operation()->is_full);
  EXPECT_EQ(phone_->last_operation()->files_sent, 10U);
  EXPECT_THAT(phone_->violations(), IsEmpty());
}

struct Expectation {
  Mistake mistake;
  std::optional<std::uint64_t> code;  // nullopt: the phone hangs up.
  const char* violation;
  bool is_incremental = false;
};

class MistakeTest : public HostConductTest, public ::testing::WithParamInterface<Expectation> {};

TEST_P(MistakeTest, IsNoticed) {
  if (GetParam().is_incremental) {
    ASSERT_EQ(*Converse(Mistake::kNone), 0U);
    phone_->Mutate({});
  }
  const absl::StatusOr<std::uint64_t> code = Converse(GetParam().mistake);
  ASSERT_EQ(code.ok(), GetParam().code.has_value()) << code.status();
  if (code.ok()) {
    EXPECT_EQ(*code, *GetParam().code);
  }
  EXPECT_THAT(phone_->violations(), Contains(HasSubstr(GetParam().violation)));
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, MistakeTest,
    ::testing::Values(
        Expectation{Mistake::kAcknowledgesEarly, 0, "acknowledged before the batch had ended"},
        Expectation{Mistake::kLargeFrames, 0, "more than 32 KiB"},
        Expectation{Mistake::kThreeItemAnswers, {}, "has 3 items, not 4"},
        Expectation{Mistake::kForgetsAFile, 205, "listings after the backup"},
        Expectation{Mistake::kHidesAFile, 205, "listings after the backup"},
        Expectation{Mistake::kLiesAboutSize, 205, "1 of wrong size"},
        Expectation{Mistake::kFlipsAByte, 205, "Manifest.db read back is not what was sent"},
        Expectation{Mistake::kIgnoresRemove, 205, "3 that should be gone", true},
        Expectation{Mistake::kSendsZeroForMissing, 0, "with 0 though files are missing"},
        Expectation{Mistake::kWrongTarget, 0, "TargetIdentifier is not this phone"}));

class HostileTest : public HostConductTest,
                    public ::testing::WithParamInterface<std::string_view> {};

// A wary host refuses each; that it gets to refuse shows that the attack arrives.
TEST_P(HostileTest, ReachesTheHost) {
  if (GetParam() == "endless-file") options_.content.files = 10;
  options_.content.bytes = 1 << 20;
  ASSERT_TRUE(Converse(Mistake::kNone).ok());
  files_.clear();
  phone_->faults().Add({.kind = FaultKind::kHostile, .value = std::string(GetParam())});
  const absl::StatusOr<std::uint64_t> code = Converse(Mistake::kNone);
  EXPECT_TRUE(absl::IsInvalidArgument(code.status())) << code.status();
  EXPECT_FALSE(phone_->last_operation()->is_finished);
}

INSTANTIATE_TEST_SUITE_P(Attacks, HostileTest, ::testing::ValuesIn(HostileNames()));

TEST_F(HostConductTest, AnUnpluggedCableEndsTheConversationInMidFrame) {
  ASSERT_EQ(*Converse(Mistake::kNone), 0U);
  files_.clear();
  phone_->faults().Add({.kind = FaultKind::kUnplug, .after_bytes = 777'777});
  EXPECT_TRUE(absl::IsUnavailable(Converse(Mistake::kNone).status()));
  EXPECT_EQ(phone_->last_operation()->bytes_sent <= 777'777, true);
  EXPECT_FALSE(phone_->last_operation()->is_finished);
}

TEST_F(HostConductTest, EveryStepCanBeUnpluggedAndTheNextBackupCompletes) {
  options_.content.files = 60;
  options_.content.bytes = 1 << 20;
  for (const char* step :
       {"passcode", "status", "manifest", "listing", "space", "prepare", "upload",
        "manifest-upload", "move", "remove", "finish", "verify", "response"}) {
    ASSERT_EQ(*Converse(Mistake::kNone), 0U) << step;
    phone_->Mutate({});
    phone_->faults().Add({.kind = FaultKind::kUnplug, .step = step});
    EXPECT_TRUE(absl::IsUnavailable(Converse(Mistake::kNone).status())) << step;
    EXPECT_EQ(phone_->current_step(), "") << step;
    EXPECT_THAT(phone_->faults().list(), IsEmpty()) << step;
  }
  EXPECT_EQ(*Converse(Mistake::kNone), 0U);
  EXPECT_THAT(phone_->violations(), IsEmpty());
}

TEST_F(HostConductTest, ThePurgeQuestionIsAskedAndAnswered) {
  phone_.reset();
  ASSERT_EQ(*Converse(Mistake::kNone), 0U);
  phone_->faults().Add({.kind = FaultKind::kPurge});
  EXPECT_EQ(*Converse(Mistake::kNone), 0U);
  EXPECT_THAT(verbs_, Contains("DLMessagePurgeDiskSpace"));
  phone_->faults().Add({.kind = FaultKind::kNoSpace});
  EXPECT_EQ(*Converse(Mistake::kNone), 105U);
}

TEST_F(HostConductTest, TheSheetTimesOut) {
  options_.passcode = PasscodeMode::kWait;
  EXPECT_EQ(*Converse(Mistake::kNone), 208U);
}

TEST_F(HostConductTest, RestoreWithoutABackupFails) {
  EXPECT_EQ(*Converse(Mistake::kNone, "Restore"), 103U);
}

TEST_F(HostConductTest, RestoreWantsInfoPlist) {
  ASSERT_EQ(*Converse(Mistake::kNone), 0U);  // Which the host should have written.
  EXPECT_EQ(*Converse(Mistake::kNone, "Restore"), 205U);
}

TEST_F(HostConductTest, WrongOrderIsSentAndSurvived) {
  ASSERT_EQ(*Converse(Mistake::kNone), 0U);
  phone_->faults().Add({.kind = FaultKind::kWrongOrder});
  EXPECT_EQ(*Converse(Mistake::kNone), 0U);
}

}  // namespace
}  // namespace mooring::testing
