// Plist: a property list that frees itself, over libplist.
//
// The simulator reads plists from the host under test and from nowhere else, so
// libplist's own parsers are good enough here; the agent, which reads plists
// from phones, must not rely on this class.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <plist/plist.h>

namespace mooring::testing {

// A node of a Plist that lives elsewhere; valid only while that Plist is.
// Every getter answers nullopt (or an empty view) for a node of another type.
class PlistView {
 public:
  PlistView() = default;
  explicit PlistView(plist_t node) : node_(node) {}

  bool exists() const { return node_ != nullptr; }
  bool IsDict() const { return Is(PLIST_DICT); }
  bool IsArray() const { return Is(PLIST_ARRAY); }
  bool IsString() const { return Is(PLIST_STRING); }
  bool IsData() const { return Is(PLIST_DATA); }

  PlistView Find(const char* key) const;
  PlistView At(std::size_t index) const;
  std::size_t array_size() const;
  std::size_t dict_size() const;

  std::optional<std::string> AsString() const;
  std::optional<std::uint64_t> AsInteger() const;
  std::optional<bool> AsBoolean() const;
  std::optional<std::string> AsData() const;
  std::optional<std::uint64_t> AsUid() const;

  std::string StringOr(const char* key, std::string fallback) const;
  std::uint64_t IntegerOr(const char* key, std::uint64_t fallback) const;
  bool BooleanOr(const char* key, bool fallback) const;
  std::vector<std::string> Strings() const;  // Those items of an array that are strings.

  void ForEach(const std::function<void(const std::string& key, PlistView value)>& visit) const;

  std::string Xml() const;
  std::string Binary() const;
  plist_t node() const { return node_; }

 protected:
  bool Is(plist_type type) const;

  plist_t node_ = nullptr;
};

// Owns its tree. Move-only.
class Plist : public PlistView {
 public:
  Plist() = default;
  static Plist Dict() { return Plist(plist_new_dict()); }
  static Plist Array() { return Plist(plist_new_array()); }
  static Plist String(std::string_view text);
  static Plist Integer(std::uint64_t value) { return Plist(plist_new_uint(value)); }
  static Plist Real(double value) { return Plist(plist_new_real(value)); }
  static Plist Boolean(bool value) { return Plist(plist_new_bool(value ? 1 : 0)); }
  static Plist Data(std::string_view bytes);
  static Plist DateFromUnix(std::int64_t seconds);
  static Plist CopyOf(PlistView view);
  // XML or binary; kInvalidArgument for anything else.
  static absl::StatusOr<Plist> Parse(std::string_view bytes);

  Plist(Plist&& other) noexcept : PlistView(other.node_) { other.node_ = nullptr; }
  Plist& operator=(Plist&& other) noexcept;
  Plist(const Plist&) = delete;
  Plist& operator=(const Plist&) = delete;
  ~Plist();

  Plist& Set(const char* key, Plist value) &;
  Plist&& Set(const char* key, Plist value) &&;
  Plist& Set(const char* key, std::string_view text) & { return Set(key, String(text)); }
  Plist&& Set(const char* key, std::string_view text) && {
    return std::move(*this).Set(key, String(text));
  }
  Plist& Add(Plist value) &;
  Plist&& Add(Plist value) &&;

 private:
  explicit Plist(plist_t node) : PlistView(node) {}
  plist_t Release();
};

}  // namespace mooring::testing
