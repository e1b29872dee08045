#include "tests/phones/android/providers.h"

#include <algorithm>

#include <fmt/format.h>
#include <sqlite3.h>

#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::testing::android {
namespace {

constexpr char kSchema[] = R"(
CREATE TABLE sms(_id INTEGER PRIMARY KEY AUTOINCREMENT, thread_id INTEGER, address TEXT,
  person INTEGER, date INTEGER, date_sent INTEGER DEFAULT 0, protocol INTEGER,
  read INTEGER DEFAULT 0, status INTEGER DEFAULT -1, type INTEGER, reply_path_present INTEGER,
  subject TEXT, body TEXT, service_center TEXT, locked INTEGER DEFAULT 0,
  sub_id INTEGER DEFAULT -1, error_code INTEGER DEFAULT -1, creator TEXT,
  seen INTEGER DEFAULT 0);
CREATE TABLE mms(_id INTEGER PRIMARY KEY AUTOINCREMENT, thread_id INTEGER, date INTEGER,
  date_sent INTEGER DEFAULT 0, msg_box INTEGER, read INTEGER DEFAULT 0, m_id TEXT, sub TEXT,
  sub_cs INTEGER, ct_t TEXT, m_type INTEGER, sub_id INTEGER DEFAULT -1, seen INTEGER DEFAULT 0);
CREATE TABLE mms_part(_id INTEGER PRIMARY KEY AUTOINCREMENT, mid INTEGER, seq INTEGER DEFAULT 0,
  ct TEXT, name TEXT, chset INTEGER, cid TEXT, cl TEXT, _data TEXT, text TEXT, bytes BLOB);
CREATE TABLE mms_addr(_id INTEGER PRIMARY KEY AUTOINCREMENT, msg_id INTEGER,
  contact_id INTEGER, address TEXT, type INTEGER, charset INTEGER);
CREATE TABLE calls(_id INTEGER PRIMARY KEY AUTOINCREMENT, number TEXT,
  presentation INTEGER DEFAULT 1, date INTEGER, duration INTEGER, type INTEGER,
  features INTEGER DEFAULT 0, name TEXT, numbertype INTEGER, new INTEGER, is_read INTEGER,
  geocoded_location TEXT, subscription_id TEXT);
CREATE TABLE raw_contacts(_id INTEGER PRIMARY KEY AUTOINCREMENT, account_name TEXT,
  account_type TEXT, contact_id INTEGER, deleted INTEGER DEFAULT 0, starred INTEGER DEFAULT 0,
  version INTEGER DEFAULT 1, dirty INTEGER DEFAULT 0, sourceid TEXT);
CREATE TABLE data(_id INTEGER PRIMARY KEY AUTOINCREMENT, raw_contact_id INTEGER,
  mimetype TEXT, is_primary INTEGER DEFAULT 0, data1 TEXT, data2 TEXT, data3 TEXT, data4 TEXT,
  data5 TEXT, data6 TEXT, data7 TEXT, data8 TEXT, data9 TEXT, data10 TEXT, data15 BLOB);
CREATE TABLE calendars(_id INTEGER PRIMARY KEY AUTOINCREMENT, account_name TEXT,
  account_type TEXT, name TEXT, calendar_displayName TEXT, calendar_color INTEGER,
  calendar_access_level INTEGER, ownerAccount TEXT, visible INTEGER DEFAULT 1,
  sync_events INTEGER DEFAULT 1);
CREATE TABLE events(_id INTEGER PRIMARY KEY AUTOINCREMENT, calendar_id INTEGER, title TEXT,
  eventLocation TEXT, description TEXT, dtstart INTEGER, dtend INTEGER, duration TEXT,
  eventTimezone TEXT, allDay INTEGER DEFAULT 0, rrule TEXT, rdate TEXT, exdate TEXT,
  hasAlarm INTEGER DEFAULT 0, availability INTEGER DEFAULT 0, deleted INTEGER DEFAULT 0,
  organizer TEXT);
CREATE TABLE reminders(_id INTEGER PRIMARY KEY AUTOINCREMENT, event_id INTEGER,
  minutes INTEGER, method INTEGER);
CREATE VIEW contacts AS SELECT r.contact_id AS _id, 'key' || r.contact_id AS lookup,
  (SELECT data1 FROM data d WHERE d.raw_contact_id = r._id AND
   d.mimetype = 'vnd.android.cursor.item/name' LIMIT 1) AS display_name, r.starred AS starred
  FROM raw_contacts r WHERE r.deleted = 0;
CREATE VIEW data_view AS SELECT d.*, r.contact_id, r.account_name, r.account_type,
  'key' || r.contact_id AS lookup,
  (SELECT data1 FROM data n WHERE n.raw_contact_id = r._id AND
   n.mimetype = 'vnd.android.cursor.item/name' LIMIT 1) AS display_name
  FROM data d JOIN raw_contacts r ON r._id = d.raw_contact_id;
CREATE VIEW parts AS SELECT _id, mid, seq, ct, name, chset, cid, cl, _data, text FROM mms_part;
)";

