#include "tests/phones/iphone/faults.h"

#include <array>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::testing {
namespace {

constexpr std::array<std::pair<std::string_view, FaultKind>, 8> kNames = {{
    {"unplug", FaultKind::kUnplug},
    {"stall", FaultKind::kStall},
    {"file-error", FaultKind::kFileError},
    {"error", FaultKind::kFinalError},
    {"purge", FaultKind::kPurge},
    {"full", FaultKind::kNoSpace},
    {"wrong-order", FaultKind::kWrongOrder},
    {"hostile", FaultKind::kHostile},
}};

std::vector<std::string_view> SplitWords(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(' ');
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find(' '), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

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
  const std::vector<std::string_view> words = SplitWords(text);
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
    MOORING_RETURN_IF_ERROR(
        SetParameter(fault, words[i].substr(0, equals), words[i].substr(equals + 1)));
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

}  // namespace mooring::testing
