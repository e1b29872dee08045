// YAML documents as protobuf messages: configuration files and policies are
// written in YAML, and the message is their schema.
//
// The keys of a mapping are the field names. Enum values may be written as in
// the schema (PHONE_ENCRYPTION_AS_IS) or short (as-is). A small, strict part of
// YAML is read: one document, no anchors, aliases, merge keys or tags, no key
// twice, bounded in size, depth and number of nodes.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <google/protobuf/message.h>

namespace mooring {

inline constexpr std::size_t kYamlBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kYamlDepthMax = 16;
inline constexpr std::size_t kYamlNodesMax = 20'000;

// Replaces `message` with what `text` says. kInvalidArgument names the line and
// what is wrong there: an unknown key (with the nearest known one), a value of
// another type, and so on. `message` is then in no particular state.
absl::Status YamlToMessage(std::string_view text, google::protobuf::Message& message);

// The document that YamlToMessage reads back as `message`. Fields that have
// their default value are left out; bytes are base64, times as in JSON.
std::string MessageToYaml(const google::protobuf::Message& message);

}  // namespace mooring
