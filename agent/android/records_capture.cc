#include "agent/android/records_capture.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "agent/android/mms_capture.h"
#include "agent/android/settings_rules.h"
#include "agent/android/vcard.h"
#include "agent/device/cause.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kCardsPerRead = 50;
constexpr std::size_t kCardsBytesMax = 32 << 20;
constexpr std::size_t kSettingsBytesMax = 1 << 20;

std::string UrlEncode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '.' || c == '-' || c == '_';
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

}  // namespace

absl::Status RecordsCapture::Judge(const absl::Status& status, const absl::Status& fault,
                                   std::string_view path, std::string_view name) {
  MOORING_RETURN_IF_ERROR(fault);
  if (status.ok()) return status;
  if (EndsSession(status)) return status;
  // A tablet has no SMS, and nothing is missing; a phone that once had them is another matter.
  const bool was_there = parts_.builder.Find(path) || parts_.builder.IsDirectory(path);
  if (absl::IsUnimplemented(status) && !was_there) return absl::OkStatus();
  const bool refused = absl::IsPermissionDenied(status);
  parts_.gaps.Add(path, refused ? v1::GAP_REASON_REFUSED : v1::GAP_REASON_FAILED);
  const char* const why = refused                    ? "this phone does not let us read them"
                          : absl::IsDataLoss(status) ? "the phone answered with something else"
                                                     : "the phone failed to give them";
  parts_.remarks.push_back(fmt::format("{}: {}", name, why));
  return absl::OkStatus();
}

absl::Status RecordsCapture::PutText(const OpContext& ctx, std::string_view path,
                                     std::string_view content) {
  RecordSink sink(ctx, parts_.builder, parts_.index, path);
  MOORING_RETURN_IF_ERROR(sink.Write(AsBytes(content)));
  return sink.Finish();
}

absl::Status RecordsCapture::WriteList(const OpContext& ctx, const RecordList& list,
                                       const ContentTable& table, RecordSink& sink) {
  RecordWriter writer(list.format, [&](ByteView bytes) {
    parts_.progress.Moved(0, bytes.size());
    return sink.Write(bytes);
  });
  const std::vector<std::string> columns = table.Columns();
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t unread,
                           reader_.Read(ctx, table, [&](const ContentValues& values) {
                             return writer.Add(columns, values);
                           }));
  MOORING_RETURN_IF_ERROR(writer.Finish());
  MOORING_RETURN_IF_ERROR(sink.Finish());
  if (unread > 0) {
    parts_.gaps.Add(list.path, v1::GAP_REASON_FAILED);
    parts_.remarks.push_back(fmt::format(
        "{} entries of {} could not be told apart and are left out", unread, list.name));
  }
  return absl::OkStatus();
}

absl::Status RecordsCapture::CaptureList(const OpContext& ctx, const RecordList& list) {
  absl::Status status;
  for (const ContentTable* table : {&list.table, &list.least}) {
    RecordSink sink(ctx, parts_.builder, parts_.index, list.path);
    status = WriteList(ctx, list, *table, sink);
    MOORING_RETURN_IF_ERROR(sink.fault());
    if (!absl::IsFailedPrecondition(status)) break;
  }
  return Judge(status, absl::OkStatus(), list.path, list.name);
}

absl::StatusOr<std::string> RecordsCapture::ReadCards(const OpContext& ctx) {
  std::vector<std::string> lookups;
  const ContentTable table{"content://com.android.contacts/contacts", {"_id"}, {"lookup"}, ""};
  MOORING_RETURN_IF_ERROR(reader_
                              .Read(ctx, table,
                                    [&](const ContentValues& values) {
                                      if (values[1]) lookups.push_back(UrlEncode(*values[1]));
                                      return absl::OkStatus();
                                    })
                              .status());
  std::string cards;
  for (std::size_t at = 0; at < lookups.size(); at += kCardsPerRead) {
    std::string uri = "content://com.android.contacts/contacts/as_multi_vcard/";
    const std::size_t end = std::min(lookups.size(), at + kCardsPerRead);
    for (std::size_t i = at; i < end; ++i) uri += (i == at ? "" : "%3A") + lookups[i];
    ShellResult result;
    MOORING_RETURN_IF_ERROR(parts_.line.Run(ctx, [&]() -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(
          result, RunShell(ctx, parts_.line.device(), "content read --uri " + QuoteForShell(uri),
                           kCardsBytesMax));
      return absl::OkStatus();
    }));
    const std::optional<std::uint64_t> count = CountCards(result.output);
    if (result.exit.status != 0 || count != end - at) {
      return absl::UnimplementedError("the phone writes no vCards of its contacts");
    }
    cards += result.output;
  }
  return cards;
}

