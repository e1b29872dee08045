// ControlStream: one agent's Control call, as a reactor that never blocks gRPC's
// threads. Events are handled on an executor, one at a time and in order; the
// next is read once the one before it is done. Orders wait in a bounded queue.

#pragma once

#include <deque>
#include <functional>
#include <memory>

#include <grpcpp/support/server_callback.h>

#include "mooring/v1/agent.grpc.pb.h"
#include "server/auth/caller.h"
#include "server/services/agent_hub.h"
#include "storage/base/executor.h"
#include "storage/base/mutex.h"

namespace mooring::server {

// What an agent's events mean. Thread-safe.
class ControlEvents {
 public:
  virtual ~ControlEvents() = default;
  // The first event; the answer is sent back. Later ones come only after it.
  virtual absl::StatusOr<v1::ControlResponse> Hello(const Caller& caller,
                                                    const std::shared_ptr<AgentLink>& link,
                                                    const v1::AgentHello& hello) = 0;
  virtual absl::Status Event(const Caller& caller, const v1::ControlRequest& event) = 0;
  // The stream is over. Called once, if Hello was OK.
  virtual void Gone(const Caller& caller, const AgentLink* link) = 0;
};

// Who calls, asked on the executor; and what the end of the call is told as.
struct ControlAdmission {
  std::function<absl::StatusOr<Caller>()> admit;
  std::function<grpc::Status(const absl::Status&, const Caller&)> finish;
};

class ControlStream final : public grpc::ServerBidiReactor<v1::ControlRequest, v1::ControlResponse>,
                            public AgentLink,
                            public std::enable_shared_from_this<ControlStream> {
 public:
  // Owns itself from Start until OnDone.
  static ControlStream* Start(ControlEvents& events, Executor& executor,
                              ControlAdmission admission);

  bool Send(const v1::ControlResponse& order) override;
  void Close(const absl::Status& why) override;

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  ControlStream(ControlEvents& events, Executor& executor, ControlAdmission admission);

  void Admit();
  void Handle();
  absl::Status HandleEvent();
  void ReadNext();
  void End(const absl::Status& status);

  ControlEvents& events_;
  Executor& executor_;
  const ControlAdmission admission_;
  std::shared_ptr<ControlStream> self_;
  Caller caller_;               // Of the executor's task, then constant.
  bool greeted_ = false;        // Of the executor's task; of OnDone after it.
  v1::ControlRequest request_;  // Of the read in flight, then of the task.

  Mutex mutex_;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  v1::ControlResponse out_ ABSL_GUARDED_BY(mutex_);  // Of the write in flight.
  std::deque<v1::ControlResponse> queue_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::server
