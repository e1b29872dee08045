// Providers: contacts, SMS, MMS, call log, calendar and media of a phone, in a private
// in-memory SQLite, asked through content:// addresses as `content` does.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "storage/base/mutex.h"
#include "tests/phones/android/content_uri.h"

struct sqlite3;

namespace mooring::testing::android {

struct Blob {
  std::string bytes;
};
using Value = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;

struct QueryResult {
  std::vector<std::string> columns;
  std::vector<std::vector<Value>> rows;
};

struct ProviderQuery {
  std::string uri;
  std::vector<std::string> projection;
  std::string where;
  std::string sort;
};

using Bindings = std::vector<std::pair<std::string, Value>>;

// Thread-safe. kPermissionDenied: the provider refuses the shell. kNotFound: no such
// address; the message is what Android says. kInvalidArgument: SQLite's words.
class Providers {
 public:
  explicit Providers(int android);
  ~Providers();
  Providers(const Providers&) = delete;
  Providers& operator=(const Providers&) = delete;

  absl::StatusOr<QueryResult> Query(const ProviderQuery& query);
  // The new row's _id; nullopt: silently ignored, as SMS from all but the default app.
  absl::StatusOr<std::optional<std::int64_t>> Insert(std::string_view uri, const Bindings& values);
  absl::StatusOr<std::int64_t> Update(const ProviderQuery& query, const Bindings& values);
  absl::StatusOr<std::int64_t> Delete(const ProviderQuery& query);
  // The bytes of a part, or contacts as vCards.
  absl::StatusOr<std::string> Read(std::string_view uri);

  // Rows as the phone's own apps make them, past every refusal. `table` is one of the
  // tables of providers.cc.
  void Add(std::string_view table, const Bindings& values);
  void Execute(const std::string& sql);
  // Every row of a table, by _id.
  QueryResult Table(std::string_view table);
  std::int64_t Count(std::string_view table);
  static const std::vector<std::string>& Tables();

  // By name: contacts, sms, mms, call_log, calendar, media, settings.
  void Refuse(const std::string& name);
  void Allow(const std::string& name);
  void set_sms_writable(bool writable);
  bool sms_writable();

 private:
  absl::StatusOr<ContentTarget> Resolve(std::string_view uri) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<QueryResult> Run(const std::string& sql, const Bindings& values)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::string> VCards(std::string_view keys) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::StatusOr<std::optional<std::int64_t>> InsertRow(const std::string& table,
                                                        const Bindings& values)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Mutex mutex_;
  sqlite3* database_ = nullptr;
  std::set<std::string> refused_ ABSL_GUARDED_BY(mutex_);
  bool sms_writable_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace mooring::testing::android
