// The lists that are read from a phone's content providers: where each comes
// from, its columns, and where it stands in a snapshot. A data table.

#pragma once

#include <string_view>
#include <vector>

#include "agent/android/content_reader.h"
#include "mooring/v1/common.pb.h"

namespace mooring::agent {

struct RecordList {
  v1::Category category;
  std::string_view path;    // In the snapshot.
  std::string_view format;  // Of the record file.
  std::string_view name;    // For a person.
  // What is asked for, and what every version has, for phones that lack a column.
  ContentTable table;
  ContentTable least;
};

inline constexpr std::string_view kSmsPath = "records/sms.json";
inline constexpr std::string_view kSmsFormat = "mooring.android.sms/1";
inline constexpr std::string_view kCallsPath = "records/call-log.json";
inline constexpr std::string_view kCallsFormat = "mooring.android.calls/1";
inline constexpr std::string_view kRawContactsPath = "records/contacts-raw.json";
inline constexpr std::string_view kRawContactsFormat = "mooring.android.raw-contacts/1";
inline constexpr std::string_view kContactDataPath = "records/contacts-data.json";
inline constexpr std::string_view kContactDataFormat = "mooring.android.contact-data/1";
inline constexpr std::string_view kContactsPath = "records/contacts.vcf";
inline constexpr std::string_view kMmsPartsPath = "records/mms-parts.json";
inline constexpr std::string_view kAppsPath = "records/apps.json";
inline constexpr std::string_view kAppsFormat = "mooring.android.apps/1";
inline constexpr std::string_view kSettingsPath = "records/settings.json";
inline constexpr std::string_view kSettingsFormat = "mooring.android.settings/1";

// In the order of capture.
std::vector<RecordList> RecordLists();

}  // namespace mooring::agent
