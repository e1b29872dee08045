#include "tests/phones/android/content_uri.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace mooring::testing::android {
namespace {

constexpr std::string_view kScheme = "content://";

// The parts of an address behind its scheme.
using Parts = std::vector<std::string_view>;

Parts SplitUri(std::string_view uri) {
  Parts parts;
  std::string_view rest = uri.substr(kScheme.size());
  rest = rest.substr(0, rest.find('?'));
  while (!rest.empty()) {
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    if (slash > 0) parts.push_back(rest.substr(0, slash));
    rest.remove_prefix(std::min(slash + 1, rest.size()));
  }
  return parts;
}

std::string_view At(const Parts& parts, std::size_t index) {
  return index < parts.size() ? parts[index] : std::string_view();
}

bool IsNumber(std::string_view text) {
  return !text.empty() && text.size() < 19 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

// The condition for one row, or none if the address ends before.
std::string RowAt(const Parts& parts, std::size_t index, std::string_view column = "_id") {
  const std::string_view id = At(parts, index);
  return IsNumber(id) ? fmt::format("{}={}", column, id) : "";
}

std::optional<ContentTarget> Sms(const Parts& parts) {
  static const std::map<std::string_view, int> kBoxes = {
      {"inbox", 1}, {"sent", 2}, {"draft", 3}, {"outbox", 4}, {"failed", 5}, {"queued", 6}};
  ContentTarget target{.provider = "sms", .permission = "READ_SMS", .table = "sms"};
  const std::string_view first = At(parts, 1);
  target.where = RowAt(parts, 1);
  if (const auto box = kBoxes.find(first); box != kBoxes.end()) {
    target.where = fmt::format("type={}", box->second);
    target.box = box->second;
  } else if (!first.empty() && target.where.empty()) {
    return std::nullopt;
  }
  return target;
}

std::optional<ContentTarget> Mms(const Parts& parts) {
  ContentTarget target{.provider = "mms", .permission = "READ_SMS", .table = "mms"};
  const std::string_view first = At(parts, 1);
  const std::string_view second = At(parts, 2);
  if (first == "part") {
    target.table = "parts";
    target.where = RowAt(parts, 2);
  } else if (IsNumber(first) && (second == "addr" || second == "part")) {
    target.table = second == "addr" ? "mms_addr" : "parts";
    target.where = RowAt(parts, 1, second == "addr" ? "msg_id" : "mid");
  } else if (first == "inbox" || first == "sent") {
    target.where = first == "inbox" ? "msg_box=1" : "msg_box=2";
  } else {
    target.where = RowAt(parts, 1);
  }
  return target;
}

std::optional<ContentTarget> Contacts(const Parts& parts) {
  ContentTarget target{.provider = "contacts", .permission = "READ_CONTACTS"};
  const std::string_view first = At(parts, 1);
  target.table = first == "data" ? "data_view" : std::string(first);
  target.where = RowAt(parts, 2);
  if (first == "raw_contacts" && At(parts, 3) == "data") {
    target.table = "data_view";
    target.where = RowAt(parts, 2, "raw_contact_id");
  } else if (first == "data" && At(parts, 2) == "phones") {
    target.where = "mimetype='vnd.android.cursor.item/phone_v2'";
  } else if (first == "data" && At(parts, 2) == "emails") {
    target.where = "mimetype='vnd.android.cursor.item/email_v2'";
  } else if (first != "raw_contacts" && first != "contacts" && first != "data") {
    return std::nullopt;
  }
  return target;
}

std::optional<ContentTarget> CallLog(const Parts& parts) {
  if (At(parts, 1) != "calls") return std::nullopt;
  return ContentTarget{.provider = "call_log",
                       .permission = "READ_CALL_LOG",
                       .table = "calls",
                       .where = RowAt(parts, 2)};
}

std::optional<ContentTarget> Calendar(const Parts& parts) {
  const std::string_view first = At(parts, 1);
  if (first != "events" && first != "calendars" && first != "reminders") return std::nullopt;
  return ContentTarget{.provider = "calendar",
                       .permission = "READ_CALENDAR",
                       .table = std::string(first),
                       .where = RowAt(parts, 2)};
}

}  // namespace

absl::StatusOr<ContentTarget> ResolveContentUri(std::string_view uri) {
  using Resolver = std::optional<ContentTarget> (*)(const Parts&);
  static const std::map<std::string_view, Resolver> kResolvers = {
      {"sms", Sms},           {"mms", Mms},          {"com.android.contacts", Contacts},
      {"contacts", Contacts}, {"call_log", CallLog}, {"com.android.calendar", Calendar}};
  const Parts parts = uri.starts_with(kScheme) ? SplitUri(uri) : Parts();
  const auto resolver = kResolvers.find(At(parts, 0));
  if (resolver == kResolvers.end()) {
    return absl::NotFoundError(fmt::format("Could not find provider: {}", At(parts, 0)));
  }
  std::optional<ContentTarget> target = resolver->second(parts);
  if (!target) return absl::NotFoundError(fmt::format("Unknown URL {}", uri));
  return *std::move(target);
}

}  // namespace mooring::testing::android
