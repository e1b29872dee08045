// What a content:// address means: which provider, which table, which rows.

#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

namespace mooring::testing::android {

struct ContentTarget {
  std::string provider = {};    // contacts, sms, mms, call_log, calendar.
  std::string permission = {};  // What reading it takes.
  std::string table = {};       // Of providers.cc.
  std::string where = {};       // What the address itself asks for; empty: every row.
  std::optional<int> box = {};  // Of sms: the type that a new row there has.
};

// kNotFound: there is no such provider, or it does not know the address, in Android's words.
absl::StatusOr<ContentTarget> ResolveContentUri(std::string_view uri);

}  // namespace mooring::testing::android
