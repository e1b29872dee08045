// AgentService: what agents tell, and what it changes: which phones are where,
// how sessions go, who is online. And the renewal of certificates.

#pragma once

#include <memory>
#include <string>

#include "mooring/v1/agent.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/control_stream.h"
#include "server/services/restore_desk.h"
#include "server/services/server_parts.h"
#include "server/services/session_desk.h"
#include "server/services/standings.h"

namespace mooring::server {

class AgentEvents final : public ControlEvents {
 public:
  AgentEvents(ServerParts& parts, Standings& standings, SessionDesk& sessions,
              RestoreDesk& restores)
      : parts_(parts), standings_(standings), sessions_(sessions), restores_(restores) {}

  absl::StatusOr<v1::ControlResponse> Hello(const Caller& caller,
                                            const std::shared_ptr<AgentLink>& link,
                                            const v1::AgentHello& hello) override;
  absl::Status Event(const Caller& caller, const v1::ControlRequest& event) override;
  void Gone(const Caller& caller, const AgentLink* link) override;

 private:
  OpContext Context() const;
  absl::Status Attached(const Caller& caller, const v1::DeviceFacts& facts);
  absl::Status Detached(const Caller& caller, const std::string& serial);
  absl::Status Progress(const Caller& caller, const v1::Progress& progress);
  absl::Status Ended(const Caller& caller, const v1::SessionEnded& ended);
  absl::Status Heard(const Caller& caller);

  ServerParts& parts_;
  Standings& standings_;
  SessionDesk& sessions_;
  RestoreDesk& restores_;
};

// Control comes to reactors, the rest to threads.
class AgentServiceImpl final
    : public v1::AgentService::WithCallbackMethod_Control<v1::AgentService::Service> {
 public:
  AgentServiceImpl(RpcGate& gate, ServerParts& parts, ControlEvents& events, Executor& executor)
      : gate_(gate), parts_(parts), events_(events), executor_(executor) {}

  grpc::ServerBidiReactor<v1::ControlRequest, v1::ControlResponse>* Control(
      grpc::CallbackServerContext* context) override;
  grpc::Status RenewCertificate(grpc::ServerContext* context,
                                const v1::RenewCertificateRequest* request,
                                v1::RenewCertificateResponse* response) override;

 private:
  RpcGate& gate_;
  ServerParts& parts_;
  ControlEvents& events_;
  Executor& executor_;
};

}  // namespace mooring::server
