#include "agent/android/phone_hash.h"

#include <algorithm>
#include <array>
#include <memory>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::size_t kHexBytes = 2 * storage::kSha256Bytes;
constexpr std::size_t kNamesBytesMax = 128 << 10;
constexpr std::size_t kLineBytesMax = 8192;
constexpr int kNoSuchCommand = 127;

// Reads `shell` to its end line by line; over-long lines are left out.
absl::Status ReadLines(const OpContext& ctx, AdbShell& shell,
                       absl::FunctionRef<void(std::string_view)> visit) {
  std::array<std::byte, 16384> buffer;
  std::string rest;
  bool too_long = false;
  for (;;) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t size, shell.Read(ctx, buffer));
    if (size == 0) break;
    for (const char c : AsText(ByteView(buffer).first(size))) {
      if (c != '\n') {
        if (rest.size() < kLineBytesMax) rest += c;
        too_long = too_long || rest.size() == kLineBytesMax;
        continue;
      }
      if (!too_long) visit(rest);
      rest.clear();
      too_long = false;
    }
  }
  return absl::OkStatus();
}

using Visit = absl::FunctionRef<void(std::size_t, const storage::Sha256Digest&)>;

absl::Status HashBatch(const OpContext& ctx, AdbDevice& device, std::string_view directory,
                       const absl::flat_hash_map<std::string_view, std::size_t>& wanted,
                       Visit visit) {
  MOORING_ASSIGN_OR_RETURN(
      const std::unique_ptr<AdbShell> shell,
      device.Shell(ctx, fmt::format("cd {} && xargs -0 sha256sum", QuoteForShell(directory))));
  std::string names;
  for (const auto& [path, index] : wanted) {
    names += "./";
    names += path;
    names += '\0';
  }
  MOORING_RETURN_IF_ERROR(shell->Write(ctx, AsBytes(names)));
  MOORING_RETURN_IF_ERROR(shell->CloseStdin(ctx));
  MOORING_RETURN_IF_ERROR(ReadLines(ctx, *shell, [&](std::string_view line) {
    const std::optional<HashedFile> hashed = ParseHashLine(line);
    if (!hashed || hashed->path.substr(0, 2) != "./") return;
    const auto it = wanted.find(hashed->path.substr(2));
    if (it != wanted.end()) visit(it->second, hashed->sha256);
  }));
  MOORING_ASSIGN_OR_RETURN(const ShellExit exit, shell->Finish(ctx));
  if (exit.status == kNoSuchCommand) return absl::UnimplementedError("no sha256sum");
  return absl::OkStatus();  // Files that it could not read make it fail; the others count.
}

// A name with a newline cannot be told from two lines: through stdin it has none.
absl::Status HashOne(const OpContext& ctx, AdbDevice& device, std::string_view directory,
                     const std::string& path, std::size_t index, Visit visit) {
  const std::string command =
      fmt::format("cd {} && sha256sum < {}", QuoteForShell(directory), QuoteForShell("./" + path));
  MOORING_ASSIGN_OR_RETURN(const ShellResult result, RunShell(ctx, device, command, kLineBytesMax));
  const std::string_view output = result.output;
  const std::optional<HashedFile> hashed = ParseHashLine(output.substr(0, output.find('\n')));
  if (result.exit.status == 0 && hashed && hashed->path == "-") visit(index, hashed->sha256);
  return absl::OkStatus();
}

}  // namespace

std::optional<HashedFile> ParseHashLine(std::string_view line) {
  // Two spaces, or a space and a star for "binary".
  if (line.size() < kHexBytes + 3 || line[kHexBytes] != ' ' ||
      (line[kHexBytes + 1] != ' ' && line[kHexBytes + 1] != '*')) {
    return std::nullopt;
  }
  const std::optional<Bytes> digest = FromHex(line.substr(0, kHexBytes));
  if (!digest) return std::nullopt;
  HashedFile hashed;
  std::copy(digest->begin(), digest->end(), hashed.sha256.begin());
  hashed.path = line.substr(kHexBytes + 2);
  return hashed;
}

absl::Status HashOnPhone(const OpContext& ctx, AdbDevice& device, std::string_view directory,
                         const std::vector<std::string>& paths, Visit visit) {
  absl::flat_hash_map<std::string_view, std::size_t> batch;
  std::size_t batch_bytes = 0;
  for (std::size_t i = 0; i <= paths.size(); ++i) {
    const bool is_last = i == paths.size();
    if (is_last || batch_bytes + paths[i].size() > kNamesBytesMax) {
      if (!batch.empty()) MOORING_RETURN_IF_ERROR(HashBatch(ctx, device, directory, batch, visit));
      batch.clear();
      batch_bytes = 0;
    }
    if (is_last) break;
    if (paths[i].find('\n') != std::string::npos) {
      MOORING_RETURN_IF_ERROR(HashOne(ctx, device, directory, paths[i], i, visit));
      continue;
    }
    batch.emplace(paths[i], i);
    batch_bytes += paths[i].size() + 3;
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
