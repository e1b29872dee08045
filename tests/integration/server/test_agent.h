// TestAgent: an enrolled workstation, as far as the server can tell. Speaks the
// RPCs; has no phones.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "mooring/v1/agent.grpc.pb.h"
#include "mooring/v1/backup.grpc.pb.h"
#include "mooring/v1/enrollment.grpc.pb.h"
#include "mooring/v1/restore.grpc.pb.h"
#include "storage/base/bytes.h"
#include "storage/base/ids.h"
#include "storage/base/random.h"
#include "storage/repository/repository.h"
#include "storage/seal/hpke.h"

namespace mooring::testing {

struct TestKey {
  std::string private_pem;
  std::string csr;  // DER.
};
// `curve` other than P-256, or a signature that does not fit, on request.
TestKey MakeTestKey(const std::string& curve = "P-256");

class TestAgent {
 public:
  // Enrolls with the token's secret at `enrollment_address`.
  static absl::StatusOr<std::unique_ptr<TestAgent>> Enroll(const std::string& token,
                                                           const std::string& ca_pem,
                                                           const std::string& hostname,
                                                           Random& random);

  const AgentId& id() const { return id_; }
  const v1::EnrollResponse& enrolled() const { return enrolled_; }
  const storage::HpkeKeyPair& hpke() const { return hpke_; }

  v1::AgentService::Stub& agent() { return *agent_; }
  v1::BackupService::Stub& backup() { return *backup_; }
  v1::RestoreService::Stub& restore() { return *restore_; }

  // Goes on with the server at `address`.
  void GoTo(const std::string& address);

  // A new certificate over the connection; later calls use it.
  absl::Status Renew();
  // A new connection at once, as to a server that was restarted: a channel would wait a while.
  void Reconnect() { Connect(); }
  // The same over another address, as a proxy's.
  void ReconnectTo(const std::string& address) {
    enrolled_.set_address(address);
    Connect();
  }

  // Begins, waiting in the queue, and opens the session keys.
  absl::StatusOr<v1::BeginBackupResponse> Begin(const std::string& serial,
                                                const std::string& idempotency_key);
  absl::StatusOr<storage::BegunSession> BeginAndOpen(const std::string& serial);
  absl::StatusOr<storage::BegunSession> Open(const v1::SessionGrant& grant);

 private:
  explicit TestAgent(storage::HpkeKeyPair hpke, Random& random)
      : hpke_(std::move(hpke)), random_(random) {}
  void Connect();

  storage::HpkeKeyPair hpke_;
  Random& random_;
  std::string private_key_;
  std::string ca_;
  AgentId id_;
  v1::EnrollResponse enrolled_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AgentService::Stub> agent_;
  std::unique_ptr<v1::BackupService::Stub> backup_;
  std::unique_ptr<v1::RestoreService::Stub> restore_;
};

// An open control stream that has said hello.
class TestControl {
 public:
  explicit TestControl(TestAgent& agent, std::uint32_t protocol_version = 0);
  ~TestControl();

  // The server's hello, or how the stream ended.
  absl::StatusOr<v1::ServerHello> hello();
  // Plugs a phone in and waits for its standing.
  absl::StatusOr<v1::DeviceStanding> Attach(const std::string& serial);
  void Send(const v1::ControlRequest& event) { stream_->Write(event); }
  // The next order of that kind within a bounded time, skipping others.
  absl::StatusOr<v1::ControlResponse> Next(v1::ControlResponse::OrderCase kind);
  absl::Status Finish();

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ControlRequest, v1::ControlResponse>> stream_;
  bool finished_ = false;
};

}  // namespace mooring::testing
