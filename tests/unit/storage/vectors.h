// Reads tests/vectors: named cases of "key = value" lines.

#pragma once

#include <map>
#include <string>
#include <string_view>

#include "storage/base/bytes.h"
#include "storage/base/random.h"
#include "storage/base/secret_bytes.h"

namespace mooring::testing {

// One case. Asking for a key that is not there stops the test program.
class VectorCase {
 public:
  void Set(std::string key, std::string value) { values_[std::move(key)] = std::move(value); }
  const std::map<std::string, std::string>& values() const { return values_; }

  const std::string& Text(const std::string& key) const { return values_.at(key); }
  std::uint64_t Number(const std::string& key) const { return std::stoull(Text(key)); }
  Bytes Hex(const std::string& key) const { return FromHex(Text(key)).value(); }
  SecretBytes Secret(const std::string& key) const { return SecretBytes::CopyOf(Hex(key)); }
  template <typename IdType>
  IdType As(const std::string& key) const {
    return IdType::FromBytes(ByteView(Hex(key))).value();
  }

 private:
  std::map<std::string, std::string> values_;
};

// The cases of tests/vectors/`file`, by name.
std::map<std::string, VectorCase> LoadVectors(const std::string& file);

// "Random" bytes that were agreed on. Asking for more than `bytes` stops the test program.
class FixedRandom final : public Random {
 public:
  explicit FixedRandom(Bytes bytes) : bytes_(std::move(bytes)) {}
  void Fill(std::span<std::byte> out) override;

 private:
  Bytes bytes_;
  std::size_t used_ = 0;
};

}  // namespace mooring::testing
