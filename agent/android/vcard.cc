#include "agent/android/vcard.h"

#include <algorithm>

#include "agent/android/record_file.h"

namespace mooring::agent {
namespace {

constexpr std::string_view kKind = "vnd.android.cursor.item/";

bool EqualsIgnoreCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return (x | 0x20) == (y | 0x20);
         });
}

// Text as RFC 2426 wants it; "\r" has no place in a value.
std::string Escape(std::string_view text) {
  std::string escaped;
  for (const char c : ToValidUtf8(text)) {
    if (c == '\r') continue;
    if (c == '\n') {
      escaped += "\\n";
      continue;
    }
    if (c == '\\' || c == ';' || c == ',') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string Data(const ContactValue& value, std::size_t number) {
  return number <= value.data.size() ? value.data[number - 1] : std::string();
}

// The parts data`first`... of a structured value.
std::string Parts(const ContactValue& value, std::initializer_list<std::size_t> numbers) {
  std::string parts;
  for (const std::size_t number : numbers) {
    if (number != *numbers.begin()) parts += ';';
    parts += Escape(Data(value, number));
  }
  return parts;
}

// Types of ContactsContract.CommonDataKinds.Phone and Email.
std::string PhoneType(const std::string& type) {
  if (type == "1") return ";TYPE=HOME";
  if (type == "2") return ";TYPE=CELL";
  if (type == "3") return ";TYPE=WORK";
  if (type == "4") return ";TYPE=WORK,FAX";
  if (type == "5") return ";TYPE=HOME,FAX";
  if (type == "6") return ";TYPE=PAGER";
  return ";TYPE=VOICE";
}

std::string PlaceType(const std::string& type) {
  if (type == "1") return ";TYPE=HOME";
  if (type == "2") return ";TYPE=WORK";
  return "";
}

std::string LineOf(const ContactValue& value) {
  if (value.mimetype.compare(0, kKind.size(), kKind) != 0) return "";
  const std::string kind = value.mimetype.substr(kKind.size());
  const std::string data1 = Escape(Data(value, 1));
  const std::string type = Data(value, 2);
  if (kind == "name") {
    return "FN:" + data1 + "\r\nN:" + Parts(value, {3, 2, 5, 4, 6});
  }
  if (data1.empty() && kind != "organization") return "";
  if (kind == "phone_v2") return "TEL" + PhoneType(type) + ":" + data1;
  if (kind == "email_v2") return "EMAIL" + PlaceType(type) + ":" + data1;
  if (kind == "postal-address_v2") {
    return "ADR" + PlaceType(type) + ":" + Parts(value, {5, 6, 4, 7, 8, 9, 10});
  }
  if (kind == "organization") {
    const std::string title = Escape(Data(value, 4));
    return "ORG:" + Parts(value, {1, 5}) + (title.empty() ? "" : "\r\nTITLE:" + title);
  }
  if (kind == "note") return "NOTE:" + data1;
  if (kind == "nickname") return "NICKNAME:" + data1;
  if (kind == "website") return "URL:" + data1;
  if (kind == "contact_event" && type == "3") return "BDAY:" + data1;
  return "";
}

}  // namespace

std::optional<std::uint64_t> CountCards(std::string_view text) {
  std::uint64_t cards = 0;
  bool inside = false;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (EqualsIgnoreCase(line, "BEGIN:VCARD")) {
      if (inside) return std::nullopt;
      inside = true;
    } else if (EqualsIgnoreCase(line, "END:VCARD")) {
      if (!inside) return std::nullopt;
      inside = false;
      ++cards;
    } else if (!inside && !line.empty()) {
      return std::nullopt;
    }
  }
  if (inside) return std::nullopt;
  return cards;
}

std::string MakeCard(const std::vector<ContactValue>& values) {
  std::string card = "BEGIN:VCARD\r\nVERSION:3.0\r\n";
  bool has_name = false;
  for (const ContactValue& value : values) {
    const bool is_name = value.mimetype == std::string(kKind) + "name";
    if (is_name && has_name) continue;
    has_name = has_name || is_name;
    const std::string line = LineOf(value);
    if (!line.empty()) card += line + "\r\n";
  }
  // Both are required.
  if (!has_name) card += "FN:\r\nN:;;;;\r\n";
  return card + "END:VCARD\r\n";
}

}  // namespace mooring::agent
