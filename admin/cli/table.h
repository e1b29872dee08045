// Tables: aligned columns for people, and CSV for spreadsheets.

#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace mooring::admin {

enum class Tone { kPlain, kGood, kWarning, kBad };

struct Cell {
  // NOLINTNEXTLINE(google-explicit-constructor): a row reads as the list of its texts.
  Cell(std::string cell_text, Tone cell_tone = Tone::kPlain)
      : text(std::move(cell_text)), tone(cell_tone) {}
  // NOLINTNEXTLINE(google-explicit-constructor)
  Cell(const char* cell_text) : text(cell_text) {}

  std::string text;
  Tone tone = Tone::kPlain;
};

struct Column {
  std::string title;
  bool right = false;    // Aligned to the right: numbers.
  bool shrinks = false;  // Cut first where the terminal is too narrow.
};

struct TableStyle {
  std::size_t columns = 0;  // Width of the terminal; 0 cuts nothing.
  bool color = false;
};

// Cells are cleaned as they come in: what a phone calls itself cannot move the
// cursor. Thread-compatible.
class Table {
 public:
  // Without any title there is no header line: a list of fields.
  explicit Table(std::vector<Column> columns);

  // As many cells as there are columns.
  void AddRow(std::vector<Cell> cells);

  std::size_t row_count() const { return rows_.size(); }
  std::string Render(const TableStyle& style) const;
  // RFC 4180. A cell that a spreadsheet would run as a formula gets a quote in front.
  std::string RenderCsv() const;

 private:
  std::vector<std::size_t> Widths(const TableStyle& style) const;

  std::vector<Column> columns_;
  std::vector<std::vector<Cell>> rows_;
};

// Two columns, name and value, without a header.
Table FieldTable();

}  // namespace mooring::admin
