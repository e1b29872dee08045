#include "agent/android/records_restore.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <absl/hash/hash.h>
#include <fmt/format.h>

#include "agent/android/record_lists.h"
#include "agent/android/settings_rules.h"
#include "agent/device/cause.h"
#include "agent/device/socket_wait.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kOutputBytesMax = 1 << 20;
// Commands that go to the phone at once: well below what a request may hold.
constexpr std::size_t kCommandBytesMax = 12 << 10;
constexpr std::size_t kOneCommandBytesMax = 48 << 10;
// Rows that are written before it is looked whether the phone keeps them.
constexpr std::size_t kTrialRows = 3;

constexpr const char* kRawContactsUri = "content://com.android.contacts/raw_contacts";
constexpr const char* kDataUri = "content://com.android.contacts/data";

// Values that a contact on another phone can have as well.
constexpr std::array<std::string_view, 12> kContactKinds = {
    "name",    "phone_v2", "email_v2",      "postal-address_v2", "organization", "note",
    "website", "nickname", "contact_event", "relation",          "im",           "sip_address"};

std::string ValueOr(const RecordFields& fields, const std::string& key, const char* other) {
  const auto it = fields.find(key);
  return it != fields.end() && it->second ? *it->second : other;
}

bool IsNumber(std::string_view text) {
  const std::string_view digits = !text.empty() && text.front() == '-' ? text.substr(1) : text;
  return !digits.empty() && digits.size() <= 19 &&
         std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool IsContactKind(std::string_view mimetype) {
  constexpr std::string_view kStart = "vnd.android.cursor.item/";
  return mimetype.substr(0, kStart.size()) == kStart &&
         std::find(kContactKinds.begin(), kContactKinds.end(), mimetype.substr(kStart.size())) !=
             kContactKinds.end();
}

std::uint64_t KeyOf(const std::vector<std::string>& values) {
  return absl::Hash<std::vector<std::string>>{}(values);
}

// A contact is the same if the same values are in it.
std::uint64_t ContactKey(std::vector<std::string> values) {
  std::sort(values.begin(), values.end());
  return KeyOf(values);
}

}  // namespace

// A list whose rows stand alone: SMS, calls.
struct RecordsRestore::Flat {
  std::string_view path;
  std::string_view format;
  const char* uri;
  const char* name;
  // What makes two rows the same, numbers first.
  std::vector<std::string> key_numbers;
  std::vector<std::string> key_texts;
  // What is written.
  std::vector<std::pair<std::string, char>> columns;
};

std::string InsertCommand(std::string_view uri, const std::vector<ContentBind>& binds) {
  std::string command = fmt::format("content insert --uri {}", uri);
  for (const ContentBind& bind : binds) {
    command +=
        " --bind " + QuoteForShell(fmt::format("{}:{}:{}", bind.column, bind.type, bind.value));
  }
  return command;
}

bool IsLocalAccount(std::string_view account_type) {
  // The makers' own names for "on this phone".
  constexpr std::array<std::string_view, 8> kLocal = {"",
                                                      "com.android.localphone",
                                                      "vnd.sec.contact.phone",
                                                      "com.android.huawei.phone",
                                                      "com.oppo.contacts.device",
                                                      "com.coloros.contacts.device",
                                                      "com.lge.sync",
                                                      "com.xiaomi.local"};
  return std::find(kLocal.begin(), kLocal.end(), account_type) != kLocal.end();
}

absl::Status RecordsRestore::Judge(const absl::Status& status, const char* name) {
  if (status.ok() || absl::IsCancelled(status) || absl::IsDataLoss(status)) return status;
  if (CauseOf(status) != v1::CAUSE_PHONE_STALLED &&
      (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status))) {
    return status;
  }
  parts_.Remark(
      fmt::format("{}: not restored, this phone does not let us write or read them back", name));
  return absl::OkStatus();
}

absl::StatusOr<ShellResult> RecordsRestore::Ask(const OpContext& ctx, const std::string& command) {
  ShellResult result;
  MOORING_RETURN_IF_ERROR(parts_.line.Run(ctx, [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(result, RunShell(ctx, parts_.line.device(), command, kOutputBytesMax));
    return absl::OkStatus();
  }));
  return result;
}

absl::Status RecordsRestore::RunAll(const OpContext& ctx, const std::vector<std::string>& commands,
                                    std::size_t begin, std::size_t end) {
  std::string joined;
  for (std::size_t i = begin; i < end; ++i) {
    if (!joined.empty() && joined.size() + commands[i].size() > kCommandBytesMax) {
      MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
      MOORING_RETURN_IF_ERROR(Ask(ctx, joined).status());
      joined.clear();
    }
    joined += (joined.empty() ? "" : "; ") + commands[i];
  }
  return joined.empty() ? absl::OkStatus() : Ask(ctx, joined).status();
}

