// Ids: fixed-length byte strings of one type each, so that two kinds of id can
// never change places at a call site. Text form: lower-case hexadecimal.

#pragma once

#include <algorithm>
#include <array>
#include <compare>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/bytes.h"
#include "storage/base/random.h"

namespace mooring {

template <typename Tag, std::size_t kLength>
class Id {
 public:
  static constexpr std::size_t kBytes = kLength;

  constexpr Id() = default;  // All zero: "none".

  static Id Make(Random& random) {
    Id id;
    random.Fill(id.bytes_);
    return id;
  }
  // nullopt unless `bytes` has exactly kBytes.
  static std::optional<Id> FromBytes(ByteView bytes) {
    if (bytes.size() != kLength) return std::nullopt;
    Id id;
    std::copy(bytes.begin(), bytes.end(), id.bytes_.begin());
    return id;
  }
  static std::optional<Id> FromBytes(std::string_view bytes) { return FromBytes(AsBytes(bytes)); }
  static std::optional<Id> FromHex(std::string_view text) {
    const std::optional<Bytes> bytes = mooring::FromHex(text);
    return bytes ? FromBytes(ByteView(*bytes)) : std::nullopt;
  }

  ByteView view() const { return bytes_; }
  std::string bytes() const { return ToString(bytes_); }
  std::string hex() const { return ToHex(bytes_); }
  bool is_none() const { return *this == Id(); }

  friend bool operator==(const Id&, const Id&) = default;
  friend auto operator<=>(const Id& a, const Id& b) {
    return std::memcmp(a.bytes_.data(), b.bytes_.data(), kLength) <=> 0;
  }
  template <typename H>
  friend H AbslHashValue(H h, const Id& id) {
    return H::combine_contiguous(std::move(h), id.bytes_.data(), id.bytes_.size());
  }

 private:
  std::array<std::byte, kLength> bytes_{};
};

using AgentId = Id<struct AgentIdTag, 16>;
using PersonId = Id<struct PersonIdTag, 16>;
using DeviceId = Id<struct DeviceIdTag, 16>;
using SessionId = Id<struct SessionIdTag, 16>;
using SnapshotId = Id<struct SnapshotIdTag, 16>;
using DomainId = Id<struct DomainIdTag, 16>;
using PackId = Id<struct PackIdTag, 16>;
using KeyId = Id<struct KeyIdTag, 16>;
using RequestId = Id<struct RequestIdTag, 16>;
using GrantId = Id<struct GrantIdTag, 16>;
using ServerId = Id<struct ServerIdTag, 16>;

// SHA-256 of a sealed chunk (storage/design/repository-format.md).
using ChunkId = Id<struct ChunkIdTag, 32>;

}  // namespace mooring
