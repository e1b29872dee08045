// AddressBook: the addresses of the organization's servers, and which of them the
// agent uses now.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "storage/base/random.h"

namespace mooring::agent {

// Most addresses, and the longest, that a server may tell of.
inline constexpr std::size_t kAddressesMax = 64;
inline constexpr std::size_t kAddressBytesMax = 300;

// HOST:PORT in printable characters, no longer than that.
bool IsAddress(const std::string& text);

// Thread-compatible.
class AddressBook {
 public:
  // `configured` stay whatever servers say; `learned` is what one said last. There is
  // at least one. Begins with any of those that are configured, for what a server
  // says of itself need not be reachable from here. `random` outlives this.
  AddressBook(std::vector<std::string> configured, std::vector<std::string> learned,
              Random& random);

  const std::string& current() const { return current_; }
  const std::vector<std::string>& all() const { return all_; }

  // Goes on from `failed` to another, if it is the current one: to each of the others
  // once, in random order, before any is tried again. False: nothing has changed.
  bool MoveOn(const std::string& failed);
  // Takes a server's list in place of the one before. The current address stays while
  // it works. False: it is the same, or holds what is no list of addresses.
  bool Learn(const std::vector<std::string>& addresses);

 private:
  void Gather();
  std::vector<std::string> Untried() const;

  const std::vector<std::string> configured_;
  std::vector<std::string> learned_;
  Random& random_;
  std::vector<std::string> all_;  // Each once.
  std::vector<std::string> tried_;
  std::string current_;
};

}  // namespace mooring::agent
