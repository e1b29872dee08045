// The paths that a phone names in a backup conversation, matched against an
// allow-list and mapped into the snapshot. A phone's path is never joined to
// anything of this computer.
//
//   <udid>                                      full
//   <udid>/{Info,Status,Manifest}.plist         full/...
//   <udid>/Manifest.db                          full/Manifest.db
//   <udid>/xx, <udid>/xx/<40 hex digits>        full/xx/...   (xx: two hex digits)
//   <udid>/Snapshot and all of these below it   full/Snapshot/...

#pragma once

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace mooring::agent {

// Where an iPhone's full capture lies in a snapshot.
inline constexpr std::string_view kFullRoot = "full";
inline constexpr std::string_view kFullSnapshot = "full/Snapshot";
inline constexpr std::string_view kInfoPath = "full/Info.plist";
inline constexpr std::string_view kStatusPath = "full/Status.plist";
inline constexpr std::string_view kManifestPath = "full/Manifest.plist";
inline constexpr std::string_view kManifestDbPath = "full/Manifest.db";

// Longest path that a phone may name; its own are below 100 bytes.
inline constexpr std::size_t kPhonePathBytesMax = 1024;

struct PhonePath {
  // A clean path below the phone's own directory that is not on the list. It
  // never exists: reading and removing it find nothing, writing it is refused.
  bool is_listed = false;
  // Where it lies in the snapshot, if listed.
  std::string snapshot_path;
};

// kInvalidArgument (CAUSE_PROTOCOL_ERROR): absolute, "..", empty components,
// NUL, a backslash, another phone's directory, too long.
absl::StatusOr<PhonePath> ParsePhonePath(std::string_view path, std::string_view udid);

// Where the payload of a Manifest.db row lies: full/<xx>/<file_id>. Empty unless
// `file_id` is 40 lower-case hexadecimal digits.
std::string PayloadPath(std::string_view file_id);

// Whether `path` of a snapshot is a payload, that is full/xx/<40 hex digits>.
bool IsPayloadPath(std::string_view path);

}  // namespace mooring::agent
