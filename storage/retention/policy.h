// Retention as a pure function: what is known of snapshots, rules, pins, holds,
// pauses and a time give a verdict with its reasons for every snapshot. Plan,
// simulator, explanation and pruner all use this one.
//
// Judged per capture. A snapshot carries captures (`full`, `photos`), each made by
// one session at its own time; a session that makes one keeps the other as it was,
// so one capture can stand in many snapshots. Therefore:
// - A *capture* is a kind and the session that made it. It counts once for the
//   rules of its kind, however many snapshots carry it over.
// - It is kept in the oldest snapshot that still holds it whole: the one that was
//   made with it, as long as that is there.
// - Days, weeks, months and years are those of the capture's own time, in UTC.
// - Which is newer is told by the sequence of these snapshots, never by a clock.
// - A snapshot goes only if no rule keeps it for any of its captures, it is old
//   enough, and nothing else keeps it: pin, hold, pause, a time in the future,
//   damage. The last two keep it and take no other's place.
//
// Rules count captures and the days, weeks, ... that have one; they never ask how
// long ago something was. So a clock that jumps ahead drops nothing beyond what
// minimum age and the end of a pin alone held, and a phone that was away keeps
// what it has.
//
// What always holds (tests/unit/storage/retention/oracle_test.cc): the newest of
// each capture of a lineage stays; pinned, held and paused ones stay; a rule more
// never drops more; judging what was kept again drops nothing.

#pragma once

#include <string>
#include <vector>

#include <absl/status/status.h>

#include "mooring/v1/policy.pb.h"
#include "mooring/v1/retention.pb.h"

namespace mooring::storage {

// False where no count is given: then everything is kept, whatever the minimum age.
bool StatesRules(const v1::Retention& rules);

// kInvalidArgument: the minimum age is no duration.
absl::Status CheckRules(const v1::Retention& rules);

// One verdict for each snapshot, in the order given. Rules that CheckRules refuses
// keep everything and say so. Each snapshot has at most one capture of a kind (of
// more, the first counts); one without any counts as one capture of its own.
std::vector<v1::RetentionVerdict> Judge(const v1::RetentionInput& input);

// What `to` keeps less of than `from`, one text a rule, such as "daily from 7 to 3".
// Empty if it keeps at least as much, whatever snapshots there are.
std::vector<std::string> LoweredRules(const v1::Retention& from, const v1::Retention& to);

}  // namespace mooring::storage
