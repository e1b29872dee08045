// Five hundred phones against fifty slots: nobody is asked for a passcode
// without a slot, and every session completes or says that the server is busy.
// Synthetic engines on threads, each with its own session over gRPC and TLS.

#include <atomic>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "agent/daemon/control_stream.h"
#include "agent/device/cause.h"
#include "agent/link/grpc_restore_link.h"
#include "agent/process/progress_reporter.h"
#include "agent/process/session_task.h"
#include "agent/state/agent_state.h"
#include "mooring/v1/fleet.grpc.pb.h"
#include "tests/integration/agent/agent_bench.h"
#include "tests/support/synthetic_engine.h"

namespace mooring::testing {
namespace {

constexpr int kPhones = 500;
constexpr int kSlots = 50;

std::string SerialOf(int phone) {
  SyntheticPhone spec;
  spec.seed = static_cast<std::uint64_t>(phone);
  spec.files = 6;
  spec.file_bytes_average = 20'000;
  return SyntheticEngines::SerialOf(spec);
}

// Reports all phones as attached and counts what the server says of them.
class Reporter final : public agent::ControlStream::Listener {
 public:
  std::vector<v1::ControlRequest> Greeting() override {
    std::vector<v1::ControlRequest> greeting;
    for (int phone = 0; phone < kPhones; ++phone) {
      v1::ControlRequest event;
      event.mutable_device_attached()->set_platform(v1::PLATFORM_IOS);
      event.mutable_device_attached()->set_serial(SerialOf(phone));
      greeting.push_back(std::move(event));
    }
    return greeting;
  }
  void OnOrder(const v1::ControlResponse& order) override {
    if (!order.has_standing()) return;
    MutexLock lock(mutex_);
    known_.insert(order.standing().serial());
  }
  void OnConnected(const v1::ServerHello&) override {}
  void OnLost(const absl::Status&) override {}

  std::size_t known() {
    MutexLock lock(mutex_);
    return known_.size();
  }

 private:
  Mutex mutex_;
  std::set<std::string> known_ ABSL_GUARDED_BY(mutex_);
};

class FleetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(workstation_.Enroll().exit_code, 0);
    agent::StateDirectory directory(RealFileSystem(), workstation_.state());
    auto state = directory.Load();
    ASSERT_TRUE(state.ok()) << state.status();
    state_ = std::make_unique<agent::AgentState>(*std::move(state));
    channel_ = std::make_unique<agent::ServerChannel>(
        agent::MakeChannel(state_->config.server(), state_->identity));
  }

  void AssignAll() {
    server_.Admin({"person", "create", "--handle", "ada", "--name", "Ada"});
    std::string token = ReadText(server_.state() + "/admin-token");
    while (!token.empty() && token.back() == '\n') token.pop_back();
    const auto stub = v1::FleetService::NewStub(
        agent::MakeChannel(state_->config.enrollment_server(), {state_->identity.ca, "", ""}));
    for (int phone = 0; phone < kPhones; ++phone) {
      grpc::ClientContext context;
      context.AddMetadata("authorization", "Bearer " + token);
      v1::AssignDeviceRequest request;
      request.set_device(SerialOf(phone));
      request.set_person_handle("ada");
      v1::AssignDeviceResponse response;
      const grpc::Status status = stub->AssignDevice(&context, request, &response);
      ASSERT_TRUE(status.ok()) << status.error_message();
    }
  }

  session::v1::Finished BackUp(int phone, const SyntheticHooks& hooks) {
    SyntheticEngines engines(hooks);
    auto engine = engines.Make(v1::PLATFORM_IOS, SerialOf(phone), {});
    agent::LinkOptions options;
    agent::GrpcBackupLink link(*channel_, clock_, random_, options,
                               [this](v1::Phase, v1::WaitingFor waiting_for, const std::string&) {
                                 if (waiting_for == v1::WAITING_FOR_SLOT) ++waits_;
                               });
    agent::GrpcRestoreLink restore(*channel_, clock_, random_, options);
    agent::ProgressReporter progress(clock_, [](const v1::Progress&) {});
    agent::SealPipeline::Options pipeline;
    pipeline.workers = 1;
    agent::SessionTask task(**engine, link, restore, random_, progress, pipeline);
    session::v1::Start start;
    start.set_task(session::v1::Start::TASK_BACKUP);
    start.set_serial(SerialOf(phone));
    start.set_hpke_private_key(ToString(state_->hpke_private_key.view()));
    session::v1::Finished finished = task.Run(OpContext(), start);
    if (!finished.succeeded()) link.Abort(finished.cause(), finished.message());
    return finished;
  }

  TestServer server_{{fmt::format("sessions_max: {}", kSlots), "queue_max: 1000"}};
  TestAgent workstation_{server_, "agent"};
  std::unique_ptr<agent::AgentState> state_;
  std::unique_ptr<agent::ServerChannel> channel_;
  SystemClock clock_;
  SystemRandom random_;
  std::atomic<int> waits_{0};
};

TEST_F(FleetTest, FiveHundredPhonesShareFiftySlots) {
  Reporter reporter;
  v1::AgentHello hello;
  hello.set_protocol_version(1);
  hello.set_hostname("fleet");
  agent::ControlStream control(*channel_, clock_, random_, hello, reporter);
  control.Start();
  ASSERT_TRUE(Eventually([&] { return reporter.known() == kPhones; })) << reporter.known();
  AssignAll();

  // From the passcode sheet to the end of its session a phone holds a slot.
  std::atomic<int> holding{0};
  std::atomic<int> most{0};
  std::atomic<int> prompts{0};
  SyntheticHooks hooks;
  hooks.passcode_prompt = [&](const std::string&) {
    ++prompts;
    const int now = ++holding;
    for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
    }
  };
  hooks.after_file = [&](const std::string&, std::uint32_t file) {
    if (file == 5) --holding;
    return absl::OkStatus();
  };
  std::atomic<int> succeeded{0};
  std::atomic<int> busy{0};
  Mutex mutex;
  std::string other;
  {
    std::vector<std::jthread> phones;
    for (int phone = 0; phone < kPhones; ++phone) {
      phones.emplace_back([&, phone] {
        const session::v1::Finished finished = BackUp(phone, hooks);
        if (finished.succeeded()) {
          ++succeeded;
        } else if (finished.cause() == v1::CAUSE_SERVER_BUSY) {
          ++busy;
        } else {
          MutexLock lock(mutex);
          other = v1::Cause_Name(finished.cause()) + ": " + finished.message();
        }
      });
    }
  }
  EXPECT_EQ(succeeded + busy, kPhones) << other;
  EXPECT_GT(succeeded, 0);
  EXPECT_EQ(prompts, succeeded);
  EXPECT_LE(most, kSlots);
  EXPECT_GT(waits_, 0);
  fmt::print(
      "{} completed, {} told that the server is busy, {} answers from the queue, at most {} "
      "phones between passcode and end\n",
      succeeded.load(), busy.load(), waits_.load(), most.load());
}

}  // namespace
}  // namespace mooring::testing
