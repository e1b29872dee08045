// Network: calls from agents to servers. Requests and answers are delayed, lost
// and repeated as the profile says; every request that arrives runs as a task of
// its own at its server, so that calls overtake each other.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "tests/sim/ground.h"
#include "tests/sim/sim_server.h"

namespace mooring::testing {

class Network {
 public:
  explicit Network(Ground& ground) : ground_(ground) {}

  void AddServer(std::unique_ptr<SimServer> server) { servers_.push_back(std::move(server)); }
  const std::vector<std::unique_ptr<SimServer>>& servers() const { return servers_; }

  // Calls some server. kUnavailable: no answer came in time, whatever was done.
  // `handle` runs at the server, perhaps more than once.
  template <typename Reply>
  absl::StatusOr<Reply> Call(const std::string& name,
                             std::function<absl::StatusOr<Reply>(ServerLife&)> handle) {
    SimServer& server = *ground_.dice.Pick(servers_);
    const auto pending = std::make_shared<Pending<Reply>>();
    const int copies = Repeats() ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
      if (Loses()) continue;
      ground_.scheduler.Spawn(
          name, [this, &server, pending, handle] { Serve<Reply>(server, pending, handle); });
    }
    ground_.scheduler.WaitFor(pending->answered, absl::Minutes(2));
    absl::StatusOr<Reply> reply = absl::UnavailableError("network: no answer");
    if (pending->reply) reply = *std::move(pending->reply);
    ground_.trace.Note("call", name, reply.status().code());
    return reply;
  }

 private:
  template <typename Reply>
  struct Pending {
    std::optional<absl::StatusOr<Reply>> reply;
    Scheduler::WaitList answered;
  };

  template <typename Reply>
  void Serve(SimServer& server, const std::shared_ptr<Pending<Reply>>& pending,
             const std::function<absl::StatusOr<Reply>(ServerLife&)>& handle) {
    Delay();
    const std::shared_ptr<ServerLife> life = server.life();
    absl::StatusOr<Reply> reply = absl::UnavailableError("network: the server is down");
    if (life != nullptr && !ground_.stopping) {
      reply = handle(*life);
      if (life->dead()) reply = absl::UnavailableError("network: the connection broke");
    }
    if (Loses()) return;
    Delay();
    if (pending->reply) return;
    pending->reply = std::move(reply);
    ground_.scheduler.WakeAll(pending->answered);
  }

  bool Loses() { return ground_.faults && ground_.dice.Chance(ground_.profile.network_loses); }
  bool Repeats() { return ground_.faults && ground_.dice.Chance(ground_.profile.network_repeats); }
  void Delay() {
    const auto most =
        static_cast<std::uint64_t>(absl::ToInt64Microseconds(ground_.profile.network_delay));
    ground_.scheduler.Sleep(absl::Microseconds(1 + ground_.dice.Roll(most)));
  }

  Ground& ground_;
  std::vector<std::unique_ptr<SimServer>> servers_;
};

}  // namespace mooring::testing
