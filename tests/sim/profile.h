// Profile: what one simulation is made of: how many of each, how often what
// fails. Each seed draws its own (swarm testing): a fault that is rare
// everywhere hides behind the others; one seed without it and one that is full
// of it find more.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/time/time.h>

#include "tests/sim/dice.h"

namespace mooring::testing {

// Chances are in thousandths, per occasion.
struct Profile {
  std::uint64_t steps = 4000;  // Of the main phase.

  unsigned servers = 1;
  unsigned agents = 2;
  unsigned people = 2;
  unsigned devices = 3;
  unsigned contents = 8;  // Different files that a person may have.
  unsigned hostile_agents = 0;

  // At every statement, and at every call of the store.
  unsigned switch_chance = 500;
  std::int64_t pace_us = 2000;
  absl::Duration backup_pause = absl::Minutes(10);

  unsigned database_gone = 0;
  unsigned database_conflict = 0;
  unsigned commit_in_doubt = 0;
  unsigned store_fails_before = 0;
  unsigned store_fails_after = 0;
  unsigned store_keeps_half = 0;
  unsigned store_flips_byte = 0;
  unsigned store_is_full = 0;

  unsigned network_loses = 0;  // A request or its answer.
  unsigned network_repeats = 0;
  absl::Duration network_delay = absl::Milliseconds(20);
  unsigned stream_breaks = 0;  // Between two chunks.

  absl::Duration crash_every = absl::InfiniteDuration();  // One server.
  absl::Duration power_cut_every = absl::InfiniteDuration();
  absl::Duration clock_jump_every = absl::InfiniteDuration();
  absl::Duration travel_every = absl::InfiniteDuration();  // The catalog, back in time.

  absl::Duration expire_every = absl::Minutes(2);
  absl::Duration prune_every = absl::Hours(6);
  absl::Duration delete_every = absl::Hours(3);
  absl::Duration collect_every = absl::Hours(2);
  absl::Duration scrub_every = absl::InfiniteDuration();  // And the replica's sync before it.
  absl::Duration rot_every = absl::InfiniteDuration();    // A byte of a pack, for good.
  // Of the collector; every one of them is zero in some seeds.
  absl::Duration young_pack = absl::ZeroDuration();
  absl::Duration condemned_for = absl::ZeroDuration();
  absl::Duration doomed_for = absl::ZeroDuration();
  absl::Duration orphan_age = absl::ZeroDuration();
  std::uint64_t marks_min = 0;
  std::uint64_t small_pack_bytes = 0;

  unsigned agent_vanishes = 0;  // In the middle of a backup.
  unsigned agent_aborts = 0;
  unsigned agent_skips_find = 0;
  unsigned agent_commits_first = 0;  // And sends what the server then misses.
};

// Names that --profile takes: swarm (the default), calm, faults, crash, network,
// collect, hostile, travel, rot. nullopt: no such profile.
std::optional<Profile> DrawProfile(std::string_view name, Dice& dice);

}  // namespace mooring::testing
