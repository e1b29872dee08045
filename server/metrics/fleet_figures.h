// FleetFigures: what the catalog and the store say of the fleet, as the gauges
// show it. Taken from the same compliance evaluation as the report.

#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include <absl/time/time.h>

namespace mooring::server {

// Upper bounds of the age histogram: 1 h, 6 h, 1 d, 2 d, 3 d, 7 d, 14 d, 30 d, 90 d.
inline constexpr std::array<double, 9> kAgeBuckets{3600,   21600,   86400,   172800, 259200,
                                                   604800, 1209600, 2592000, 7776000};

struct FleetFigures {
  absl::Time as_of;
  std::map<std::pair<std::string, std::string>, std::uint64_t> devices;  // state, platform
  std::map<std::string, double> attainment;                              // group
  std::map<std::pair<std::string, std::string>, std::uint64_t> overdue;  // group, cause
  std::map<std::string, std::uint64_t> people_without_device;            // group
  std::array<std::uint64_t, kAgeBuckets.size()> ages{};                  // not cumulative
  std::uint64_t ages_count = 0;
  double ages_sum = 0;
  std::map<std::string, std::uint64_t> agents;  // online, offline, revoked
  double oldest_agent_age_seconds = 0;
  std::uint64_t people = 0;
  std::uint64_t snapshots = 0;
  std::uint64_t store_used_bytes = 0;
  std::uint64_t store_free_bytes = 0;
  std::uint64_t store_reserve_bytes = 0;
  std::map<std::string, double> certificate_expiry_seconds;  // ca, server
  // Of the pruner's last round, on whatever server.
  std::map<std::string, std::uint64_t> pruning_paused;   // cause
  std::map<std::string, std::uint64_t> prune_snapshots;  // kept, dropped, deferred, failed
  double prune_last_run_seconds = 0;                     // Since the epoch; 0: never.
  bool prune_refused = false;                            // No round may begin now.
  std::uint64_t holds = 0;                               // Not released.
  // Of the last complete round of garbage collection, on whatever server.
  std::map<std::string, std::uint64_t> collection_bytes;  // state
  double collection_last_run_seconds = 0;                 // Since the epoch; 0: never.
  bool collection_stopped = false;                        // Its integrity.
  bool collection_recovery = false;                       // The catalog is older than the store.
  bool collection_adds_up = true;
};

// The sessions of this moment, by phase and what they wait for.
struct SessionFigures {
  std::map<std::pair<std::string, std::string>, std::uint64_t> sessions;
  std::uint64_t queued = 0;
  std::uint64_t max = 0;
};

}  // namespace mooring::server
