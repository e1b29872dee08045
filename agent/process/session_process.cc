#include "agent/process/session_process.h"

#include <thread>
#include <utility>

#include <fmt/format.h>

#include "agent/device/cause.h"
#include "agent/process/session_relay.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// A session that was called off may still tell the phone goodbye.
constexpr absl::Duration kGoodbye = absl::Seconds(15);

// Passes a stop on to the session, and ends it if it does not listen.
class StopWatch {
 public:
  StopWatch(std::stop_token stop, MessagePipe& pipe, ChildProcess& child)
      : thread_([this, stop = std::move(stop), &pipe, &child] {
          MutexLock lock(mutex_);
          const auto over = [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return over_; };
          changed_.Wait(mutex_, stop, over);
          if (over_) return;
          session::v1::ToSession message;
          message.mutable_cancel();
          pipe.Send(message).IgnoreError();
          changed_.WaitFor(mutex_, {}, kGoodbye, over);
          if (!over_) child.Kill();
        }) {}
  ~StopWatch() {
    MutexLock lock(mutex_);
    over_ = true;
    changed_.NotifyAll();
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  std::jthread thread_;
};

void Blame(SessionEnd& end, v1::Cause cause, std::string message, std::string next_step) {
  end.finished.Clear();
  end.finished.set_cause(cause);
  end.finished.set_message(std::move(message));
  end.finished.set_next_step(std::move(next_step));
}

}  // namespace

SessionProcess::SessionProcess(ServerChannel& channel, Clock& clock, Random& random, Log& log,
                               const LinkOptions& options, SessionCommand command)
    : channel_(channel),
      clock_(clock),
      random_(random),
      log_(log),
      options_(options),
      command_(std::move(command)) {}

SessionEnd SessionProcess::Run(const OpContext& ctx, const session::v1::Start& start,
                               OnProgress on_progress, absl::FunctionRef<v1::Cause()> why_stopped) {
  SessionEnd end;
  OwnedFd fd;
  absl::StatusOr<ChildProcess> child = ChildProcess::Start(command_, fd);
  if (!child.ok()) {
    Blame(end, v1::CAUSE_AGENT_STOPPED, std::string(child.status().message()),
          "free memory on this workstation and plug the phone in again");
    return end;
  }
  MessagePipe pipe(std::move(fd));
  SessionRelay relay(pipe, channel_, clock_, random_, log_, options_, on_progress);
  absl::Status told;
  std::string ended;
  {
    const StopWatch watch(ctx.stop, pipe, *child);
    session::v1::ToSession first;
    *first.mutable_start() = start;
    told = pipe.Send(first);
    if (told.ok()) told = relay.Run(ctx, end);
    if (!told.ok() && !absl::IsUnavailable(told)) child->Kill();
    pipe.Shutdown();
    ended = child->Wait(kGoodbye);
  }
  if (!told.ok()) {
    const bool called_off = ctx.stop.stop_requested();
    if (called_off) {
      Blame(end, v1::CAUSE_CANCELLED, "the session was called off", "");
    } else if (absl::IsUnavailable(told)) {
      Blame(end, v1::CAUSE_AGENT_STOPPED,
            fmt::format("the session process ended before its work did ({})", ended),
            "plug the phone in again; the previous snapshot is untouched");
    } else {
      Blame(end, CauseOf(told), std::string(told.message()), NextStepOf(told));
    }
    log_.Warning("session process lost", {{"how", ended}, {"why", end.finished.message()}});
  }
  if (ctx.stop.stop_requested() && end.finished.cause() == v1::CAUSE_CANCELLED) {
    end.finished.set_cause(why_stopped());
  }
  relay.Settle(end);
  return end;
}

}  // namespace mooring::agent
