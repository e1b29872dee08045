#include "admin/cli/table.h"

#include <algorithm>
#include <string_view>

#include "admin/cli/text.h"
#include "proto/plain_text.h"
#include "storage/base/check.h"

namespace mooring::admin {
namespace {

constexpr std::string_view kGap = "  ";
constexpr std::size_t kShrunkWidthMin = 8;

std::string_view ColorOf(Tone tone) {
  switch (tone) {
    case Tone::kGood:
      return "\x1b[32m";
    case Tone::kWarning:
      return "\x1b[33m";
    case Tone::kBad:
      return "\x1b[31m";
    case Tone::kPlain:
      break;
  }
  return "";
}

std::string Padded(const Cell& cell, const Column& column, std::size_t width, bool last,
                   bool color) {
  std::string text = Truncate(cell.text, width);
  const std::size_t padding = width - std::min(width, DisplayWidth(text));
  const std::string_view tone = color ? ColorOf(cell.tone) : "";
  if (!tone.empty()) text = std::string(tone) + text + "\x1b[0m";
  if (column.right) return std::string(padding, ' ') + text;
  return last ? text : text + std::string(padding, ' ');
}

std::string CsvCell(std::string text) {
  if (!text.empty() && std::string_view("=+-@").find(text[0]) != std::string_view::npos) {
    text.insert(0, "'");
  }
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::AddRow(std::vector<Cell> cells) {
  MOORING_CHECK(cells.size() == columns_.size());
  for (Cell& cell : cells) cell.text = CleanText(cell.text);
  rows_.push_back(std::move(cells));
}

std::vector<std::size_t> Table::Widths(const TableStyle& style) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = DisplayWidth(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, DisplayWidth(row[i].text));
    widths.push_back(width);
  }
  if (style.columns == 0) return widths;
  std::size_t total = kGap.size() * (columns_.size() - 1);
  for (const std::size_t width : widths) total += width;
  // One cell at a time from the widest column that may shrink, so that they end up even.
  while (total > style.columns) {
    std::size_t widest = columns_.size();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (!columns_[i].shrinks || widths[i] <= kShrunkWidthMin) continue;
      if (widest == columns_.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest == columns_.size()) break;
    --widths[widest];
    --total;
  }
  return widths;
}

std::string Table::Render(const TableStyle& style) const {
  const std::vector<std::size_t> widths = Widths(style);
  std::string out;
  const auto add_line = [&](const std::vector<Cell>& cells) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const bool last = i + 1 == cells.size();
      if (i > 0) out += kGap;
      out += Padded(cells[i], columns_[i], widths[i], last, style.color);
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  };
  std::vector<Cell> titles;
  for (const Column& column : columns_) titles.emplace_back(column.title);
  if (std::any_of(columns_.begin(), columns_.end(),
                  [](const Column& column) { return !column.title.empty(); })) {
    add_line(titles);
  }
  for (const auto& row : rows_) add_line(row);
  return out;
}

std::string Table::RenderCsv() const {
  std::string out;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    out += (i > 0 ? "," : "") + CsvCell(columns_[i].title);
  }
  out += "\r\n";
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + CsvCell(row[i].text);
    out += "\r\n";
  }
  return out;
}

Table FieldTable() {
  return Table({{"", false, false}, {"", false, true}});
}

}  // namespace mooring::admin
