// How commands print: tables for people, JSON and YAML for scripts, and the
// progress of a session as one line that changes, or as plain lines where there
// is no terminal.

#pragma once

#include <string>
#include <vector>

#include <absl/time/time.h>
#include <google/protobuf/message.h>

#include "mooring/session/v1/desk.pb.h"

namespace mooring::agent {

enum class OutputFormat { kTable, kJson, kYaml };

// Columns as wide as their widest cell; the first row is the heading.
void PrintTable(const std::vector<std::vector<std::string>>& rows);
// As JSON or YAML.
void PrintMessage(OutputFormat format, const google::protobuf::Message& message);

// "1.5 GiB".
std::string BytesText(std::uint64_t bytes);
// UTC, RFC 3339, or "never" for the epoch.
std::string TimeText(const google::protobuf::Timestamp& time);
// `text` with control characters and anything that is not UTF-8 made visible.
std::string Printable(const std::string& text);

// Thread-bound.
class ProgressDisplay {
 public:
  // With JSON, each step is one line of JSON.
  explicit ProgressDisplay(OutputFormat format);

  void Show(const v1::Progress& progress);
  // Ends the line that changes.
  void Finish();

 private:
  const OutputFormat format_;
  const bool terminal_;
  std::string last_;
  bool line_open_ = false;
};

}  // namespace mooring::agent
