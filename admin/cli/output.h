// Output: data on stdout in the format asked for, talk on stderr.

#pragma once

#include <string>
#include <string_view>

#include <google/protobuf/message.h>

#include "admin/cli/environment.h"
#include "admin/cli/table.h"

namespace mooring::admin {

enum class Format { kTable, kJson, kYaml, kCsv };

// Thread-compatible.
class Output {
 public:
  Output(Environment& env, Format format) : env_(env), format_(format) {}

  Format format() const { return format_; }
  // A script reads along: data only, as a message.
  bool is_structured() const { return format_ == Format::kJson || format_ == Format::kYaml; }

  // The whole answer of a command, as JSON or YAML.
  void Print(const google::protobuf::Message& message);
  // One of a stream: a JSON line, or a YAML document.
  void PrintOne(const google::protobuf::Message& message);
  void Print(const Table& table);
  // A line of an answer for people. Cleaned.
  void PrintLine(std::string_view line);
  // Text as it is, such as a document or a completion script.
  void PrintRaw(std::string_view text);

  // Replaces the `lines` lines printed last (on a terminal).
  void Rewind(std::size_t lines);

  // A line of talk. Cleaned.
  void Note(std::string_view line);
  // Replaces the progress line on a terminal; says nothing anywhere else.
  void Progress(std::string_view line);
  void EndProgress();

  // How tables are drawn here.
  TableStyle style() const;

 private:
  Environment& env_;
  const Format format_;
  bool progress_shown_ = false;
};

}  // namespace mooring::admin
