// FakeProvider: a table behind `content query`, printed as the genuine tool
// prints it: nothing escaped.

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/agent/android/fake_adb_device.h"

namespace mooring::testing {

class FakeProvider {
 public:
  using Row = std::map<std::string, std::optional<std::string>>;

  explicit FakeProvider(std::string uri) : uri_(std::move(uri)) {}

  std::map<std::int64_t, Row> rows;
  std::size_t queries = 0;
  // Columns that this version lacks.
  std::string lacks;

  // For FakePhone::answer.
  std::optional<FakeReply> Answer(const std::string& command) {
    if (command.find("content query --uri '" + uri_ + "' ") != 0) return std::nullopt;
    ++queries;
    if (!lacks.empty() &&
        (":" + Word(command, "--projection ") + ":").find(":" + lacks + ":") != std::string::npos) {
      return FakeReply{"", 1, "Error while accessing provider: no such column: " + lacks};
    }
    FakeReply reply;
    std::size_t number = 0;
    for (const auto& [id, row] : rows) {
      if (!Matches(id, row, Quoted(command, "--where "))) continue;
      reply.output += "Row: " + std::to_string(number++) + " ";
      std::string columns = Word(command, "--projection ");
      for (bool first = true; !columns.empty(); first = false) {
        const std::string column = columns.substr(0, columns.find(':'));
        columns.erase(0, column.size() + 1);
        const auto it = row.find(column);
        const bool is_null = column != "_id" && (it == row.end() || !it->second);
        reply.output += (first ? "" : ", ") + column + "=" +
                        (column == "_id" ? std::to_string(id)
                         : is_null       ? "NULL"
                                         : *it->second);
      }
      reply.output += "\n";
    }
    if (number == 0) reply.output = "No result found.\n";
    return reply;
  }

 private:
  static std::string Word(const std::string& command, const std::string& key) {
    const std::size_t at = command.find(key) + key.size();
    return command.substr(at, command.find(' ', at) - at);
  }
  // What stands in quotes behind `key`, which it may itself have quotes in.
  static std::string Quoted(const std::string& command, const std::string& key) {
    const std::size_t at = command.find(key);
    if (at == std::string::npos) return "";
    return command.substr(at + key.size(), command.find(" --sort") - at - key.size());
  }
  static bool Matches(std::int64_t id, const Row& row, const std::string& where) {
    if (where.empty()) return true;
    if (where.find("NULL") != std::string::npos) {
      const auto it = row.find("body");
      return it != row.end() && it->second == "NULL";
    }
    const std::size_t low = where.find("_id>=");
    if (low == std::string::npos) return id == std::stoll(where.substr(where.find("_id=") + 4));
    return id >= std::stoll(where.substr(low + 5)) &&
           id <= std::stoll(where.substr(where.find("_id<=") + 5));
  }

  const std::string uri_;
};

}  // namespace mooring::testing
