#include "agent/android/record_lists.h"

namespace mooring::agent {

// NOLINTNEXTLINE(readability-function-size): a table.
std::vector<RecordList> RecordLists() {
  std::vector<RecordList> lists;
  lists.push_back(
      {v1::CATEGORY_CONTACTS,
       kRawContactsPath,
       kRawContactsFormat,
       "contacts",
       {"content://com.android.contacts/raw_contacts",
        {"_id", "contact_id", "deleted", "starred"},
        {"account_type", "account_name", "display_name"},
        ""},
       {"content://com.android.contacts/raw_contacts", {"_id", "deleted"}, {"account_type"}, ""}});
  lists.push_back({v1::CATEGORY_CONTACTS,
                   kContactDataPath,
                   kContactDataFormat,
                   "details of contacts",
                   {"content://com.android.contacts/data",
                    {"_id", "raw_contact_id", "is_primary", "is_super_primary"},
                    {"mimetype", "data1", "data2", "data3", "data4", "data5", "data6", "data7",
                     "data8", "data9", "data10", "data11", "data12"},
                    "data1"},
                   {"content://com.android.contacts/data",
                    {"_id", "raw_contact_id"},
                    {"mimetype", "data1", "data2", "data3"},
                    "data1"}});
  lists.push_back({v1::CATEGORY_MESSAGES,
                   kSmsPath,
                   kSmsFormat,
                   "SMS",
                   {"content://sms",
                    {"_id", "thread_id", "date", "date_sent", "read", "seen", "status", "type",
                     "locked", "sub_id", "protocol"},
                    {"address", "service_center", "subject", "body"},
                    "body"},
                   {"content://sms",
                    {"_id", "thread_id", "date", "read", "type"},
                    {"address", "body"},
                    "body"}});
  lists.push_back(
      {v1::CATEGORY_MESSAGES,
       "records/mms.json",
       "mooring.android.mms/1",
       "MMS",
       {"content://mms",
        {"_id", "thread_id", "date", "date_sent", "msg_box", "read", "seen", "m_type", "sub_id"},
        {"ct_t", "sub"},
        "sub"},
       {"content://mms", {"_id", "thread_id", "date", "msg_box", "read"}, {"sub"}, "sub"}});
  lists.push_back({v1::CATEGORY_MESSAGES,
                   kMmsPartsPath,
                   "mooring.android.mms-parts/1",
                   "parts of MMS",
                   {"content://mms/part",
                    {"_id", "mid", "seq", "chset"},
                    {"ct", "cid", "cl", "name", "text"},
                    "text"},
                   {"content://mms/part", {"_id", "mid"}, {"ct", "text"}, "text"}});
  lists.push_back(
      {v1::CATEGORY_CALL_LOG,
       kCallsPath,
       kCallsFormat,
       "entries of the call log",
       {"content://call_log/calls",
        {"_id", "date", "duration", "type", "new", "is_read", "presentation"},
        {"countryiso", "name", "number"},
        ""},
       {"content://call_log/calls", {"_id", "date", "duration", "type"}, {"number"}, ""}});
  lists.push_back({v1::CATEGORY_CALENDAR,
                   "records/calendars.json",
                   "mooring.android.calendars/1",
                   "calendars",
                   {"content://com.android.calendar/calendars",
                    {"_id", "calendar_color", "visible"},
                    {"account_type", "account_name", "calendar_displayName"},
                    ""},
                   {"content://com.android.calendar/calendars", {"_id"}, {"account_name"}, ""}});
  lists.push_back({v1::CATEGORY_CALENDAR,
                   "records/calendar.json",
                   "mooring.android.calendar/1",
                   "calendar events",
                   {"content://com.android.calendar/events",
                    {"_id", "calendar_id", "dtstart", "dtend", "allDay", "eventStatus",
                     "availability", "deleted"},
                    {"eventTimezone", "duration", "rrule", "rdate", "exdate", "organizer",
                     "eventLocation", "title", "description"},
                    "title"},
                   {"content://com.android.calendar/events",
                    {"_id", "calendar_id", "dtstart", "dtend", "allDay"},
                    {"title"},
                    "title"}});
  return lists;
}

}  // namespace mooring::agent
