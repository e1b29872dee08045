// Trace: what a simulation did, as a hash that two runs of one seed share, and
// as text where it is asked for.

#pragma once

#include <cstdint>
#include <cstdio>
#include <string_view>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "tests/sim/scheduler.h"

namespace mooring::testing {

class Trace {
 public:
  // `out` may be null. The scheduler outlives this.
  Trace(const Scheduler& scheduler, std::FILE* out) : scheduler_(scheduler), out_(out) {}

  // One call at a seam: who is known, `what` and `detail` say what, `code` how it ended.
  void Note(std::string_view what, std::string_view detail = {},
            absl::StatusCode code = absl::StatusCode::kOk) {
    Mix(static_cast<std::uint64_t>(scheduler_.task_number()));
    Mix(static_cast<std::uint64_t>(code));
    MixText(what);
    MixText(detail);
    if (out_ == nullptr) return;
    fmt::print(out_, "{:>7} {:>14.6f} {:<22} {} {} {}\n", scheduler_.steps(),
               absl::ToDoubleSeconds(scheduler_.now()), scheduler_.task_name(), what, detail,
               code == absl::StatusCode::kOk ? "" : absl::StatusCodeToString(code));
  }

  std::uint64_t hash() const { return hash_; }

 private:
  void Mix(std::uint64_t value) {
    hash_ = (hash_ ^ value) * 0x100000001b3;
    hash_ ^= hash_ >> 29;
  }
  void MixText(std::string_view text) {
    for (const char c : text) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    Mix(text.size());
  }

  const Scheduler& scheduler_;
  std::FILE* const out_;
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

}  // namespace mooring::testing
