#include "agent/process/session_main.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include <malloc.h>

#include "agent/device/cause.h"
#include "agent/process/pipe_link.h"
#include "agent/process/progress_reporter.h"
#include "agent/process/session_task.h"
#include "agent/process/status_message.h"

namespace mooring::agent {
namespace {

using session::v1::FromSession;
using session::v1::Start;
using session::v1::ToSession;

// Hands replies to the link until the agent is gone or calls the session off.
void Listen(MessagePipe& pipe, PipeLink& link, std::stop_source& stop) {
  for (;;) {
    ToSession message;
    const absl::Status received = pipe.Receive(message);
    if (!received.ok()) {
      stop.request_stop();
      return link.Break(received);
    }
    if (message.message_case() == ToSession::kCancel) {
      stop.request_stop();
      link.Break(absl::CancelledError("the session was called off"));
    } else if (message.call() == 0 && message.message_case() == ToSession::kFailure) {
      link.Break(FromFailure(message.failure()));
    } else {
      link.Deliver(std::move(message));
    }
  }
}

FromSession RunTask(const OpContext& ctx, const Start& start, EngineFactory& engines,
                    PipeLink& link, Random& random, ProgressSink& progress) {
  FromSession last;
  auto engine = engines.Make(start.platform(), start.serial(),
                             {absl::Seconds(start.unplugged_wait_seconds())});
  if (!engine.ok()) {
    last.mutable_finished()->set_cause(CauseOf(engine.status()));
    last.mutable_finished()->set_message(std::string(engine.status().message()));
    return last;
  }
  SessionTask task(**engine, link, link, random, progress, SealPipeline::Options());
  if (start.task() != Start::TASK_PROBE) {
    *last.mutable_finished() = task.Run(ctx, start);
    return last;
  }
  auto probed = task.Probe(ctx);
  if (probed.ok()) {
    *last.mutable_probed() = *std::move(probed);
  } else {
    last.mutable_finished()->set_cause(CauseOf(probed.status()));
    last.mutable_finished()->set_message(std::string(probed.status().message()));
    last.mutable_finished()->set_next_step(NextStepOf(probed.status()));
  }
  return last;
}

}  // namespace

void HardenSessionProcess() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  signal(SIGPIPE, SIG_IGN);
  // A terminal's ^C is the agent's to handle; it tells the session.
  signal(SIGINT, SIG_IGN);
}

void TuneHeap() {
  mallopt(M_ARENA_MAX, 1);
  mallopt(M_MMAP_THRESHOLD, 8 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
}

int RunSessionProcess(MessagePipe& pipe, EngineFactory& engines, Clock& clock, Random& random) {
  ToSession first;
  if (!pipe.Receive(first).ok() || first.message_case() != ToSession::kStart) return 1;
  PipeLink link(pipe);
  std::stop_source stop;
  std::jthread listener([&] { Listen(pipe, link, stop); });
  ProgressReporter progress(clock, [&pipe](const v1::Progress& now) {
    FromSession message;
    *message.mutable_progress() = now;
    // A lost agent is noticed by the listener.
    pipe.Send(message).IgnoreError();
  });
  OpContext ctx;
  ctx.stop = stop.get_token();
  const FromSession last = RunTask(ctx, first.start(), engines, link, random, progress);
  const bool told = pipe.Send(last).ok();
  pipe.Shutdown();
  return told ? 0 : 1;
}

}  // namespace mooring::agent