absl::Status RecordsRestore::ReadRecords(
    const OpContext& ctx, std::string_view path, std::string_view format,
    absl::FunctionRef<absl::Status(const RecordFields&)> take) {
  RecordReader records(format);
  MOORING_RETURN_IF_ERROR(
      parts_.snapshot.Read(ctx, path, [&](ByteView bytes) { return records.Feed(bytes, take); }));
  return records.Finish();
}

absl::StatusOr<RecordsRestore::Tally> RecordsRestore::TallyOnPhone(const OpContext& ctx,
                                                                   const Flat& flat) {
  ContentTable table;
  table.uri = flat.uri;
  table.numbers = {"_id"};
  table.numbers.insert(table.numbers.end(), flat.key_numbers.begin(), flat.key_numbers.end());
  table.texts = flat.key_texts;
  if (flat.path == kSmsPath) table.exact = "body";
  Tally tally;
  MOORING_RETURN_IF_ERROR(reader_
                              .Read(ctx, table,
                                    [&](const ContentValues& values) {
                                      std::vector<std::string> key;
                                      for (std::size_t i = 1; i < values.size(); ++i) {
                                        key.push_back(ToValidUtf8(values[i].value_or("")));
                                      }
                                      ++tally[KeyOf(key)];
                                      return absl::OkStatus();
                                    })
                              .status());
  return tally;
}

absl::StatusOr<std::vector<std::string>> RecordsRestore::Missing(const OpContext& ctx,
                                                                 const Flat& flat, Tally on_phone) {
  std::vector<std::string> commands;
  const auto take = [&](const RecordFields& fields) -> absl::Status {
    std::vector<std::string> key;
    for (const auto* columns : {&flat.key_numbers, &flat.key_texts}) {
      for (const std::string& column : *columns) key.push_back(ValueOr(fields, column, ""));
    }
    const auto there = on_phone.find(KeyOf(key));
    if (there != on_phone.end() && there->second > 0) {
      --there->second;
      return absl::OkStatus();
    }
    std::vector<ContentBind> binds;
    for (const auto& [column, type] : flat.columns) {
      const auto it = fields.find(column);
      if (it == fields.end() || !it->second || (type != 's' && !IsNumber(*it->second))) continue;
      binds.push_back({column, type, *it->second});
    }
    commands.push_back(InsertCommand(flat.uri, binds));
    return absl::OkStatus();
  };
  MOORING_RETURN_IF_ERROR(ReadRecords(ctx, flat.path, flat.format, take));
  return commands;
}

absl::Status RecordsRestore::RestoreFlat(const OpContext& ctx, const Flat& flat) {
  MOORING_ASSIGN_OR_RETURN(const Tally before, TallyOnPhone(ctx, flat));
  MOORING_ASSIGN_OR_RETURN(std::vector<std::string> commands, Missing(ctx, flat, before));
  const std::size_t wanted = commands.size();
  std::erase_if(commands, [](const std::string& one) { return one.size() > kOneCommandBytesMax; });
  const std::size_t trial = std::min(kTrialRows, commands.size());
  MOORING_RETURN_IF_ERROR(RunAll(ctx, commands, 0, trial));
  MOORING_ASSIGN_OR_RETURN(const Tally tried, TallyOnPhone(ctx, flat));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> rest, Missing(ctx, flat, tried));
  if (trial > 0 && rest.size() == wanted) {
    parts_.Remark(fmt::format(
        "{}: this phone ignores what is written by anyone but its own app; 0 of {} restored",
        flat.name, wanted));
    return absl::OkStatus();
  }
  MOORING_RETURN_IF_ERROR(RunAll(ctx, commands, trial, commands.size()));
  MOORING_ASSIGN_OR_RETURN(const Tally after, TallyOnPhone(ctx, flat));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::string> missing, Missing(ctx, flat, after));
  parts_.Remark(fmt::format("{}: {} of {} restored and read back{}", flat.name,
                            wanted - std::min(missing.size(), wanted), wanted,
                            before.empty() ? "" : "; others were there already"));
  return absl::OkStatus();
}

