// SimAgent: an honest workstation: it backs up the phones that are plugged in,
// through the network, with real sealed chunks and manifests, and asks again
// when no answer comes.

#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/ground.h"
#include "tests/sim/sim_network.h"

namespace mooring::testing {

// A phone and what is on it.
struct SimPhone {
  DeviceId id;
  PersonId person;
  int owner = 0;  // Number of the person: whose contents it may have.
  Files files;
};

class SimAgent {
 public:
  SimAgent(Ground& ground, Network& network, const AgentId& id, std::string name,
           std::vector<SimPhone*> phones)
      : ground_(ground),
        network_(network),
        id_(id),
        name_(std::move(name)),
        phones_(std::move(phones)),
        clock_(ground.scheduler) {}

  // Backs up until the simulation ends.
  void Run();

 private:
  struct Sent {
    std::uint64_t durable = 0;
  };

  void BackUp(SimPhone& phone);
  void ChangeFiles(SimPhone& phone);
  // nullptr: it could not be begun.
  std::unique_ptr<storage::BegunSession> Begin(const SimPhone& phone);
  void ReadBase(const storage::BegunSession& begun);
  // Sends those chunks of `tree` that `wanted` names.
  absl::Status Send(const storage::BegunSession& begun, const SealedTree& tree,
                    const std::vector<std::size_t>& wanted);
  absl::StatusOr<std::vector<std::size_t>> Ask(const storage::BegunSession& begun,
                                               const SealedTree& tree);
  void CommitAll(const storage::BegunSession& begun, const SealedTree& tree);
  void Touch(const storage::BegunSession& begun);
  void Abort(const storage::BegunSession& begun);
  // An error that an honest agent must never hear is a broken promise.
  void Judge(std::string_view call, const absl::Status& status);

  Ground& ground_;
  Network& network_;
  const AgentId id_;
  const std::string name_;
  const std::vector<SimPhone*> phones_;
  SimClock clock_;
};

}  // namespace mooring::testing
