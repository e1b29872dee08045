#include "agent/daemon/control_stream.h"

#include <algorithm>
#include <utility>

namespace mooring::agent {
namespace {

constexpr absl::Duration kConnectPatience = absl::Seconds(10);
constexpr absl::Duration kHeartbeat = absl::Seconds(20);

bool ReplacesEachOther(const v1::ControlRequest& a, const v1::ControlRequest& b) {
  return a.has_progress() && b.has_progress() && a.progress().serial() == b.progress().serial();
}

}  // namespace

ControlStream::ControlStream(ServerChannel& channel, Clock& clock, Random& random,
                             v1::AgentHello hello, Listener& listener)
    : channel_(channel),
      clock_(clock),
      random_(random),
      hello_(std::move(hello)),
      listener_(listener) {}

ControlStream::~ControlStream() = default;

void ControlStream::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Run(std::move(stop)); });
}

void ControlStream::Send(v1::ControlRequest event) {
  MutexLock lock(mutex_);
  const auto same = std::find_if(waiting_.begin(), waiting_.end(),
                                 [&](const auto& one) { return ReplacesEachOther(one, event); });
  if (same != waiting_.end()) {
    *same = std::move(event);
    return;
  }
  if (waiting_.size() >= kWaitingMax) waiting_.pop_front();
  waiting_.push_back(std::move(event));
  changed_.NotifyAll();
}

void ControlStream::Run(std::stop_token stop) {
  OpContext ctx;
  ctx.stop = stop;
  Patience patience;
  patience.longest = absl::Minutes(1);
  patience.total = absl::InfiniteDuration();
  Backoff backoff(clock_, random_, patience);
  while (!stop.stop_requested()) {
    const absl::Status ended = RunOnce(ctx, backoff);
    if (stop.stop_requested()) return;
    listener_.OnLost(ended.ok() ? absl::UnavailableError("the server ended the connection")
                                : ended);
    backoff.Wait(ctx);
  }
}

absl::Status ControlStream::RunOnce(const OpContext& ctx, Backoff& backoff) {
  grpc::ClientContext context;
  const CallScope scope(context, ctx, absl::InfiniteDuration());
  const auto channel = AwaitConnection(channel_, ctx, kConnectPatience);
  const auto stub = v1::AgentService::NewStub(channel);
  {
    MutexLock lock(mutex_);
    broken_ = false;
    greeted_ = false;
  }
  const std::unique_ptr<Stream> stream = stub->Control(&context);
  std::jthread reader([&] { Read(*stream, backoff); });
  v1::ControlRequest event;
  *event.mutable_hello() = hello_;
  bool open = stream->Write(event);
  if (open) {
    for (const v1::ControlRequest& greeting : listener_.Greeting()) {
      open = open && stream->Write(greeting);
    }
  }
  while (open && Next(ctx, event)) open = stream->Write(event);
  if (open && ctx.stop.stop_requested()) stream->WritesDone();
  reader.join();
  const absl::Status ended = FromGrpcStatus(stream->Finish());
  MutexLock lock(mutex_);
  // One that is reached and has no word for us may have lost its database.
  if (!greeted_) channel_.MoveOn(channel);
  return ended;
}

bool ControlStream::Next(const OpContext& ctx, v1::ControlRequest& event) {
  MutexLock lock(mutex_);
  const CondVar::WaitResult result = changed_.WaitFor(
      mutex_, ctx.stop, kHeartbeat,
      [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return broken_ || !waiting_.empty(); });
  if (broken_ || (result.stopped && waiting_.empty())) return false;
  event.Clear();
  if (waiting_.empty()) {
    event.mutable_heartbeat();
  } else {
    event = std::move(waiting_.front());
    waiting_.pop_front();
  }
  return true;
}

void ControlStream::Read(Stream& stream, Backoff& backoff) {
  v1::ControlResponse order;
  while (stream.Read(&order)) {
    backoff.Reset();
    if (order.has_hello()) {
      {
        MutexLock lock(mutex_);
        greeted_ = true;
      }
      listener_.OnConnected(order.hello());
    } else {
      listener_.OnOrder(order);
    }
  }
  MutexLock lock(mutex_);
  broken_ = true;
  changed_.NotifyAll();
}

}  // namespace mooring::agent