absl::Status RecordsRestore::RestoreSms(const OpContext& ctx) {
  constexpr const char* kOp = "com.android.shell WRITE_SMS";
  const Flat flat{kSmsPath,
                  kSmsFormat,
                  "content://sms",
                  "SMS",
                  {"date", "type"},
                  {"address", "body"},
                  {{"address", 's'},
                   {"date", 'l'},
                   {"date_sent", 'l'},
                   {"read", 'i'},
                   {"seen", 'i'},
                   {"type", 'i'},
                   {"subject", 's'},
                   {"body", 's'}}};
  // Only the app for SMS may write them, unless the shell is let.
  MOORING_ASSIGN_OR_RETURN(const ShellResult before, Ask(ctx, fmt::format("appops get {}", kOp)));
  const bool was_allowed = before.output.find("WRITE_SMS: allow") != std::string::npos;
  if (!was_allowed) {
    MOORING_RETURN_IF_ERROR(Ask(ctx, fmt::format("appops set {} allow", kOp)).status());
  }
  const absl::Status restored = RestoreFlat(ctx, flat);
  if (!was_allowed) {
    const auto back = Ask(ctx, fmt::format("appops set {} default", kOp));
    if (!back.ok()) {
      parts_.Remark(
          "the phone still lets USB debugging write SMS: restarting USB debugging and the restore "
          "takes that back");
    }
  }
  return restored;
}

absl::StatusOr<std::map<std::string, RecordsRestore::Contact>> RecordsRestore::LocalContacts(
    const OpContext& ctx) {
  std::map<std::string, Contact> contacts;
  MOORING_RETURN_IF_ERROR(ReadRecords(ctx, kRawContactsPath, kRawContactsFormat,
                                      [&](const RecordFields& fields) -> absl::Status {
                                        if (ValueOr(fields, "deleted", "0") == "0" &&
                                            IsLocalAccount(ValueOr(fields, "account_type", ""))) {
                                          contacts[ValueOr(fields, "_id", "")];
                                        }
                                        return absl::OkStatus();
                                      }));
  MOORING_RETURN_IF_ERROR(ReadRecords(
      ctx, kContactDataPath, kContactDataFormat, [&](const RecordFields& fields) -> absl::Status {
        const auto owner = contacts.find(ValueOr(fields, "raw_contact_id", ""));
        if (owner != contacts.end() && IsContactKind(ValueOr(fields, "mimetype", ""))) {
          owner->second.values.push_back(fields);
        }
        return absl::OkStatus();
      }));
  std::erase_if(contacts, [](const auto& contact) { return contact.second.values.empty(); });
  return contacts;
}

absl::StatusOr<RecordsRestore::Tally> RecordsRestore::ContactsOnPhone(const OpContext& ctx) {
  std::map<std::string, std::vector<std::string>> values;
  const ContentTable table{kDataUri, {"_id", "raw_contact_id"}, {"mimetype", "data1"}, "data1"};
  MOORING_RETURN_IF_ERROR(reader_
                              .Read(ctx, table,
                                    [&](const ContentValues& row) {
                                      if (IsContactKind(row[2].value_or(""))) {
                                        values[row[1].value_or("")].push_back(
                                            *row[2] + '\0' + ToValidUtf8(row[3].value_or("")));
                                      }
                                      return absl::OkStatus();
                                    })
                              .status());
  Tally tally;
  for (auto& [id, texts] : values) ++tally[ContactKey(std::move(texts))];
  return tally;
}

absl::StatusOr<bool> RecordsRestore::InsertContact(const OpContext& ctx, const Contact& contact) {
  // Without an account: a contact of this phone.
  MOORING_ASSIGN_OR_RETURN(
      const ShellResult known,
      Ask(ctx, fmt::format("content query --uri {} --projection _id", kRawContactsUri)));
  MOORING_ASSIGN_OR_RETURN(const std::vector<std::int64_t> before, ParseIds(known.output));
  const std::int64_t last = before.empty() ? 0 : *std::max_element(before.begin(), before.end());
  MOORING_ASSIGN_OR_RETURN(
      const ShellResult inserted,
      Ask(ctx, fmt::format("{}; content query --uri {} --projection _id --where {}",
                           InsertCommand(kRawContactsUri, {{"starred", 'i', "0"}}), kRawContactsUri,
                           QuoteForShell(fmt::format("_id>{}", last)))));
  const auto ids = ParseIds(inserted.output);
  if (!ids.ok() || ids->empty()) return false;
  std::vector<std::string> commands;
  for (const RecordFields& fields : contact.values) {
    std::vector<ContentBind> binds = {{"raw_contact_id", 'i', fmt::to_string(ids->front())},
                                      {"mimetype", 's', ValueOr(fields, "mimetype", "")}};
    for (int i = 1; i <= 12; ++i) {
      const auto it = fields.find(fmt::format("data{}", i));
      if (it != fields.end() && it->second) binds.push_back({it->first, 's', *it->second});
    }
    commands.push_back(InsertCommand(kDataUri, binds));
  }
  std::erase_if(commands, [](const std::string& one) { return one.size() > kOneCommandBytesMax; });
  MOORING_RETURN_IF_ERROR(RunAll(ctx, commands, 0, commands.size()));
  return true;
}

