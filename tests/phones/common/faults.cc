#include "tests/phones/common/faults.h"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fnmatch.h>

#include "storage/base/status.h"
#include "tests/phones/common/words.h"

namespace mooring::testing {
namespace {

constexpr std::array<std::pair<std::string_view, FaultKind>, 11> kNames = {{
    {"unplug", FaultKind::kUnplug},
    {"stall", FaultKind::kStall},
    {"file-error", FaultKind::kFileError},
    {"error", FaultKind::kFinalError},
    {"purge", FaultKind::kPurge},
    {"full", FaultKind::kNoSpace},
    {"wrong-order", FaultKind::kWrongOrder},
    {"hostile", FaultKind::kHostile},
    {"vanish", FaultKind::kVanish},
    {"grow", FaultKind::kGrow},
    {"sync-fail", FaultKind::kSyncFail},
}};

absl::StatusOr<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return absl::InvalidArgumentError(fmt::format("{} is not a number", text));
  }
  return value;
}

absl::Status SetParameter(Fault& fault, std::string_view key, std::string_view value) {
  if (key == "at") {
    fault.step = std::string(value);
    return absl::OkStatus();
  }
  if (key == "value") {
    fault.value = std::string(value);
    return absl::OkStatus();
  }
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t number, ParseNumber(value));
  if (key == "after") {
    fault.after_bytes = number;
  } else if (key == "received") {
    fault.after_received = number;
  } else if (key == "random") {
    fault.random_below = number;
  } else if (key == "ms") {
    fault.delay_ms = number;
  } else if (key == "code") {
    fault.code = static_cast<int>(number);
  } else if (key == "times") {
    fault.times = static_cast<int>(number);
  } else {
    return absl::InvalidArgumentError(fmt::format("a fault has no parameter {}", key));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Fault> ParseFault(std::string_view text) {
  const std::vector<std::string> words = SplitWords(text);
  if (words.empty()) return absl::InvalidArgumentError("a fault needs a kind");
  Fault fault;
  bool known = false;
  for (const auto& [name, kind] : kNames) {
    if (name != words.front()) continue;
    fault.kind = kind;
    known = true;
  }
  if (!known)
    return absl::InvalidArgumentError(fmt::format("no fault is called {}", words.front()));
  for (std::size_t i = 1; i < words.size(); ++i) {
    const std::size_t equals = words[i].find('=');
    if (equals == std::string_view::npos) {
      return absl::InvalidArgumentError(fmt::format("{} is not KEY=VALUE", words[i]));
    }
    MOORING_RETURN_IF_ERROR(SetParameter(fault, std::string_view(words[i]).substr(0, equals),
                                         std::string_view(words[i]).substr(equals + 1)));
  }
  return fault;
}

void FaultPlan::Add(Fault fault) {
  MutexLock lock(mutex_);
  faults_.push_back(std::move(fault));
}

void FaultPlan::Clear() {
  MutexLock lock(mutex_);
  faults_.clear();
}

std::vector<Fault> FaultPlan::list() {
  MutexLock lock(mutex_);
  return faults_;
}

template <typename Matches>
std::optional<Fault> FaultPlan::TakeIf(Matches matches) {
  MutexLock lock(mutex_);
  for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
    if (!matches(*fault)) continue;
    const Fault taken = *fault;
    if (--fault->times <= 0) faults_.erase(fault);
    return taken;
  }
  return std::nullopt;
}

std::optional<Fault> FaultPlan::Take(FaultKind kind) {
  return TakeIf([&](const Fault& fault) { return fault.kind == kind; });
}

std::optional<Fault> FaultPlan::TakeAtStep(FaultKind kind, std::string_view step) {
  return TakeIf([&](const Fault& fault) { return fault.kind == kind && fault.step == step; });
}

std::optional<Fault> FaultPlan::TakeAtBytes(FaultKind kind, std::uint64_t sent,
                                            std::uint64_t length) {
  return TakeIf([&](const Fault& fault) {
    return fault.kind == kind && fault.step.empty() && fault.after_bytes.has_value() &&
           *fault.after_bytes >= sent && *fault.after_bytes < sent + length;
  });
}

std::optional<Fault> FaultPlan::TakeAtReceived(FaultKind kind, std::uint64_t received,
                                               std::uint64_t length) {
  return TakeIf([&](const Fault& fault) {
    return fault.kind == kind && fault.after_received.has_value() &&
           *fault.after_received >= received && *fault.after_received < received + length;
  });
}

std::optional<Fault> FaultPlan::TakeForPath(FaultKind kind, std::string_view path) {
  return TakeIf([&](const Fault& fault) {
    return fault.kind == kind &&
           (fault.value.empty() || fnmatch(fault.value.c_str(), std::string(path).c_str(), 0) == 0);
  });
}

}  // namespace mooring::testing
