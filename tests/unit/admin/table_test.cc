#include "admin/cli/table.h"

#include <gtest/gtest.h>

namespace mooring::admin {
namespace {

TEST(TableTest, AlignsColumns) {
  Table table({{"NAME"}, {"SIZE", true}, {"STATE"}});
  table.AddRow({"a", "1", "ok"});
  table.AddRow({"longer", "1000", "overdue"});
  EXPECT_EQ(table.Render({}),
            "NAME    SIZE  STATE\n"
            "a          1  ok\n"
            "longer  1000  overdue\n");
}

TEST(TableTest, ShrinksTheWidestToTheTerminal) {
  Table table({{"ID"}, {"NAME", false, true}, {"NOTE", false, true}});
  table.AddRow({"0123456789ab", "a rather long name of a phone", "short"});
  const std::string out = table.Render({.columns = 40, .color = false});
  EXPECT_EQ(out,
            "ID            NAME                 NOTE\n"
            "0123456789ab  a rather long name\u2026  short\n");
}

TEST(TableTest, CutsNothingWithoutATerminal) {
  Table table({{"NAME", false, true}});
  table.AddRow({std::string(500, 'x')});
  EXPECT_NE(table.Render({}).find(std::string(500, 'x')), std::string::npos);
}

TEST(TableTest, ColorsOnlyWhenAsked) {
  Table table({{"STATE"}});
  table.AddRow({Cell("overdue", Tone::kBad)});
  EXPECT_EQ(table.Render({}), "STATE\noverdue\n");
  EXPECT_EQ(table.Render({.columns = 0, .color = true}), "STATE\n\x1b[31moverdue\x1b[0m\n");
}

TEST(TableTest, CellsCannotMoveTheCursor) {
  Table table({{"NAME"}, {"X"}});
  table.AddRow({"a\x1b[1A\nb\u202e", "x"});
  EXPECT_EQ(table.Render({}), "NAME    X\na[1A b  x\n");
}

TEST(TableTest, AListOfFieldsHasNoHeader) {
  Table table = FieldTable();
  table.AddRow({"id", "1"});
  table.AddRow({"serial", "2"});
  EXPECT_EQ(table.Render({}), "id      1\nserial  2\n");
}

TEST(TableTest, CsvQuotesAndDisarmsFormulas) {
  Table table({{"a"}, {"b"}});
  table.AddRow({"x,y", "he said \"no\""});
  table.AddRow({"=HYPERLINK(1)", "+1"});
  table.AddRow({"@cmd", "-1+1,2"});
  EXPECT_EQ(table.RenderCsv(),
            "a,b\r\n"
            "\"x,y\",\"he said \"\"no\"\"\"\r\n"
            "'=HYPERLINK(1),'+1\r\n"
            "'@cmd,\"'-1+1,2\"\r\n");
}

}  // namespace
}  // namespace mooring::admin