absl::Status RecordsCapture::CaptureContacts(const OpContext& ctx) {
  absl::StatusOr<std::string> cards = ReadCards(ctx);
  if (EndsSession(cards.status())) return cards.status();
  if (cards.ok()) return PutText(ctx, kContactsPath, *cards);
  // Our own then, from the details; pictures are not among them.
  std::map<std::int64_t, std::vector<ContactValue>> people;
  const ContentTable table{"content://com.android.contacts/data",
                           {"_id", "raw_contact_id"},
                           {"mimetype", "data1", "data2", "data3", "data4", "data5", "data6",
                            "data7", "data8", "data9", "data10"},
                           ""};
  const absl::Status read =
      reader_
          .Read(ctx, table,
                [&](const ContentValues& values) {
                  ContactValue value;
                  value.mimetype = values[2].value_or("");
                  for (std::size_t i = 3; i < values.size(); ++i) {
                    value.data.push_back(values[i].value_or(""));
                  }
                  std::int64_t person = 0;
                  const std::string owner = values[1].value_or("0");
                  std::from_chars(owner.data(), owner.data() + owner.size(), person);
                  people[person].push_back(std::move(value));
                  return absl::OkStatus();
                })
          .status();
  if (!read.ok()) return Judge(read, absl::OkStatus(), kContactsPath, "vCards");
  std::string made;
  for (const auto& [id, values] : people) made += MakeCard(values);
  return PutText(ctx, kContactsPath, made);
}

absl::Status RecordsCapture::CaptureMms(const OpContext& ctx) {
  MmsCapture mms(parts_);
  MOORING_RETURN_IF_ERROR(
      Judge(mms.Parts(ctx), absl::OkStatus(), kMmsPartsRoot, "attachments of MMS"));
  return Judge(mms.Addresses(ctx), absl::OkStatus(), kMmsAddressesRoot, "addresses of MMS");
}

absl::Status RecordsCapture::CaptureSettings(const OpContext& ctx) {
  std::string text;
  RecordWriter writer(kSettingsFormat, [&](ByteView bytes) {
    text += AsText(bytes);
    return absl::OkStatus();
  });
  for (const std::string_view space : kSettingsNamespaces) {
    ShellResult result;
    const absl::Status ran = parts_.line.Run(ctx, [&]() -> absl::Status {
      MOORING_ASSIGN_OR_RETURN(
          result, RunShell(ctx, parts_.line.device(), fmt::format("settings list {}", space),
                           kSettingsBytesMax));
      return absl::OkStatus();
    });
    if (!ran.ok() || result.exit.status != 0) {
      const absl::Status status = ran.ok() ? absl::UnknownError("settings failed") : ran;
      return Judge(status, absl::OkStatus(), kSettingsPath, "settings");
    }
    for (const auto& [key, value] : ParseSettings(space, result.output)) {
      MOORING_RETURN_IF_ERROR(
          writer.Add({"namespace", "key", "value"}, {std::string(space), key, value}));
    }
  }
  MOORING_RETURN_IF_ERROR(writer.Finish());
  return PutText(ctx, kSettingsPath, text);
}

absl::Status RecordsCapture::Run(const OpContext& ctx) {
  for (const RecordList& list : RecordLists()) {
    if (!parts_.Wants(list.category)) {
      MOORING_RETURN_IF_ERROR(parts_.builder.Remove(list.path));
      continue;
    }
    parts_.line.Say(v1::PHASE_CAPTURING, fmt::format("Reading {}", list.name));
    MOORING_RETURN_IF_ERROR(CaptureList(ctx, list));
    if (list.path == kContactDataPath) MOORING_RETURN_IF_ERROR(CaptureContacts(ctx));
    if (list.path == kMmsPartsPath) MOORING_RETURN_IF_ERROR(CaptureMms(ctx));
  }
  if (!parts_.Wants(v1::CATEGORY_CONTACTS)) {
    MOORING_RETURN_IF_ERROR(parts_.builder.Remove(kContactsPath));
  }
  if (!parts_.Wants(v1::CATEGORY_MESSAGES)) {
    MOORING_RETURN_IF_ERROR(parts_.builder.Remove(kMmsPartsRoot));
    MOORING_RETURN_IF_ERROR(parts_.builder.Remove(kMmsAddressesRoot));
  }
  if (!parts_.Wants(v1::CATEGORY_SETTINGS)) return parts_.builder.Remove(kSettingsPath);
  parts_.line.Say(v1::PHASE_CAPTURING, "Reading settings");
  return CaptureSettings(ctx);
}

}  // namespace mooring::agent
