// FailpointBoard: the test's side of failpoint.h, and failpoints in words, so that one that
// was drawn can be given again: "rename@packs:3:kill-after".

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tests/crash/failpoint.h"
#include "tests/support/subprocess.h"

namespace mooring::testing {

struct Failpoint {
  FailOp op = FailOp::kEnd;
  FailPlace place = FailPlace::kEnd;
  std::uint64_t nth = 1;
  FailAction action = FailAction::kKillBefore;
  int error = 0;
  bool forever = false;
};

// OP@PLACE:N:ACTION, with ACTION kill-before, kill-after, kill-torn, lose-reply, skip,
// eio, enospc or enomem, with "-forever" behind it or not.
std::string ToWords(const Failpoint& failpoint);
std::optional<Failpoint> FailpointOf(const std::string& words);

class FailpointBoard {
 public:
  // A new file at `path`; `repository` is the store's directory.
  FailpointBoard(const std::string& path, const std::string& repository);
  ~FailpointBoard();
  FailpointBoard(const FailpointBoard&) = delete;
  FailpointBoard& operator=(const FailpointBoard&) = delete;

  // What a process needs to be under this board.
  Environment environment() const;

  // Counts of the failpoint begin now.
  void Arm(const Failpoint& failpoint);
  void Disarm();
  // How often it has acted since it was armed.
  std::uint64_t acted() const;
  std::uint64_t Count(FailOp op, FailPlace place) const;
  // All counts that are not zero, one a line; for finding out what a step calls.
  std::string Counts() const;

 private:
  const std::string path_;
  FailpointPage* page_ = nullptr;
};

}  // namespace mooring::testing
