#include "agent/link/address_book.h"

#include <algorithm>
#include <utility>

#include "storage/base/check.h"

namespace mooring::agent {
namespace {

bool Holds(const std::vector<std::string>& list, const std::string& address) {
  return std::find(list.begin(), list.end(), address) != list.end();
}

}  // namespace

bool IsAddress(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  return colon != std::string::npos && colon > 0 && colon + 1 < text.size() &&
         text.size() <= kAddressBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

AddressBook::AddressBook(std::vector<std::string> configured, std::vector<std::string> learned,
                         Random& random)
    : configured_(std::move(configured)), learned_(std::move(learned)), random_(random) {
  Gather();
  MOORING_CHECK(!all_.empty());
  const std::vector<std::string>& first = configured_.empty() ? all_ : configured_;
  current_ = first[random_.Below(first.size())];
}

void AddressBook::Gather() {
  all_.clear();
  const std::vector<std::string>* const lists[] = {&configured_, &learned_};
  for (const std::vector<std::string>* const list : lists) {
    for (const std::string& address : *list) {
      if (!address.empty() && !Holds(all_, address)) all_.push_back(address);
    }
  }
}

std::vector<std::string> AddressBook::Untried() const {
  std::vector<std::string> untried;
  for (const std::string& address : all_) {
    if (address != current_ && !Holds(tried_, address)) untried.push_back(address);
  }
  return untried;
}

bool AddressBook::MoveOn(const std::string& failed) {
  if (failed != current_) return false;
  if (!Holds(tried_, failed)) tried_.push_back(failed);
  std::vector<std::string> next = Untried();
  if (next.empty()) {
    tried_ = {failed};
    next = Untried();
  }
  if (next.empty()) return false;
  current_ = next[random_.Below(next.size())];
  return true;
}

bool AddressBook::Learn(const std::vector<std::string>& addresses) {
  if (addresses.empty() || addresses.size() > kAddressesMax ||
      !std::all_of(addresses.begin(), addresses.end(), IsAddress) || addresses == learned_) {
    return false;
  }
  learned_ = addresses;
  Gather();
  return true;
}

}  // namespace mooring::agent
