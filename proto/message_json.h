// Messages as JSON and YAML for people and scripts: what -o json and -o yaml
// print.
//
// The protobuf JSON mapping with these choices: field names as in the schema,
// every field shown (those without presence also at their default, so that a
// script finds the key), bytes in lower-case hexadecimal (they are ids), 64-bit
// integers as strings, enums as names, times RFC 3339 UTC, durations as seconds
// ("12.5s"). YAML is the same tree.
//
// Text from phones is hostile: control characters and bidirectional overrides
// are escaped, and bytes that are not UTF-8 become U+FFFD.

#pragma once

#include <string>

#include <google/protobuf/message.h>

namespace mooring {

// Indented by two spaces, no newline at the end.
std::string MessageToJson(const google::protobuf::Message& message);

// On one line, for streams of messages.
std::string MessageToJsonLine(const google::protobuf::Message& message);

// Block style, ends in a newline. For reading; a document that is to be applied
// again comes from MessageToYaml (proto/yaml_message.h).
std::string MessageToYamlView(const google::protobuf::Message& message);

}  // namespace mooring
