#include "tests/phones/iphone/keybag.h"

#include <utility>
#include <vector>

#include "storage/base/bytes.h"
#include "tests/phones/iphone/crypto.h"

namespace mooring::testing {
namespace {

constexpr std::uint32_t kClassLast = 11;
constexpr std::uint32_t kWrappedByPasscode = 2;
constexpr std::uint32_t kIterationsMax = 20'000'000;

std::string RandomBytes(Random& random, std::size_t length) {
  Bytes bytes(length);
  random.Fill(bytes);
  return ToString(bytes);
}

std::string Be32(std::uint32_t value) {
  Bytes bytes;
  AppendBe32(bytes, value);
  return ToString(bytes);
}

void AppendTag(std::string& out, std::string_view tag, std::string_view value) {
  out += tag;
  out += Be32(static_cast<std::uint32_t>(value.size()));
  out += value;
}

std::string PasswordKey(std::string_view password, std::string_view first_salt,
                        std::uint32_t first_iterations, std::string_view second_salt,
                        std::uint32_t second_iterations) {
  const std::string first = Pbkdf2("SHA256", password, first_salt, first_iterations, 32);
  return Pbkdf2("SHA1", first, second_salt, second_iterations, 32);
}

struct Tag {
  std::string name;
  std::string value;

  std::optional<std::uint32_t> number() const {
    if (value.size() != 4) return std::nullopt;
    return LoadBe32(AsBytes(value), 0);
  }
};

absl::StatusOr<std::vector<Tag>> ParseTags(std::string_view encoded) {
  std::vector<Tag> tags;
  while (!encoded.empty()) {
    if (encoded.size() < 8) return absl::InvalidArgumentError("the keybag is cut short");
    const std::uint32_t length = LoadBe32(AsBytes(encoded), 4);
    if (length > encoded.size() - 8) {
      return absl::InvalidArgumentError("a keybag entry is longer than the keybag");
    }
    tags.push_back({std::string(encoded.substr(0, 4)), std::string(encoded.substr(8, length))});
    encoded.remove_prefix(8 + std::size_t{length});
  }
  return tags;
}

}  // namespace

Keybag Keybag::Make(std::string_view password, KeybagCost cost, Random& random) {
  Keybag bag;
  const std::string first_salt = RandomBytes(random, 20);
  const std::string second_salt = RandomBytes(random, 20);
  const std::string wrapping =
      PasswordKey(password, first_salt, cost.first_iterations, second_salt, cost.second_iterations);
  AppendTag(bag.encoded_, "VERS", Be32(5));
  AppendTag(bag.encoded_, "TYPE", Be32(1));
  AppendTag(bag.encoded_, "UUID", RandomBytes(random, 16));
  AppendTag(bag.encoded_, "HMCK", RandomBytes(random, 40));
  AppendTag(bag.encoded_, "WRAP", Be32(0));
  AppendTag(bag.encoded_, "SALT", second_salt);
  AppendTag(bag.encoded_, "ITER", Be32(cost.second_iterations));
  AppendTag(bag.encoded_, "DPWT", Be32(1));
  AppendTag(bag.encoded_, "DPIC", Be32(cost.first_iterations));
  AppendTag(bag.encoded_, "DPSL", first_salt);
  for (std::uint32_t number = 1; number <= kClassLast; ++number) {
    const std::string key = RandomBytes(random, 32);
    AppendTag(bag.encoded_, "UUID", RandomBytes(random, 16));
    AppendTag(bag.encoded_, "CLAS", Be32(number));
    AppendTag(bag.encoded_, "WRAP", Be32(kWrappedByPasscode));
    AppendTag(bag.encoded_, "KTYP", Be32(0));
    AppendTag(bag.encoded_, "WPKY", WrapKey(wrapping, key));
    bag.class_keys_.emplace(number, key);
  }
  return bag;
}

absl::StatusOr<Keybag> Keybag::Unlock(std::string_view encoded, std::string_view password) {
  absl::StatusOr<std::vector<Tag>> tags = ParseTags(encoded);
  if (!tags.ok()) return tags.status();
  std::string first_salt;
  std::string second_salt;
  std::uint32_t first_iterations = 0;
  std::uint32_t second_iterations = 0;
  for (const Tag& tag : *tags) {
    if (tag.name == "DPSL") first_salt = tag.value;
    if (tag.name == "SALT") second_salt = tag.value;
    if (tag.name == "DPIC") first_iterations = tag.number().value_or(0);
    if (tag.name == "ITER") second_iterations = tag.number().value_or(0);
  }
  if (first_iterations == 0 || second_iterations == 0 || first_iterations > kIterationsMax ||
      second_iterations > kIterationsMax) {
    return absl::InvalidArgumentError("the keybag names no usable iteration count");
  }
  const std::string wrapping =
      PasswordKey(password, first_salt, first_iterations, second_salt, second_iterations);
  Keybag bag;
  bag.encoded_ = std::string(encoded);
  std::uint32_t number = 0;
  for (const Tag& tag : *tags) {
    if (tag.name == "CLAS") number = tag.number().value_or(0);
    if (tag.name != "WPKY") continue;
    std::optional<std::string> key = UnwrapKey(wrapping, tag.value);
    if (!key) return absl::PermissionDeniedError("wrong backup password");
    bag.class_keys_[number] = *std::move(key);
  }
  if (bag.class_keys_.empty()) return absl::InvalidArgumentError("the keybag holds no keys");
  return bag;
}

std::string Keybag::WrapForClass(std::uint32_t protection_class, std::string_view key) const {
  Bytes prefix;
  AppendLe32(prefix, protection_class);
  return ToString(prefix) + WrapKey(class_keys_.at(protection_class), key);
}

std::optional<std::string> Keybag::UnwrapForClass(std::string_view wrapped) const {
  if (wrapped.size() != 44) return std::nullopt;
  const auto key = class_keys_.find(LoadLe32(AsBytes(wrapped), 0));
  if (key == class_keys_.end()) return std::nullopt;
  return UnwrapKey(key->second, wrapped.substr(4));
}

}  // namespace mooring::testing
