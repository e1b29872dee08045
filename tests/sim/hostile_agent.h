// HostileAgent: a workstation that lies. It knows ids that it should not, sends
// junk, reaches into sessions of others, refers to what is not there, commits
// twice. Whatever it is told, no right of another may come of it (I14).

#pragma once

#include <string>
#include <vector>

#include "tests/sim/ground.h"
#include "tests/sim/sim_agent.h"
#include "tests/sim/sim_network.h"

namespace mooring::testing {

class HostileAgent {
 public:
  // `phone` is its own; it is bound to a person like any other.
  HostileAgent(Ground& ground, Network& network, const AgentId& id, std::string name,
               SimPhone& phone)
      : ground_(ground),
        network_(network),
        id_(id),
        name_(std::move(name)),
        phone_(phone),
        clock_(ground.scheduler) {}

  void Run();

 private:
  void Act();
  void UseForeignSession();
  void CommitWhatIsNotThere(const storage::BegunSession& begun);
  void CommitForeignDomain(const storage::BegunSession& begun);
  void CommitTwice(const storage::BegunSession& begun);
  void SendJunk(const storage::BegunSession& begun);
  void ReadForeignChunks(const storage::BegunSession& begun);
  void ReuseKey(const storage::BeginOptions& options);

  storage::BeginOptions NewOptions();
  absl::StatusOr<storage::CommitOutcome> Commit(const v1::CommitSnapshotRequest& request);
  absl::StatusOr<bool> Do(std::string_view what,
                          std::function<absl::Status(storage::Repository&)> act);
  // It must not have worked.
  void MustFail(std::string_view what, const absl::Status& status);
  // Rows that it should not know of.
  std::vector<SessionId> ForeignSessions() const;
  std::vector<ChunkId> ForeignChunks(const DomainId& own) const;

  Ground& ground_;
  Network& network_;
  const AgentId id_;
  const std::string name_;
  SimPhone& phone_;
  SimClock clock_;
};

}  // namespace mooring::testing
