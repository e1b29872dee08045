// Plist and PlistView: property lists with typed, bounds-checked access. The
// only door to libplist's parser, and plist_guard stands in it.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/statusor.h>
#include <plist/plist.h>

#include "agent/ios/plist_guard.h"
#include "storage/base/bytes.h"

namespace mooring::agent {

// A node that someone else owns; may be none. Every getter answers nullopt (or
// none) for another type than the one asked for: the bytes came from a phone.
class PlistView {
 public:
  PlistView() = default;
  explicit PlistView(plist_t node) : node_(node) {}

  bool exists() const { return node_ != nullptr; }
  bool is_dict() const;
  bool is_array() const;
  // Children of an array or dictionary; 0 for anything else.
  std::uint32_t size() const;

  PlistView Get(const char* key) const;
  PlistView At(std::uint32_t index) const;

  std::optional<std::string> text() const;
  std::optional<Bytes> data() const;
  // A real or an integer.
  std::optional<double> number() const;
  std::optional<std::uint64_t> integer() const;
  std::optional<bool> boolean() const;

  // Text at `key`, or empty.
  std::string Text(const char* key) const { return Get(key).text().value_or(std::string()); }

  // Children in order, until `visit` fails.
  absl::Status ForEachItem(absl::FunctionRef<absl::Status(PlistView)> visit) const;
  absl::Status ForEachEntry(
      absl::FunctionRef<absl::Status(const std::string& key, PlistView)> visit) const;

  plist_t node() const { return node_; }

 private:
  plist_t node_ = nullptr;
};

// An owned tree. Move-only.
class Plist {
 public:
  Plist() = default;
  // Takes ownership of `node`.
  explicit Plist(plist_t node) : node_(node) {}

  // kInvalidArgument: the guard or libplist refuses the bytes.
  static absl::StatusOr<Plist> Parse(ByteView bytes, const PlistLimits& limits);

  static Plist Dict() { return Plist(plist_new_dict()); }
  static Plist Array() { return Plist(plist_new_array()); }
  static Plist String(std::string_view value);
  static Plist Integer(std::uint64_t value) { return Plist(plist_new_uint(value)); }
  static Plist Real(double value) { return Plist(plist_new_real(value)); }
  static Plist Boolean(bool value) { return Plist(plist_new_bool(value ? 1 : 0)); }
  static Plist Data(ByteView value);
  // `unix_seconds` since 1970, UTC.
  static Plist Date(std::int64_t unix_seconds);
  static Plist CopyOf(PlistView view) { return Plist(plist_copy(view.node())); }

  // This must be a dictionary, respectively an array. Both return *this.
  Plist& Set(const char* key, Plist value);
  Plist& Add(Plist value);

  PlistView view() const { return PlistView(node_.get()); }
  Bytes ToBinary() const;
  Bytes ToXml() const;

 private:
  struct Free {
    void operator()(plist_t node) const { plist_free(node); }
  };
  std::unique_ptr<void, Free> node_;
};

// Text from a phone made fit to store and show: valid UTF-8, no control or
// direction-changing characters, at most `bytes_max` bytes.
std::string SanitizeText(std::string_view text, std::size_t bytes_max = 256);

}  // namespace mooring::agent
