// What an operator may set of garbage collection. Nothing is safe because of
// these: they delay deletion, so that people have time to notice.

#pragma once

#include <cstdint>

#include <absl/time/time.h>

namespace mooring::storage {

struct CollectionOptions {
  // Younger packs are not looked at.
  absl::Duration pack_age_min = absl::Hours(24);
  // From condemned to doomed; at least `marks_min` later marks come between, too.
  absl::Duration condemned_for = absl::Hours(72);
  std::uint64_t marks_min = 2;
  // From doomed to removed.
  absl::Duration doomed_for = absl::Hours(24);
  // Objects that nothing points to, and records of deleted snapshots.
  absl::Duration orphan_age_min = absl::Hours(7 * 24);
  // Packs of which less than this is live or condemned are rewritten.
  std::uint64_t compact_below_percent = 50;
  // Packs shorter than this are merged.
  std::uint64_t small_pack_bytes = std::uint64_t{16} << 20;
  // Most that one round copies.
  std::uint64_t compact_bytes_max = std::uint64_t{64} << 30;
  // Most that may be removed a day, of what is stored; but always this much.
  std::uint64_t removed_percent_a_day = 5;
  std::uint64_t removed_bytes_a_day_min = std::uint64_t{1} << 30;
  // Between the server's clock and the database's.
  absl::Duration clock_difference_max = absl::Seconds(60);
};

}  // namespace mooring::storage