constexpr std::string_view kPhone = "vnd.android.cursor.item/phone_v2";
constexpr std::string_view kEmail = "vnd.android.cursor.item/email_v2";

void Bind(sqlite3_stmt* statement, int index, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    sqlite3_bind_int64(statement, index, *number);
  } else if (const auto* real = std::get_if<double>(&value)) {
    sqlite3_bind_double(statement, index, *real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    sqlite3_bind_text(statement, index, text->data(), static_cast<int>(text->size()),
                      SQLITE_TRANSIENT);
  } else if (const auto* blob = std::get_if<Blob>(&value)) {
    sqlite3_bind_blob(statement, index, blob->bytes.data(), static_cast<int>(blob->bytes.size()),
                      SQLITE_TRANSIENT);
  } else {
    sqlite3_bind_null(statement, index);
  }
}

Value ColumnOf(sqlite3_stmt* statement, int column) {
  const auto length = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return static_cast<std::int64_t>(sqlite3_column_int64(statement, column));
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_TEXT:
      return std::string(static_cast<const char*>(sqlite3_column_blob(statement, column)), length);
    case SQLITE_BLOB:
      return Blob{
          std::string(static_cast<const char*>(sqlite3_column_blob(statement, column)), length)};
    default:
      return {};
  }
}

std::string TextOf(const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (std::holds_alternative<Blob>(value)) return "BLOB";
  return "NULL";
}

// vCard 2.1 writes what is not plain ASCII as quoted-printable.
std::string VCardValue(std::string_view text) {
  const bool is_plain = std::all_of(text.begin(), text.end(),
                                    [](char c) { return c >= 0x20 && c < 0x7F && c != '='; });
  if (is_plain) return ":" + std::string(text);
  std::string value = ";CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:";
  for (const char c : text) value += fmt::format("={:02X}", static_cast<unsigned char>(c));
  return value;
}

std::string Join(const std::string& first, const std::string& second) {
  if (first.empty() || second.empty()) return first + second;
  return "(" + first + ") AND (" + second + ")";
}

}  // namespace

Providers::Providers(int android) {
  MOORING_CHECK(sqlite3_open_v2(":memory:", &database_,
                                SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                                nullptr) == SQLITE_OK);
  Execute(kSchema);
  // The Shell app has no READ_CALL_LOG before Android 11.
  if (android < 11) refused_.insert("call_log");
}

Providers::~Providers() {
  sqlite3_close(database_);
}

void Providers::Execute(const std::string& sql) {
  MutexLock lock(mutex_);
  MOORING_CHECK(sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
}

const std::vector<std::string>& Providers::Tables() {
  static const std::vector<std::string> tables = {"sms",    "mms",          "mms_part", "mms_addr",
                                                  "calls",  "raw_contacts", "data",     "calendars",
                                                  "events", "reminders"};
  return tables;
}

absl::StatusOr<ContentTarget> Providers::Resolve(std::string_view uri) {
  MOORING_ASSIGN_OR_RETURN(ContentTarget target, ResolveContentUri(uri));
  if (!refused_.contains(target.provider)) return target;
  return absl::PermissionDeniedError(
      fmt::format("Permission Denial: opening provider from (null) (pid=4711, uid=2000) requires "
                  "android.permission.{}",
                  target.permission));
}

absl::StatusOr<QueryResult> Providers::Run(const std::string& sql, const Bindings& values) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(database_, sql.c_str(), static_cast<int>(sql.size()), &statement,
                         nullptr) != SQLITE_OK) {
    return absl::InvalidArgumentError(fmt::format("{} (code 1 SQLITE_ERROR): , while compiling: {}",
                                                  sqlite3_errmsg(database_), sql));
  }
  int index = 0;
  for (const auto& [name, value] : values) Bind(statement, ++index, value);
  QueryResult result;
  for (int i = 0; i < sqlite3_column_count(statement); ++i) {
    result.columns.emplace_back(sqlite3_column_name(statement, i));
  }
  int step = sqlite3_step(statement);
  for (; step == SQLITE_ROW; step = sqlite3_step(statement)) {
    std::vector<Value>& row = result.rows.emplace_back();
    for (int i = 0; i < sqlite3_column_count(statement); ++i) {
      row.push_back(ColumnOf(statement, i));
    }
  }
  const std::string message = sqlite3_errmsg(database_);
  sqlite3_finalize(statement);
  if (step != SQLITE_DONE) return absl::InvalidArgumentError(message);
  return result;
}

