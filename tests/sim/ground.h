// Ground: what everything in one simulation stands on and shares: time, dice,
// what is durable, and what the world was told.

#pragma once

#include <cstdint>
#include <cstdio>
#include <set>
#include <string>
#include <utility>

#include <absl/functional/any_invocable.h>

#include "storage/objects/memory_object_store.h"
#include "tests/sim/dice.h"
#include "tests/sim/memory_catalog/memory_catalog.h"
#include "tests/sim/oracle.h"
#include "tests/sim/planted_bug.h"
#include "tests/sim/profile.h"
#include "tests/sim/scheduler.h"
#include "tests/sim/sim_clock.h"
#include "tests/sim/trace.h"

namespace mooring::testing {

// Turns of the catalog's own transactions: none of a server. No faults.
class FiberTurns : public Turns {
 public:
  FiberTurns(Scheduler& scheduler, Scheduler::WaitList& ended)
      : scheduler_(scheduler), ended_(ended) {}

  void WaitForOthers(Mutex& mutex, std::stop_token /*stop*/) override {
    mutex.Unlock();
    scheduler_.Wait(ended_);
    mutex.Lock();
  }
  void WakeOthers() override { scheduler_.WakeAll(ended_); }

 private:
  Scheduler& scheduler_;
  Scheduler::WaitList& ended_;
};

struct Ground {
  Ground(const Profile& drawn, PlantedBug planted, std::uint64_t seed, StackPool& stacks,
         std::FILE* trace_out)
      : profile(drawn),
        bug(planted),
        dice(seed ^ 0x6d6f6f72696e67),
        scheduler(dice, stacks),
        trace(scheduler, trace_out) {
    catalog.set_makers(MakersWith(planted));
    scheduler.set_pace(profile.pace_us);
  }

  // A task of somebody who uses the servers.
  void SpawnClient(std::string name, absl::AnyInvocable<void()> body) {
    ++clients;
    scheduler.Spawn(std::move(name), [this, body = std::move(body)]() mutable {
      body();
      --clients;
    });
  }

  // Of a client: shorter where it becomes quiet.
  void SleepOrQuiet(absl::Duration duration) {
    if (!quiet) scheduler.WaitFor(quieting, duration);
  }
  void BecomeQuiet() {
    quiet = true;
    faults = false;
    scheduler.WakeAll(quieting);
  }

  const Profile profile;
  const PlantedBug bug;
  Dice dice;
  Scheduler scheduler;
  Trace trace;
  Scheduler::WaitList transactions_ended;
  Scheduler::WaitList quieting;  // Clients that sleep until their next deed.
  FiberTurns calm_turns{scheduler, transactions_ended};
  SimClock database_clock{scheduler};
  SimClock store_clock{scheduler};
  MemoryCatalog catalog{database_clock, calm_turns};
  storage::MemoryObjectStore disk{store_clock};
  storage::MemoryObjectStore replica{store_clock};
  std::set<PackId> rotten;              // One byte of theirs is wrong; the replica's copy is good.
  std::set<std::string> volatile_keys;  // On the disk, and lost at a power cut.
  Oracle oracle;
  bool faults = true;
  bool quiet = false;     // Clients begin nothing new and come to their end.
  int clients = 0;        // Tasks that are not servers'.
  bool resting = false;   // The servers' jobs have ended, too.
  bool stopping = false;  // Every task comes to its end.
};

}  // namespace mooring::testing
