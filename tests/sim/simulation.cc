#include "tests/sim/simulation.h"

#include <utility>

#include <fmt/format.h>

#include "storage/base/check.h"
#include "storage/base/status.h"
#include "tests/sim/sim_jobs.h"

namespace mooring::testing {
namespace {

constexpr std::uint64_t kCheckEvery = 400;       // Steps.
constexpr std::uint64_t kWindDownMax = 400'000;  // Far more than it takes.

}  // namespace

absl::StatusOr<SimResult> Simulation::Run(const SimOptions& options, StackPool& stacks) {
  Dice drawing(options.seed);
  std::optional<Profile> profile = DrawProfile(options.profile, drawing);
  if (!profile) {
    return absl::InvalidArgumentError(fmt::format("no profile is called {}", options.profile));
  }
  if (options.steps) profile->steps = *options.steps;
  Simulation simulation(options, *profile, stacks);
  MOORING_RETURN_IF_ERROR(simulation.SetUp());
  simulation.SpawnAll();
  simulation.RunUntil(profile->steps, [] { return false; });
  simulation.WindDown();
  simulation.Stop();
  const Ground& ground = simulation.ground_;
  SimResult result;
  result.failure = ground.oracle.failure();
  result.trace_hash = ground.trace.hash();
  result.steps = ground.scheduler.steps();
  result.snapshots = ground.oracle.acknowledged().size();
  result.deleted = ground.oracle.deleted().size();
  result.lasted = ground.scheduler.now();
  return result;
}

absl::Status Simulation::SetUp() {
  PlainKek kek;
  MOORING_RETURN_IF_ERROR(storage::Repository::Create({}, ground_.catalog, ground_.disk, kek,
                                                      ground_.database_clock, ground_.dice));
  MOORING_RETURN_IF_ERROR(AddPeople());
  MOORING_RETURN_IF_ERROR(AddPolicy());
  MOORING_RETURN_IF_ERROR(AddAgents());
  for (unsigned i = 0; i < ground_.profile.servers; ++i) {
    network_.AddServer(std::make_unique<SimServer>(ground_, static_cast<int>(i + 1)));
  }
  return absl::OkStatus();
}

absl::Status Simulation::AddPeople() {
  for (unsigned i = 0; i < ground_.profile.people; ++i) {
    storage::PersonRecord person;
    person.id = PersonId::Make(ground_.dice);
    person.handle = fmt::format("person{}", i);
    person.group = "default";
    person.created_at = ground_.database_clock.Now();
    MOORING_RETURN_IF_ERROR(ground_.catalog.Run(
        {}, [&](storage::Transaction& tx) { return tx.people().Create(person); }));
    people_.push_back(person.id);
  }
  return absl::OkStatus();
}

absl::Status Simulation::AddPolicy() {
  v1::Policy policy;
  policy.set_group("default");
  policy.set_rpo("1d");
  policy.mutable_retention()->set_keep_last(static_cast<std::uint32_t>(ground_.dice.Between(1, 4)));
  if (ground_.dice.Chance(500)) policy.mutable_retention()->set_daily(3);
  return ground_.catalog.Run({}, [&](storage::Transaction& tx) {
    return tx.policies().Apply(policy, "account:anna", ground_.database_clock.Now()).status();
  });
}

absl::Status Simulation::AddAgents() {
  const unsigned count = ground_.profile.agents + ground_.profile.hostile_agents;
  for (unsigned i = 0; i < count; ++i) {
    storage::AgentRecord agent;
    agent.id = AgentId::Make(ground_.dice);
    agent.hostname = fmt::format("agent{}", i);
    agent.hpke_public_key = Bytes(32);
    agent.key_hash.resize(32);
    ground_.dice.Fill(agent.key_hash);
    agent.enrolled_at = ground_.database_clock.Now();
    MOORING_RETURN_IF_ERROR(ground_.catalog.Run(
        {}, [&](storage::Transaction& tx) { return tx.agents().Create(agent); }));
    agent_ids_.push_back(agent.id);
  }
  const unsigned phones = ground_.profile.devices + ground_.profile.hostile_agents;
  for (unsigned i = 0; i < phones; ++i) {
    const auto owner = static_cast<int>(ground_.dice.Roll(people_.size()));
    MOORING_RETURN_IF_ERROR(AddPhone(agent_ids_[i % count], owner));
  }
  return absl::OkStatus();
}

absl::Status Simulation::AddPhone(const AgentId& agent, int owner) {
  auto phone = std::make_unique<SimPhone>();
  phone->id = DeviceId::Make(ground_.dice);
  phone->owner = owner;
  phone->person = people_[static_cast<std::size_t>(owner)];
  v1::DeviceFacts facts;
  facts.set_platform(v1::PLATFORM_IOS);
  facts.set_serial(fmt::format("PHONE-{}", phones_.size()));
  const absl::Status added = ground_.catalog.Run({}, [&](storage::Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(
        tx.devices().Attach(phone->id, facts, agent, ground_.database_clock.Now()).status());
    return tx.devices().Assign(phone->id, phone->person).status();
  });
  MOORING_RETURN_IF_ERROR(added);
  phones_.push_back(std::move(phone));
  return absl::OkStatus();
}

void Simulation::SpawnAll() {
  for (const auto& server : network_.servers()) server->Run();
  const unsigned devices = ground_.profile.devices;
  // Each phone is seen at one or two desks.
  std::vector<std::vector<SimPhone*>> at_desk(ground_.profile.agents);
  for (unsigned i = 0; i < devices; ++i) {
    at_desk[i % at_desk.size()].push_back(phones_[i].get());
    if (ground_.dice.Chance(300)) {
      at_desk[ground_.dice.Roll(at_desk.size())].push_back(phones_[i].get());
    }
  }
  for (unsigned i = 0; i < ground_.profile.agents; ++i) {
    if (at_desk[i].empty()) continue;
    agents_.push_back(std::make_unique<SimAgent>(ground_, network_, agent_ids_[i],
                                                 fmt::format("agent{}", i), at_desk[i]));
    ground_.SpawnClient(fmt::format("agent{}", i),
                        [agent = agents_.back().get()] { agent->Run(); });
  }
  for (unsigned i = 0; i < ground_.profile.hostile_agents; ++i) {
    hostile_.push_back(
        std::make_unique<HostileAgent>(ground_, network_, agent_ids_[ground_.profile.agents + i],
                                       fmt::format("hostile{}", i), *phones_[devices + i]));
    ground_.SpawnClient(fmt::format("hostile{}", i),
                        [agent = hostile_.back().get()] { agent->Run(); });
  }
  ground_.SpawnClient("deleter", [this] { RunDeleter(ground_, network_); });
  ground_.SpawnClient("rot", [this] { RunRot(ground_); });
  ground_.SpawnClient("misfortune", [this] { RunMisfortune(ground_, network_, travel_); });
}

template <typename Done>
void Simulation::RunUntil(std::uint64_t steps_max, Done done) {
  const std::uint64_t last = ground_.scheduler.steps() + steps_max;
  std::uint64_t next_check = ground_.scheduler.steps() + kCheckEvery;
  while (!ground_.oracle.failure() && ground_.scheduler.steps() < last && !done()) {
    if (!ground_.scheduler.Step()) {
      return ground_.oracle.Fail("every task waits for another");
    }
    if (ground_.scheduler.steps() < next_check) continue;
    Check();
    next_check = ground_.scheduler.steps() + kCheckEvery;
  }
}

void Simulation::Check() {
  ground_.oracle.is_silent() ? travel_.Check() : checker_.CheckNow();
}

// Nothing new begins and nothing fails any more; then the power is cut once, and
// what was promised is asked for.
void Simulation::WindDown() {
  ground_.BecomeQuiet();
  RunUntil(kWindDownMax, [this] { return ground_.clients == 0; });
  if (ground_.oracle.failure()) return;
  if (ground_.clients > 0) return ground_.oracle.Fail("the agents do not come to an end");
  CutPower(ground_, network_);
  for (const auto& server : network_.servers()) server->JumpClock(absl::ZeroDuration());
  SimServer& server = *network_.servers().front();
  RunUntil(kWindDownMax, [&server] { return server.life() != nullptr; });
  const std::shared_ptr<ServerLife> life = server.life();
  if (ground_.oracle.failure()) return;
  if (life == nullptr) return ground_.oracle.Fail("I4: the server does not start again");
  Check();
  ground_.resting = true;
  ground_.SpawnClient("judge", [this, life] { JudgeQuietSystem(*life); });
  RunUntil(kWindDownMax, [this] { return ground_.clients == 0; });
  if (ground_.clients > 0) ground_.oracle.Fail("the system does not come to rest");
  Check();
}

void Simulation::JudgeQuietSystem(ServerLife& life) {
  if (ground_.profile.scrub_every != absl::InfiniteDuration()) {
    // What clocks that were ahead have marked is due again; the first scrub may only
    // end a pass that began before something rotted.
    ground_.scheduler.Sleep(absl::Hours(200));
    for (int i = 0; i < 2; ++i) {
      const absl::Status cared = Care(ground_, life);
      if (!cared.ok()) return ground_.oracle.Fail(fmt::format("scrubbing: {}", cared.ToString()));
    }
    ground_.rotten.clear();  // Whatever rotted is healed.
  }
  checker_.CheckAcknowledged(life);
  // Every lease ends, and whatever nobody needs goes through every state and away.
  constexpr int kRoundsMax = 30;
  for (int i = 0; i < kRoundsMax && !ground_.oracle.failure(); ++i) {
    if (i >= 4 && checker_.IsAtRest()) break;
    ground_.scheduler.Sleep(absl::Hours(200));
    const absl::Status expired = life.repository().ExpireSessions({}).status();
    if (!expired.ok()) {
      return ground_.oracle.Fail(fmt::format("sessions do not expire: {}", expired.ToString()));
    }
    const absl::Status collected = Collect(ground_, life);
    // Another server's round may come between.
    if (!collected.ok() && !absl::IsFailedPrecondition(collected)) {
      return ground_.oracle.Fail(fmt::format("collecting fails: {}", collected.ToString()));
    }
  }
  checker_.CheckAtRest();
  checker_.CheckAcknowledged(life);
}

void Simulation::Stop() {
  ground_.BecomeQuiet();
  ground_.stopping = true;
  for (const auto& server : network_.servers()) server->Crash();
  for (std::uint64_t i = 0; ground_.scheduler.has_tasks(); ++i) {
    MOORING_CHECK(i < kWindDownMax && ground_.scheduler.Step());
  }
}

}  // namespace mooring::testing
