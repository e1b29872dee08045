#include "agent/android/adb_device.h"

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {

absl::StatusOr<ShellResult> RunShell(const OpContext& ctx, AdbDevice& device,
                                     std::string_view command, std::size_t output_bytes_max) {
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<AdbShell> shell, device.Shell(ctx, command));
  ShellResult result;
  Bytes piece(std::size_t{64} << 10);
  while (true) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t count, shell->Read(ctx, piece));
    if (count == 0) break;
    if (result.output.size() + count > output_bytes_max) {
      return absl::OutOfRangeError(ToAbsl(
          fmt::format("a command on the phone answers more than {} bytes", output_bytes_max)));
    }
    result.output += AsText(ByteView(piece).subspan(0, count));
  }
  MOORING_ASSIGN_OR_RETURN(result.exit, shell->Finish(ctx));
  return result;
}

std::string QuoteForShell(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "'";
}

}  // namespace mooring::agent
