// The agent's log: one event per line, as key=value. Never anything from inside
// a phone: no file names, no names that its owner gave.

#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace spdlog {
class logger;
}

namespace mooring::agent {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Thread-safe. Writes to standard error, where systemd and people look.
class Log {
 public:
  using Fields = std::initializer_list<std::pair<std::string_view, std::string>>;

  explicit Log(LogLevel least);
  ~Log();

  // `event` is a few words in lower case.
  void Write(LogLevel level, std::string_view event, Fields fields);
  void Info(std::string_view event, Fields fields) { Write(LogLevel::kInfo, event, fields); }
  void Warning(std::string_view event, Fields fields) { Write(LogLevel::kWarning, event, fields); }
  void Error(std::string_view event, Fields fields) { Write(LogLevel::kError, event, fields); }

 private:
  std::shared_ptr<spdlog::logger> logger_;
};

}  // namespace mooring::agent
