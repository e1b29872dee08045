#include "server/compliance/policy_check.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "server/metrics/server_metrics.h"
#include "storage/base/status.h"
#include "storage/retention/duration.h"

namespace mooring::server {
namespace {

constexpr absl::Duration kDurationMax = absl::Hours(24 * 3650);
constexpr std::uint32_t kKeepMax = 1000;

absl::Status Wrong(std::string_view key, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format("{}: {}", key, why));
}

absl::Status NotYet(std::string_view key) {
  return absl::UnimplementedError(fmt::format(
      "{}: this version does not enforce it yet, and a policy must not promise what is not done; "
      "leave it out",
      key));
}

absl::Status CheckDuration(std::string_view key, const std::string& text) {
  if (text.empty()) return absl::OkStatus();
  return Annotate(ParsePolicyDuration(text).status(), key);
}

absl::Status CheckGroup(const std::string& group) {
  if (group.size() > 64) return Wrong("group", "longer than 64 characters");
  for (const char c : group) {
    const auto byte = static_cast<unsigned char>(c);
    if (!absl::ascii_islower(byte) && !absl::ascii_isdigit(byte) && c != '-' && c != '_' &&
        c != '.') {
      return Wrong("group", "use a-z, 0-9, '-', '_' and '.' only");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckRetention(const v1::Retention& retention) {
  if (retention.ByteSizeLong() == 0) return absl::OkStatus();  // Everything is kept.
  if (retention.keep_last() < 1) {
    return Wrong("retention.keep_last", "must be at least 1: the newest snapshot is always kept");
  }
  for (const std::uint32_t count : {retention.keep_last(), retention.daily(), retention.weekly(),
                                    retention.monthly(), retention.yearly()}) {
    if (count > kKeepMax) {
      return Wrong("retention", fmt::format("no count may be over {}", kKeepMax));
    }
  }
  return CheckDuration("retention.minimum_age", retention.minimum_age());
}

absl::Status CheckCategories(const v1::Policy& policy) {
  std::vector<v1::Category> seen;
  for (const v1::CategoryRule& rule : policy.categories()) {
    if (rule.category() == v1::CATEGORY_UNSPECIFIED ||
        rule.action() == v1::CATEGORY_ACTION_UNSPECIFIED) {
      return Wrong("categories", "each needs a category and an action");
    }
    const std::string name = LabelOf(v1::Category_Name(rule.category()), "CATEGORY_");
    if (std::find(seen.begin(), seen.end(), rule.category()) != seen.end()) {
      return Wrong("categories", fmt::format("{} is named twice", name));
    }
    seen.push_back(rule.category());
    if (rule.action() != v1::CATEGORY_ACTION_SKIP) continue;
    if (!policy.ios().full_off()) {
      return Wrong("categories",
                   fmt::format("{} cannot be skipped: an iPhone's full capture is all or nothing, "
                               "so nothing can be cut out of it; set ios.full_off, or capture it",
                               name));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckClock(std::string_view key, const std::string& text) {
  int hour = 0;
  int minute = 0;
  if (text.empty() ||
      (text.size() == 5 && text[2] == ':' && absl::SimpleAtoi(text.substr(0, 2), &hour) &&
       absl::SimpleAtoi(text.substr(3), &minute) && hour >= 0 && hour < 24 && minute >= 0 &&
       minute < 60)) {
    return absl::OkStatus();
  }
  return Wrong(key, fmt::format("\"{}\" is no time of day, as in 08:30", text.substr(0, 32)));
}

absl::Status CheckMeaning(const v1::Policy& policy) {
  MOORING_RETURN_IF_ERROR(CheckGroup(policy.group()));
  if (policy.description().size() > 1000) return Wrong("description", "longer than 1000 bytes");
  MOORING_RETURN_IF_ERROR(CheckDuration("rpo", policy.rpo()));
  MOORING_RETURN_IF_ERROR(CheckRetention(policy.retention()));
  MOORING_RETURN_IF_ERROR(CheckClock("window.from", policy.window().from()));
  MOORING_RETURN_IF_ERROR(CheckClock("window.to", policy.window().to()));
  if (policy.minimum_battery_percent() > 100) {
    return Wrong("minimum_battery_percent", "is a percentage, 0 to 100");
  }
  MOORING_RETURN_IF_ERROR(CheckDuration("drill_interval", policy.drill_interval()));
  MOORING_RETURN_IF_ERROR(CheckDuration("update_freshness", policy.update_freshness()));
  for (const std::string& agent : policy.roaming().agents()) {
    if (agent.empty() || agent.size() > 253) return Wrong("roaming.agents", "not a host name");
  }
  return CheckCategories(policy);
}

// What the schema has and this version does not do.
absl::Status CheckEnforced(const v1::Policy& policy) {
  if (policy.custody() == v1::CUSTODY_HSM || policy.custody() == v1::CUSTODY_SEALED) {
    return NotYet("custody (other than managed)");
  }
  const v1::BackupWindow& window = policy.window();
  if (!window.from().empty() || !window.to().empty() || window.snooze_budget() != 0) {
    return NotYet("window");
  }
  if (policy.minimum_battery_percent() != 0) return NotYet("minimum_battery_percent");
  if (policy.bandwidth_bytes_per_second() != 0) return NotYet("bandwidth_bytes_per_second");
  if (policy.replicas() != 0) return NotYet("replicas");
  if (!policy.drill_interval().empty()) return NotYet("drill_interval");
  if (!policy.update_freshness().empty()) return NotYet("update_freshness");
  if (!policy.os_floor().ios().empty() || !policy.os_floor().android().empty()) {
    return NotYet("os_floor");
  }
  if (policy.tampered_action() == v1::TAMPERED_ACTION_WARN ||
      policy.tampered_action() == v1::TAMPERED_ACTION_REFUSE) {
    return NotYet("tampered_action (other than allow)");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<absl::Duration> ParsePolicyDuration(std::string_view text) {
  MOORING_ASSIGN_OR_RETURN(const absl::Duration duration, storage::ParseDuration(text));
  if (duration <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError("must be longer than nothing");
  }
  if (duration > kDurationMax) return absl::InvalidArgumentError("longer than ten years");
  return duration;
}

absl::Status CheckPolicy(const v1::Policy& policy) {
  MOORING_RETURN_IF_ERROR(CheckMeaning(policy));
  return CheckEnforced(policy);
}

v1::Policy WithDefaults(v1::Policy policy) {
  if (policy.group().empty()) policy.set_group("default");
  if (policy.rpo().empty()) policy.set_rpo("7d");
  if (policy.phone_encryption() == v1::PHONE_ENCRYPTION_UNSPECIFIED) {
    policy.set_phone_encryption(v1::PHONE_ENCRYPTION_AS_IS);
  }
  if (policy.custody() == v1::CUSTODY_UNSPECIFIED) policy.set_custody(v1::CUSTODY_MANAGED);
  return policy;
}

v1::Policy BuiltInPolicy() {
  v1::Policy policy;
  policy.set_group("default");
  policy.set_description("What applies until another policy does");
  policy.set_rpo("7d");
  policy.mutable_retention()->set_keep_last(3);
  policy.mutable_retention()->set_daily(7);
  policy.mutable_retention()->set_weekly(4);
  policy.mutable_retention()->set_monthly(6);
  return WithDefaults(std::move(policy));
}

std::vector<v1::Category> CapturedCategories(const v1::Policy& policy) {
  std::vector<v1::Category> captured;
  for (int value = v1::Category_MIN; value <= v1::Category_MAX; ++value) {
    if (!v1::Category_IsValid(value) || value == v1::CATEGORY_UNSPECIFIED) continue;
    const auto category = static_cast<v1::Category>(value);
    v1::CategoryAction action = category == v1::CATEGORY_INSTALLED_APPS
                                    ? v1::CATEGORY_ACTION_SKIP
                                    : v1::CATEGORY_ACTION_CAPTURE;
    for (const v1::CategoryRule& rule : policy.categories()) {
      if (rule.category() == category) action = rule.action();
    }
    if (action == v1::CATEGORY_ACTION_CAPTURE) captured.push_back(category);
  }
  return captured;
}

absl::StatusOr<std::vector<v1::CaptureKind>> AllowedCaptures(const v1::Policy& policy,
                                                             v1::Platform platform,
                                                             std::vector<v1::CaptureKind> asked) {
  if (platform == v1::PLATFORM_ANDROID) {
    return std::vector<v1::CaptureKind>{v1::CAPTURE_KIND_FULL};
  }
  if (!policy.ios().full_off()) return asked;
  const std::vector<v1::Category> captured = CapturedCategories(policy);
  if (std::find(captured.begin(), captured.end(), v1::CATEGORY_PHOTOS) == captured.end()) {
    return absl::PermissionDeniedError("policy takes nothing of an iPhone");
  }
  return std::vector<v1::CaptureKind>{v1::CAPTURE_KIND_PHOTOS};
}

absl::Duration RpoOf(const v1::Policy& policy) {
  return ParsePolicyDuration(policy.rpo()).value_or(kDefaultRpo);
}

absl::Duration DueAfter(const v1::Policy& policy) {
  return std::min(RpoOf(policy) / 2, absl::Hours(24));
}

}  // namespace mooring::server
