#include "agent/cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>

#include "proto/message_json.h"

namespace mooring::agent {
namespace {

std::string ProgressText(const v1::Progress& progress) {
  std::string text = Printable(progress.message());
  if (text.empty()) text = "Working";
  if (progress.percent() >= 0) text += fmt::format("  {} %", progress.percent());
  if (progress.bytes_read() > 0) {
    text += fmt::format("  {} files, {}, {} new", progress.files_done(),
                        BytesText(progress.bytes_read()), BytesText(progress.bytes_new()));
  }
  return text;
}

}  // namespace

std::string Printable(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

void PrintTable(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size() + 2, ' ');
    }
    fmt::print("{}\n", line);
  }
}

void PrintMessage(OutputFormat format, const google::protobuf::Message& message) {
  if (format == OutputFormat::kYaml) {
    fmt::print("{}", MessageToYamlView(message));
  } else {
    fmt::print("{}\n", MessageToJson(message));
  }
}

std::string BytesText(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0) return "never";
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

ProgressDisplay::ProgressDisplay(OutputFormat format)
    : format_(format), terminal_(isatty(STDOUT_FILENO) != 0) {}

void ProgressDisplay::Show(const v1::Progress& progress) {
  if (format_ != OutputFormat::kTable) {
    if (format_ == OutputFormat::kJson) fmt::print("{}\n", MessageToJsonLine(progress));
    std::fflush(stdout);
    return;
  }
  if (terminal_) {
    fmt::print("\r\033[K{}", ProgressText(progress));
    line_open_ = true;
  } else if (progress.message() != last_) {
    // Without a terminal, one line for each step.
    last_ = progress.message();
    fmt::print("{}\n", ProgressText(progress));
  }
  std::fflush(stdout);
}

void ProgressDisplay::Finish() {
  if (line_open_) fmt::print("\n");
  line_open_ = false;
}

}  // namespace mooring::agent