absl::StatusOr<QueryResult> Providers::Query(const ProviderQuery& query) {
  MutexLock lock(mutex_);
  MOORING_ASSIGN_OR_RETURN(const ContentTarget target, Resolve(query.uri));
  std::string columns = query.projection.empty() ? "*" : "";
  for (const std::string& column : query.projection) {
    columns += (columns.empty() ? "" : ", ") + column;
  }
  const std::string where = Join(target.where, query.where);
  return Run(fmt::format("SELECT {} FROM {}{}{} ORDER BY {}", columns, target.table,
                         where.empty() ? "" : " WHERE ", where,
                         !query.sort.empty()                                ? query.sort
                         : target.table == "sms" || target.table == "calls" ? "date DESC"
                                                                            : "_id"),
             {});
}

absl::StatusOr<std::optional<std::int64_t>> Providers::InsertRow(const std::string& table,
                                                                 const Bindings& values) {
  std::string columns;
  std::string marks;
  for (const auto& [name, value] : values) {
    columns += (columns.empty() ? "" : ", ") + name;
    marks += marks.empty() ? "?" : ", ?";
  }
  MOORING_RETURN_IF_ERROR(
      Run(values.empty() ? fmt::format("INSERT INTO {} DEFAULT VALUES", table)
                         : fmt::format("INSERT INTO {}({}) VALUES ({})", table, columns, marks),
          values)
          .status());
  return std::optional<std::int64_t>(sqlite3_last_insert_rowid(database_));
}

absl::StatusOr<std::optional<std::int64_t>> Providers::Insert(std::string_view uri,
                                                              const Bindings& values) {
  MutexLock lock(mutex_);
  MOORING_ASSIGN_OR_RETURN(ContentTarget target, Resolve(uri));
  if ((target.provider == "sms" || target.provider == "mms") && !sms_writable_) {
    return std::optional<std::int64_t>();
  }
  if (target.table == "contacts" || target.table == "parts") {
    return absl::InvalidArgumentError(fmt::format("URI: {} cannot be inserted into", uri));
  }
  if (target.table == "data_view") target.table = "data";
  Bindings all = values;
  const bool has_type = std::any_of(values.begin(), values.end(),
                                    [](const auto& given) { return given.first == "type"; });
  if (target.box && !has_type) all.emplace_back("type", std::int64_t{*target.box});
  MOORING_ASSIGN_OR_RETURN(const std::optional<std::int64_t> id, InsertRow(target.table, all));
  if (target.table == "raw_contacts") {
    MOORING_RETURN_IF_ERROR(
        Run(fmt::format("UPDATE raw_contacts SET contact_id=_id WHERE _id={}", id.value_or(0)), {})
            .status());
  }
  return id;
}

absl::StatusOr<std::int64_t> Providers::Update(const ProviderQuery& query, const Bindings& values) {
  MutexLock lock(mutex_);
  MOORING_ASSIGN_OR_RETURN(const ContentTarget target, Resolve(query.uri));
  if ((target.provider == "sms" || target.provider == "mms") && !sms_writable_) return 0;
  std::string assignments;
  for (const auto& [name, value] : values) {
    assignments += (assignments.empty() ? "" : ", ") + name + "=?";
  }
  const std::string where = Join(target.where, query.where);
  const std::string table = target.table == "data_view" ? "data" : target.table;
  MOORING_RETURN_IF_ERROR(Run(fmt::format("UPDATE {} SET {}{}{}", table, assignments,
                                          where.empty() ? "" : " WHERE ", where),
                              values)
                              .status());
  return sqlite3_changes(database_);
}

absl::StatusOr<std::int64_t> Providers::Delete(const ProviderQuery& query) {
  MutexLock lock(mutex_);
  MOORING_ASSIGN_OR_RETURN(const ContentTarget target, Resolve(query.uri));
  if ((target.provider == "sms" || target.provider == "mms") && !sms_writable_) return 0;
  const std::string where = Join(target.where, query.where);
  const std::string table = target.table == "data_view" ? "data" : target.table;
  MOORING_RETURN_IF_ERROR(
      Run(fmt::format("DELETE FROM {}{}{}", table, where.empty() ? "" : " WHERE ", where), {})
          .status());
  const std::int64_t deleted = sqlite3_changes(database_);
  if (table == "raw_contacts") {
    MOORING_RETURN_IF_ERROR(
        Run("DELETE FROM data WHERE raw_contact_id NOT IN (SELECT _id FROM raw_contacts)", {})
            .status());
  }
  return deleted;
}

