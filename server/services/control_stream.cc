#include "server/services/control_stream.h"

#include <utility>

namespace mooring::server {
namespace {

constexpr std::size_t kOrdersMax = 256;

}  // namespace

ControlStream* ControlStream::Start(ControlEvents& events, Executor& executor,
                                    ControlAdmission admission) {
  // The reactor is gRPC's until OnDone, and the tasks' while they run.
  std::shared_ptr<ControlStream> stream(new ControlStream(events, executor, std::move(admission)));
  stream->self_ = stream;
  ControlStream* const reactor = stream.get();
  executor.Run([stream = std::move(stream)] { stream->Admit(); });
  return reactor;
}

ControlStream::ControlStream(ControlEvents& events, Executor& executor, ControlAdmission admission)
    : events_(events), executor_(executor), admission_(std::move(admission)) {}

void ControlStream::Admit() {
  absl::StatusOr<Caller> caller = admission_.admit();
  if (!caller.ok()) {
    End(caller.status());
    return;
  }
  caller_ = *std::move(caller);
  ReadNext();
}

void ControlStream::ReadNext() {
  MutexLock lock(mutex_);
  if (!ended_) StartRead(&request_);
}

void ControlStream::OnReadDone(bool ok) {
  if (!ok) {
    End(absl::OkStatus());
    return;
  }
  executor_.Run([stream = shared_from_this()] { stream->Handle(); });
}

void ControlStream::Handle() {
  const absl::Status status = HandleEvent();
  if (!status.ok()) {
    End(status);
    return;
  }
  ReadNext();
}

absl::Status ControlStream::HandleEvent() {
  if (greeted_) return events_.Event(caller_, request_);
  if (!request_.has_hello()) {
    return absl::FailedPreconditionError("the first message must be a hello");
  }
  absl::StatusOr<v1::ControlResponse> hello =
      events_.Hello(caller_, shared_from_this(), request_.hello());
  if (!hello.ok()) return hello.status();
  greeted_ = true;
  Send(*hello);
  return absl::OkStatus();
}

bool ControlStream::Send(const v1::ControlResponse& order) {
  {
    MutexLock lock(mutex_);
    if (ended_) return false;
    if (queue_.size() < kOrdersMax) {
      queue_.push_back(order);
      if (!writing_) {
        writing_ = true;
        out_ = std::move(queue_.front());
        queue_.pop_front();
        StartWrite(&out_);
      }
      return true;
    }
  }
  End(absl::ResourceExhaustedError("the agent does not read its orders"));
  return false;
}

void ControlStream::OnWriteDone(bool ok) {
  if (!ok) {
    End(absl::OkStatus());
    return;
  }
  MutexLock lock(mutex_);
  writing_ = false;
  if (ended_ || queue_.empty()) return;
  writing_ = true;
  out_ = std::move(queue_.front());
  queue_.pop_front();
  StartWrite(&out_);
}

void ControlStream::OnCancel() {
  End(absl::CancelledError("the agent is gone"));
}

void ControlStream::Close(const absl::Status& why) {
  End(why);
}

void ControlStream::End(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (std::exchange(ended_, true)) return;
  queue_.clear();
  // Nothing may be started after this: every start is behind ended_.
  Finish(admission_.finish(status, caller_));
}

void ControlStream::OnDone() {
  executor_.Run([stream = std::move(self_)] {
    if (stream->greeted_) stream->events_.Gone(stream->caller_, stream.get());
  });
}

}  // namespace mooring::server
