// vCards: what a phone writes of its contacts (vCard 2.1 or 3.0), counted, and
// our own (vCard 3.0, RFC 2426) for phones that write none.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mooring::agent {

// Cards in `text`; nullopt if it is not whole cards one after the other.
std::optional<std::uint64_t> CountCards(std::string_view text);

// One value of a contact as Android's ContactsContract.Data keeps it.
struct ContactValue {
  std::string mimetype;
  // data1, data2, ...; empty where NULL.
  std::vector<std::string> data;
};

// One card. Kinds of values that vCard has no word for are left out.
std::string MakeCard(const std::vector<ContactValue>& values);

}  // namespace mooring::agent
