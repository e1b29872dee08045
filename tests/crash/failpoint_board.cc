#include "tests/crash/failpoint_board.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "storage/base/check.h"

namespace mooring::testing {
namespace {

constexpr std::array<const char*, kFailOps> kOpNames = {
    "create", "write", "sync",      "sync-dir", "rename", "unlink",
    "mkdir",  "read",  "statement", "commit",   "answer", "allocate"};
constexpr std::array<const char*, kFailPlaces> kPlaceNames = {
    "staging", "packs",      "snapshots", "keys",     "gc",
    "catalog", "repository", "elsewhere", "database", "memory"};

struct ActionName {
  const char* name;
  FailAction action;
  int error;
};
constexpr std::array<ActionName, 8> kActionNames = {{
    {"kill-before", FailAction::kKillBefore, 0},
    {"kill-after", FailAction::kKillAfter, 0},
    {"kill-torn", FailAction::kKillTorn, 0},
    {"lose-reply", FailAction::kLoseReply, 0},
    {"skip", FailAction::kSkip, 0},
    {"eio", FailAction::kError, EIO},
    {"enospc", FailAction::kError, ENOSPC},
    {"enomem", FailAction::kError, ENOMEM},
}};
constexpr char kForever[] = "-forever";

template <typename Value, std::size_t kSize>
std::optional<Value> IndexOf(const std::array<const char*, kSize>& names, const std::string& name) {
  for (std::size_t i = 0; i < kSize; ++i) {
    if (name == names[i]) return static_cast<Value>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string ToWords(const Failpoint& failpoint) {
  std::string action = "none";
  for (const ActionName& known : kActionNames) {
    if (known.action == failpoint.action && known.error == failpoint.error) action = known.name;
  }
  return fmt::format("{}@{}:{}:{}{}", kOpNames.at(static_cast<std::size_t>(failpoint.op)),
                     kPlaceNames.at(static_cast<std::size_t>(failpoint.place)), failpoint.nth,
                     action, failpoint.forever ? kForever : "");
}

std::optional<Failpoint> FailpointOf(const std::string& words) {
  const std::size_t at = words.find('@');
  const std::size_t first = words.find(':');
  const std::size_t second = words.find(':', first + 1);
  if (at == std::string::npos || first == std::string::npos || second == std::string::npos ||
      at > first) {
    return std::nullopt;
  }
  Failpoint failpoint;
  const auto op = IndexOf<FailOp>(kOpNames, words.substr(0, at));
  const auto place = IndexOf<FailPlace>(kPlaceNames, words.substr(at + 1, first - at - 1));
  if (!op || !place ||
      !absl::SimpleAtoi(words.substr(first + 1, second - first - 1), &failpoint.nth)) {
    return std::nullopt;
  }
  failpoint.op = *op;
  failpoint.place = *place;
  std::string action = words.substr(second + 1);
  const std::size_t forever = action.rfind(kForever);
  if (forever != std::string::npos) {
    failpoint.forever = true;
    action.resize(forever);
  }
  for (const ActionName& known : kActionNames) {
    if (action != known.name) continue;
    failpoint.action = known.action;
    failpoint.error = known.error;
    return failpoint;
  }
  return std::nullopt;
}

FailpointBoard::FailpointBoard(const std::string& path, const std::string& repository)
    : path_(path) {
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  MOORING_CHECK(fd >= 0);
  MOORING_CHECK(ftruncate(fd, sizeof(FailpointPage)) == 0);
  void* const mapped =
      mmap(nullptr, sizeof(FailpointPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  MOORING_CHECK(mapped != MAP_FAILED);
  page_ = static_cast<FailpointPage*>(mapped);
  MOORING_CHECK(repository.size() < sizeof page_->repository);
  std::memcpy(page_->repository, repository.c_str(), repository.size() + 1);
}

FailpointBoard::~FailpointBoard() {
  munmap(page_, sizeof(FailpointPage));
  unlink(path_.c_str());
}

Environment FailpointBoard::environment() const {
  return {{"LD_PRELOAD", MOORING_FAILPOINT_LIBRARY}, {kFailpointVariable, path_}};
}

void FailpointBoard::Arm(const Failpoint& failpoint) {
  Disarm();
  page_->op = failpoint.op;
  page_->place = failpoint.place;
  page_->action = failpoint.action;
  page_->error = failpoint.error;
  page_->forever = failpoint.forever ? 1 : 0;
  page_->nth = failpoint.nth;
  page_->seen = 0;
  page_->acted = 0;
  page_->armed.store(1, std::memory_order_release);
}

void FailpointBoard::Disarm() {
  page_->armed.store(0, std::memory_order_release);
}

std::uint64_t FailpointBoard::acted() const {
  return page_->acted;
}

std::uint64_t FailpointBoard::Count(FailOp op, FailPlace place) const {
  return page_->counts[static_cast<std::size_t>(op)][static_cast<std::size_t>(place)];
}

std::string FailpointBoard::Counts() const {
  std::string text;
  for (std::size_t op = 0; op < kFailOps; ++op) {
    for (std::size_t place = 0; place < kFailPlaces; ++place) {
      const std::uint64_t count = page_->counts[op][place];
      if (count > 0) text += fmt::format("{}@{} {}\n", kOpNames[op], kPlaceNames[place], count);
    }
  }
  return text;
}

}  // namespace mooring::testing
