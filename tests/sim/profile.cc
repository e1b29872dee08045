#include "tests/sim/profile.h"

namespace mooring::testing {
namespace {

// Zero in half of the seeds.
unsigned Maybe(Dice& dice, unsigned per_mille_max) {
  return dice.Chance(500) ? 0 : static_cast<unsigned>(1 + dice.Roll(per_mille_max));
}

absl::Duration MaybeEvery(Dice& dice, absl::Duration least, absl::Duration most) {
  if (dice.Chance(500)) return absl::InfiniteDuration();
  return least + (most - least) * (static_cast<double>(dice.Roll(1000)) / 1000.0);
}

absl::Duration Pick(Dice& dice, std::vector<absl::Duration> from) {
  return dice.Pick(from);
}

void DrawShape(Dice& dice, Profile& profile) {
  profile.servers = static_cast<unsigned>(dice.Between(1, 3));
  profile.agents = static_cast<unsigned>(dice.Between(1, 4));
  profile.people = static_cast<unsigned>(dice.Between(1, 3));
  profile.devices = static_cast<unsigned>(dice.Between(1, 4));
  profile.contents = static_cast<unsigned>(dice.Between(2, 12));
  profile.switch_chance = static_cast<unsigned>(dice.Pick(std::vector<int>{50, 300, 1000}));
  profile.pace_us = dice.Pick(std::vector<std::int64_t>{200, 2000, 50'000});
  profile.backup_pause =
      Pick(dice, {absl::Seconds(10), absl::Minutes(5), absl::Minutes(45), absl::Hours(5)});
  profile.prune_every = Pick(dice, {absl::Minutes(20), absl::Hours(2), absl::Hours(12)});
  profile.delete_every = Pick(dice, {absl::Minutes(10), absl::Hours(1), absl::Hours(8)});
  profile.collect_every = Pick(dice, {absl::Minutes(1), absl::Minutes(15), absl::Hours(4)});
  profile.young_pack = Pick(dice, {absl::ZeroDuration(), absl::Minutes(10), absl::Hours(24)});
  profile.condemned_for = Pick(dice, {absl::ZeroDuration(), absl::Minutes(5), absl::Hours(72)});
  profile.doomed_for = Pick(dice, {absl::ZeroDuration(), absl::Minutes(5), absl::Hours(24)});
  profile.orphan_age = Pick(dice, {absl::ZeroDuration(), absl::Hours(2), absl::Hours(168)});
  profile.marks_min = dice.Roll(3);
  profile.small_pack_bytes = dice.Pick(std::vector<std::uint64_t>{0, 2000, 1 << 20});
}

void DrawFaults(Dice& dice, Profile& profile) {
  profile.database_gone = Maybe(dice, 8);
  profile.database_conflict = Maybe(dice, 30);
  profile.commit_in_doubt = Maybe(dice, 40);
  profile.store_fails_before = Maybe(dice, 30);
  profile.store_fails_after = Maybe(dice, 30);
  profile.store_keeps_half = Maybe(dice, 30);
  profile.store_flips_byte = Maybe(dice, 20);
  profile.store_is_full = Maybe(dice, 5);
}

void DrawNetwork(Dice& dice, Profile& profile) {
  profile.network_loses = Maybe(dice, 150);
  profile.network_repeats = Maybe(dice, 200);
  profile.network_delay =
      Pick(dice, {absl::Milliseconds(1), absl::Milliseconds(100), absl::Seconds(20)});
  profile.stream_breaks = Maybe(dice, 80);
}

void DrawCrashes(Dice& dice, Profile& profile) {
  profile.crash_every = MaybeEvery(dice, absl::Seconds(5), absl::Hours(1));
  profile.power_cut_every = MaybeEvery(dice, absl::Seconds(30), absl::Hours(4));
  profile.clock_jump_every = MaybeEvery(dice, absl::Minutes(1), absl::Hours(3));
}

void DrawAgents(Dice& dice, Profile& profile) {
  profile.agent_vanishes = Maybe(dice, 100);
  profile.agent_aborts = Maybe(dice, 100);
  profile.agent_skips_find = Maybe(dice, 400);
  profile.agent_commits_first = Maybe(dice, 600);
}

}  // namespace

std::optional<Profile> DrawProfile(std::string_view name, Dice& dice) {
  Profile profile;
  DrawShape(dice, profile);
  DrawAgents(dice, profile);
  const bool is_swarm = name == "swarm";
  if (is_swarm || name == "faults") DrawFaults(dice, profile);
  if (is_swarm || name == "network") DrawNetwork(dice, profile);
  if (is_swarm || name == "crash") DrawCrashes(dice, profile);
  if (is_swarm || name == "hostile") {
    profile.hostile_agents = static_cast<unsigned>(dice.Roll(3));
    if (!is_swarm) ++profile.hostile_agents;
  }
  if (name == "collect") {
    // Few contents that come and go, and rounds all the time: everybody meets.
    profile.agents = profile.devices = 4;
    profile.people = 1;
    profile.contents = static_cast<unsigned>(dice.Between(3, 14));
    profile.agent_skips_find = 400;
    profile.agent_commits_first = 500;
    profile.collect_every = absl::Seconds(20);
    profile.delete_every = absl::Minutes(2);
    profile.backup_pause = absl::Seconds(10);
    profile.young_pack = profile.orphan_age = absl::ZeroDuration();
    profile.condemned_for = Pick(dice, {absl::ZeroDuration(), absl::Minutes(1)});
    profile.doomed_for = Pick(dice, {absl::ZeroDuration(), absl::Minutes(2), absl::Minutes(15)});
    profile.marks_min = 0;
    if (dice.Chance(400)) {
      // The same tree again and again, deleted as soon as it is there, and a round
      // at every moment: what a commit finds live is condemned while it is at it.
      profile.contents = 2;
      profile.agent_commits_first = 900;
      profile.agent_skips_find = 1000;
      profile.backup_pause = profile.collect_every = profile.delete_every = absl::Seconds(1);
      profile.network_delay = absl::Milliseconds(1);
      profile.switch_chance = 1000;
      profile.condemned_for = absl::ZeroDuration();
    }
  }
  if (name == "rot" || (is_swarm && dice.Chance(300))) {
    profile.scrub_every = Pick(dice, {absl::Minutes(1), absl::Minutes(10), absl::Hours(1)});
    if (name == "rot" || dice.Chance(500)) profile.rot_every = profile.scrub_every * 2;
  }
  if (name == "travel") {
    profile.travel_every = profile.backup_pause * 5;
    DrawCrashes(dice, profile);
  }
  const bool known = is_swarm || name == "calm" || name == "faults" || name == "network" ||
                     name == "crash" || name == "travel" || name == "hostile" ||
                     name == "collect" || name == "rot";
  return known ? std::optional<Profile>(profile) : std::nullopt;
}

}  // namespace mooring::testing
