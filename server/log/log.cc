#include "server/log/log.h"

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "server/log/json_text.h"
#include "storage/base/status.h"

namespace mooring::server {
namespace {

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

struct ValueText {
  std::string operator()(const std::string& value) const {
    return JsonText(value, kLogValueBytesMax);
  }
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return fmt::format("{}", value); }
  std::string operator()(std::uint64_t value) const { return fmt::format("{}", value); }
  std::string operator()(double value) const { return fmt::format("{:.6g}", value); }
};

}  // namespace

std::string FormatLogLine(absl::Time at, LogLevel level, std::string_view event,
                          std::initializer_list<LogField> fields) {
  std::string line = fmt::format(R"({{"time":"{}","level":"{}","event":{})",
                                 absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", at, absl::UTCTimeZone()),
                                 LevelName(level), JsonText(event));
  for (const LogField& field : fields) {
    line += fmt::format(",{}:{}", JsonText(field.name), std::visit(ValueText{}, field.value));
  }
  return line + "}";
}

JsonLog::JsonLog(Clock& clock) : clock_(clock) {
  logger_ = std::make_unique<spdlog::logger>("mooringd",
                                             std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger_->set_pattern("%v");
  logger_->flush_on(spdlog::level::info);
}

JsonLog::~JsonLog() = default;

void JsonLog::Write(LogLevel level, std::string_view event,
                    std::initializer_list<LogField> fields) {
  logger_->info("{}", FormatLogLine(clock_.Now(), level, event, fields));
}

}  // namespace mooring::server
