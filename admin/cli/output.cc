#include "admin/cli/output.h"

#include <fmt/format.h>

#include "admin/cli/text.h"
#include "proto/message_json.h"
#include "proto/plain_text.h"

namespace mooring::admin {

void Output::Print(const google::protobuf::Message& message) {
  EndProgress();
  env_.out << (format_ == Format::kYaml ? MessageToYamlView(message)
                                        : MessageToJson(message) + '\n');
}

void Output::PrintOne(const google::protobuf::Message& message) {
  EndProgress();
  env_.out << (format_ == Format::kYaml ? "---\n" + MessageToYamlView(message)
                                        : MessageToJsonLine(message) + '\n')
           << std::flush;
}

void Output::Print(const Table& table) {
  EndProgress();
  env_.out << (format_ == Format::kCsv ? table.RenderCsv() : table.Render(style())) << std::flush;
}

void Output::PrintLine(std::string_view line) {
  EndProgress();
  env_.out << CleanText(line) << '\n';
}

void Output::PrintRaw(std::string_view text) {
  EndProgress();
  env_.out << text;
}

void Output::Rewind(std::size_t lines) {
  if (lines > 0) env_.out << fmt::format("\x1b[{}A\x1b[J", lines);
}

void Output::Note(std::string_view line) {
  EndProgress();
  env_.err << CleanText(line) << '\n';
}

void Output::Progress(std::string_view line) {
  if (!env_.err_is_terminal) return;
  const std::size_t width = env_.columns > 1 ? static_cast<std::size_t>(env_.columns) - 1 : 79;
  env_.err << "\r\x1b[K" << Truncate(CleanText(line), width) << std::flush;
  progress_shown_ = true;
}

void Output::EndProgress() {
  if (progress_shown_) env_.err << "\r\x1b[K" << std::flush;
  progress_shown_ = false;
}

TableStyle Output::style() const {
  TableStyle style;
  if (env_.out_is_terminal && env_.columns > 0) {
    style.columns = static_cast<std::size_t>(env_.columns);
  }
  const std::string no_color = env_.variable("NO_COLOR").value_or("");
  const std::string term = env_.variable("TERM").value_or("");
  style.color = env_.out_is_terminal && no_color.empty() && term != "dumb";
  return style;
}

}  // namespace mooring::admin
