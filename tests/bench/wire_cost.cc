#include "tests/bench/wire_cost.h"

#include <string>
#include <utility>
#include <vector>

#include <absl/time/clock.h>

#include "agent/daemon/control_stream.h"
#include "agent/link/grpc_backup_link.h"
#include "agent/pipeline/snapshot_builder_impl.h"
#include "agent/process/progress_reporter.h"
#include "agent/state/agent_state.h"
#include "proto/protocol_version.h"
#include "storage/base/status.h"
#include "tests/bench/process_cost.h"
#include "tests/integration/agent/agent_bench.h"

namespace mooring::testing {
namespace {

// Holds back what a session uploads until it commits; then sends all of it, and
// commits, by the clock.
class HoldingLink final : public agent::BackupLink {
 public:
  HoldingLink(agent::BackupLink& link, pid_t server, WireCost& cost)
      : link_(link), server_(server), cost_(cost) {}

  absl::StatusOr<v1::SessionGrant> Begin(const OpContext& ctx,
                                         const v1::BeginBackupRequest& request) override {
    return link_.Begin(ctx, request);
  }
  absl::StatusOr<std::vector<bool>> Find(const OpContext&, const DomainId&,
                                         const std::vector<ChunkId>& ids) override {
    return std::vector<bool>(ids.size(), false);
  }
  absl::Status Upload(const OpContext&, const DomainId& domain, Bytes sealed) override {
    cost_.bytes += sealed.size();
    held_.emplace_back(domain, std::move(sealed));
    return absl::OkStatus();
  }
  absl::Status Flush(const OpContext&) override { return absl::OkStatus(); }
  std::uint64_t new_bytes() const override { return link_.new_bytes(); }
  absl::Status ReadBase(const OpContext& ctx, const std::vector<ChunkId>& ids,
                        absl::FunctionRef<absl::Status(Bytes sealed)> sink) override {
    return link_.ReadBase(ctx, ids, sink);
  }
  absl::StatusOr<v1::CommitSnapshotResponse> Commit(
      const OpContext& ctx, const v1::CommitSnapshotRequest& request) override {
    const Mark begun = Now();
    for (auto& [domain, sealed] : held_) {
      MOORING_RETURN_IF_ERROR(link_.Upload(ctx, domain, std::move(sealed)));
    }
    MOORING_RETURN_IF_ERROR(link_.Flush(ctx));
    const Mark sent = Now();
    absl::StatusOr<v1::CommitSnapshotResponse> response = link_.Commit(ctx, request);
    const Mark done = Now();
    cost_.upload_wall = sent.wall - begun.wall;
    cost_.upload_agent_cpu = sent.agent - begun.agent;
    cost_.upload_server_cpu = sent.server - begun.server;
    cost_.commit_wall = done.wall - sent.wall;
    cost_.commit_agent_cpu = done.agent - sent.agent;
    cost_.commit_server_cpu = done.server - sent.server;
    return response;
  }

 private:
  struct Mark {
    double wall = 0;
    double agent = 0;
    double server = 0;
  };
  Mark Now() const {
    return {absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()), OwnCpuSeconds(),
            TreeCpuSeconds(server_)};
  }

  agent::BackupLink& link_;
  const pid_t server_;
  WireCost& cost_;
  std::vector<std::pair<DomainId, Bytes>> held_;
};

// An agent that has one phone and does what nobody tells it.
class OnePhone final : public agent::ControlStream::Listener {
 public:
  explicit OnePhone(const v1::DeviceFacts& facts) : facts_(facts) {}
  std::vector<v1::ControlRequest> Greeting() override {
    v1::ControlRequest attached;
    *attached.mutable_device_attached() = facts_;
    return {attached};
  }
  void OnOrder(const v1::ControlResponse&) override {}
  void OnConnected(const v1::ServerHello&) override {}
  void OnLost(const absl::Status&) override {}

 private:
  const v1::DeviceFacts facts_;
};

}  // namespace

absl::StatusOr<WireCost> MeasureWire(const SyntheticPhone& phone) {
  const std::string serial = SyntheticEngines::SerialOf(phone);
  const OpContext ctx;
  SystemClock clock;
  SeededRandom random(5);
  SyntheticHooks hooks;
  SyntheticEngine engine(serial, phone, hooks);
  MOORING_ASSIGN_OR_RETURN(const agent::ProbeResult probed, engine.Probe(ctx));

  TestServer server;
  TestAgent workstation(server, "agent");
  workstation.Enroll();
  MOORING_ASSIGN_OR_RETURN(const agent::AgentState state,
                           agent::StateDirectory(RealFileSystem(), workstation.state()).Load());
  agent::ServerChannel channel(agent::MakeChannel(state.config.server(), state.identity));
  v1::AgentHello hello;
  hello.set_agent_version("bench");
  hello.set_protocol_version(kProtocolVersion);
  OnePhone listener(probed.facts);
  agent::ControlStream control(channel, clock, random, hello, listener);
  control.Start();
  server.Assign(serial, "ada");

  agent::GrpcBackupLink link(channel, clock, random, agent::LinkOptions(),
                             [](v1::Phase, v1::WaitingFor, const std::string&) {});
  v1::BeginBackupRequest request;
  request.set_idempotency_key(std::string(16, 'k'));
  *request.mutable_device() = probed.facts;
  request.add_captures(v1::CAPTURE_KIND_FULL);
  MOORING_ASSIGN_OR_RETURN(const v1::SessionGrant grant, link.Begin(ctx, request));

  WireCost cost;
  HoldingLink holding(link, server.pid(), cost);
  agent::SnapshotBuilderImpl::Options options;
  options.pipeline.samples_max = 0;
  MOORING_ASSIGN_OR_RETURN(const auto builder,
                           agent::SnapshotBuilderImpl::Create(ctx, holding, random, grant,
                                                              state.hpke_private_key, options));
  agent::ProgressReporter progress(clock, [](const v1::Progress&) {});
  MOORING_ASSIGN_OR_RETURN(const agent::BackupOutcome outcome,
                           engine.Backup(ctx, agent::BackupOptions(), *builder, progress));
  agent::CommitFacts facts;
  facts.captures = outcome.captures;
  facts.device = outcome.facts;
  facts.base_paths = outcome.base_paths;
  MOORING_RETURN_IF_ERROR(builder->Finish(ctx, facts).status());
  return cost;
}

}  // namespace mooring::testing
