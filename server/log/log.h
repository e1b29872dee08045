// Log: what the server tells its operators. One JSON object a line.
//
// Never content, keys, tokens or names from phones: fields are ids, counts,
// codes and our own sentences. Values are capped and control characters escaped,
// so that nothing a phone or a caller says can forge a line.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "storage/base/clock.h"

namespace spdlog {
class logger;
}

namespace mooring::server {

inline constexpr std::size_t kLogValueBytesMax = 512;

struct LogField {
  std::string_view name;
  std::variant<std::string, std::int64_t, std::uint64_t, double, bool> value;
};

enum class LogLevel { kInfo, kWarning, kError };

// Thread-safe.
class Log {
 public:
  virtual ~Log() = default;
  // `event` is a short constant name: "session.begin".
  virtual void Write(LogLevel level, std::string_view event,
                     std::initializer_list<LogField> fields) = 0;

  void Info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kInfo, event, fields);
  }
  void Warning(std::string_view event, std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kWarning, event, fields);
  }
  void Error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    Write(LogLevel::kError, event, fields);
  }
};

// The line for one event, without its end.
std::string FormatLogLine(absl::Time at, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields);

// Writes to standard error.
class JsonLog final : public Log {
 public:
  explicit JsonLog(Clock& clock);
  ~JsonLog() override;
  void Write(LogLevel level, std::string_view event,
             std::initializer_list<LogField> fields) override;

 private:
  Clock& clock_;
  std::unique_ptr<spdlog::logger> logger_;
};

}  // namespace mooring::server
