#include "server/config/server_id.h"

#include <optional>
#include <string>

#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::server {
namespace {

constexpr std::uint64_t kBytesMax = 256;

}  // namespace

absl::StatusOr<ServerId> EnsureServerId(FileSystem& files, const StateDir& dir, Random& random) {
  const absl::StatusOr<Bytes> there = files.Read(dir.server_id(), kBytesMax);
  if (there.ok()) {
    std::string text = ToString(*there);
    while (!text.empty() && text.back() == '\n') text.pop_back();
    const std::optional<ServerId> id = ServerId::FromHex(text);
    if (id) return *id;
    return absl::DataLossError(fmt::format(
        "{} holds no id of a server; remove the file, and a new one is made", dir.server_id()));
  }
  if (!absl::IsNotFound(there.status())) return there.status();
  const ServerId id = ServerId::Make(random);
  MOORING_RETURN_IF_ERROR(WriteFileDurably(files, dir.server_id(), AsBytes(id.hex() + "\n"), 0644));
  return id;
}

}  // namespace mooring::server