absl::Status RecordsRestore::RestoreContacts(const OpContext& ctx) {
  MOORING_ASSIGN_OR_RETURN(const auto contacts, LocalContacts(ctx));
  MOORING_ASSIGN_OR_RETURN(Tally there, ContactsOnPhone(ctx));
  const auto key_of = [](const Contact& contact) {
    std::vector<std::string> texts;
    for (const RecordFields& fields : contact.values) {
      texts.push_back(ValueOr(fields, "mimetype", "") + '\0' + ValueOr(fields, "data1", ""));
    }
    return ContactKey(std::move(texts));
  };
  std::uint64_t wanted = 0;
  std::vector<std::uint64_t> written;
  for (const auto& [id, contact] : contacts) {
    const std::uint64_t key = key_of(contact);
    if (const auto it = there.find(key); it != there.end() && it->second > 0) {
      --it->second;
      continue;
    }
    ++wanted;
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    MOORING_ASSIGN_OR_RETURN(const bool inserted, InsertContact(ctx, contact));
    if (!inserted) {
      parts_.Remark(
          "contacts: this phone does not take them over USB; the file contacts.vcf of an "
          "export can be opened on it");
      return absl::OkStatus();
    }
    written.push_back(key);
  }
  MOORING_ASSIGN_OR_RETURN(Tally after, ContactsOnPhone(ctx));
  std::uint64_t found = 0;
  for (const std::uint64_t key : written) {
    const auto it = after.find(key);
    if (it == after.end() || it->second == 0) continue;
    --it->second;
    ++found;
  }
  parts_.Remark(fmt::format(
      "contacts of the phone itself: {} of {} restored and read back, {} were there already", found,
      wanted, contacts.size() - wanted));
  return absl::OkStatus();
}

absl::Status RecordsRestore::RestoreSettings(const OpContext& ctx) {
  std::map<std::string, std::map<std::string, std::string>> wanted;
  std::vector<std::string> commands;
  MOORING_RETURN_IF_ERROR(ReadRecords(
      ctx, kSettingsPath, kSettingsFormat, [&](const RecordFields& fields) -> absl::Status {
        const std::string space = ValueOr(fields, "namespace", "");
        const std::string key = ValueOr(fields, "key", "");
        const std::string value = ValueOr(fields, "value", "");
        if (!IsAllowedSetting(space, key, value)) return absl::OkStatus();
        wanted[space][key] = value;
        commands.push_back(fmt::format("settings put {} {} {}", space, key, QuoteForShell(value)));
        return absl::OkStatus();
      }));
  MOORING_RETURN_IF_ERROR(RunAll(ctx, commands, 0, commands.size()));
  std::size_t kept = 0;
  for (const auto& [space, settings] : wanted) {
    MOORING_ASSIGN_OR_RETURN(const ShellResult listed, Ask(ctx, "settings list " + space));
    const auto actual = ParseSettings(space, listed.output);
    for (const auto& [key, value] : settings) {
      const auto it = actual.find(key);
      kept += it != actual.end() && it->second == value ? 1U : 0U;
    }
  }
  parts_.Remark(fmt::format("settings: {} of {} restored and read back", kept, commands.size()));
  return absl::OkStatus();
}

absl::Status RecordsRestore::Run(const OpContext& ctx) {
  const auto has = [this](std::string_view path) { return parts_.snapshot.Find(path).has_value(); };
  const Flat calls{kCallsPath,
                   kCallsFormat,
                   "content://call_log/calls",
                   "call log",
                   {"date", "duration", "type"},
                   {"number"},
                   {{"number", 's'},
                    {"date", 'l'},
                    {"duration", 'l'},
                    {"type", 'i'},
                    {"new", 'i'},
                    {"is_read", 'i'},
                    {"presentation", 'i'}}};
  if (has(kRawContactsPath) && has(kContactDataPath)) {
    parts_.line.Say(v1::PHASE_RESTORING, "Writing contacts");
    MOORING_RETURN_IF_ERROR(Judge(RestoreContacts(ctx), "contacts"));
  }
  if (has(kSmsPath)) {
    parts_.line.Say(v1::PHASE_RESTORING, "Writing SMS");
    MOORING_RETURN_IF_ERROR(Judge(RestoreSms(ctx), "SMS"));
  }
  if (has(kCallsPath)) {
    parts_.line.Say(v1::PHASE_RESTORING, "Writing the call log");
    MOORING_RETURN_IF_ERROR(Judge(RestoreFlat(ctx, calls), "call log"));
  }
  if (has(kSettingsPath)) {
    parts_.line.Say(v1::PHASE_RESTORING, "Setting what was set before");
    MOORING_RETURN_IF_ERROR(Judge(RestoreSettings(ctx), "settings"));
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