absl::StatusOr<std::string> Providers::VCards(std::string_view keys) {
  std::string cards;
  while (!keys.empty()) {
    std::size_t end = keys.find(':');
    std::size_t skip = 1;
    if (const std::size_t escaped = keys.find("%3A"); escaped < end) {
      end = escaped;
      skip = 3;
    }
    end = std::min(end, keys.size());
    const std::string key(keys.substr(0, end));
    keys.remove_prefix(std::min(end + skip, keys.size()));
    MOORING_ASSIGN_OR_RETURN(
        const QueryResult rows,
        Run("SELECT mimetype, data1, data2, data3 FROM data_view WHERE lookup=? ORDER BY _id",
            {{"lookup", key}}));
    if (rows.rows.empty()) continue;
    cards += "BEGIN:VCARD\r\nVERSION:2.1\r\n";
    for (const std::vector<Value>& row : rows.rows) {
      const std::string type = TextOf(row[0]);
      const std::string value = TextOf(row[1]);
      if (type == "vnd.android.cursor.item/name") {
        const std::string family = TextOf(row[3]);
        const std::string given = TextOf(row[2]);
        cards += "N" + VCardValue(family + ";" + given + ";;;") + "\r\n";
        cards += "FN" + VCardValue(value) + "\r\n";
      } else if (type == kPhone) {
        cards += "TEL;CELL" + VCardValue(value) + "\r\n";
      } else if (type == kEmail) {
        cards += "EMAIL;HOME" + VCardValue(value) + "\r\n";
      } else if (type == "vnd.android.cursor.item/note") {
        cards += "NOTE" + VCardValue(value) + "\r\n";
      }
    }
    cards += "END:VCARD\r\n";
  }
  return cards;
}

absl::StatusOr<std::string> Providers::Read(std::string_view uri) {
  constexpr std::string_view kVCards = "content://com.android.contacts/contacts/as_multi_vcard/";
  constexpr std::string_view kVCard = "content://com.android.contacts/contacts/as_vcard/";
  MutexLock lock(mutex_);
  for (const std::string_view prefix : {kVCards, kVCard}) {
    if (!uri.starts_with(prefix)) continue;
    MOORING_RETURN_IF_ERROR(Resolve("content://com.android.contacts/contacts").status());
    return VCards(uri.substr(prefix.size()));
  }
  MOORING_ASSIGN_OR_RETURN(const ContentTarget target, Resolve(uri));
  if (target.table != "parts" || target.where.empty()) {
    return absl::NotFoundError(fmt::format("No files supported by provider at {}", uri));
  }
  MOORING_ASSIGN_OR_RETURN(
      const QueryResult rows,
      Run(fmt::format("SELECT bytes FROM mms_part WHERE {}", target.where), {}));
  const Blob* blob = rows.rows.empty() ? nullptr : std::get_if<Blob>(&rows.rows[0][0]);
  if (blob == nullptr) return absl::NotFoundError(fmt::format("No entry for {}", uri));
  return blob->bytes;
}

void Providers::Add(std::string_view table, const Bindings& values) {
  MutexLock lock(mutex_);
  MOORING_CHECK(InsertRow(std::string(table), values).ok());
}

QueryResult Providers::Table(std::string_view table) {
  MutexLock lock(mutex_);
  absl::StatusOr<QueryResult> rows = Run(fmt::format("SELECT * FROM {} ORDER BY _id", table), {});
  MOORING_CHECK(rows.ok());
  return *std::move(rows);
}

std::int64_t Providers::Count(std::string_view table) {
  MutexLock lock(mutex_);
  const absl::StatusOr<QueryResult> rows = Run(fmt::format("SELECT count(*) FROM {}", table), {});
  MOORING_CHECK(rows.ok());
  return std::get<std::int64_t>(rows->rows[0][0]);
}

void Providers::Refuse(const std::string& name) {
  MutexLock lock(mutex_);
  refused_.insert(name);
}

void Providers::Allow(const std::string& name) {
  MutexLock lock(mutex_);
  refused_.erase(name);
}

void Providers::set_sms_writable(bool writable) {
  MutexLock lock(mutex_);
  sms_writable_ = writable;
}

bool Providers::sms_writable() {
  MutexLock lock(mutex_);
  return sms_writable_;
}

}  // namespace mooring::testing::android
