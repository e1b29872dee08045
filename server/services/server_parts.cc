#include "server/services/server_parts.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <string.h>

#include "storage/base/status.h"

namespace mooring::server {
namespace {

constexpr std::uint64_t kReserveMax = std::uint64_t{5} << 30;

}  // namespace

absl::StatusOr<StoreRoom> RoomOf(const OpContext& ctx, const ServerParts& parts) {
  const absl::StatusOr<SpaceInfo> space = parts.objects.Space(ctx);
  if (absl::IsUnimplemented(space.status())) {
    // A store without a size of its own is never full before it says so.
    return StoreRoom{.free_bytes = std::numeric_limits<std::int64_t>::max()};
  }
  MOORING_RETURN_IF_ERROR(space.status());
  StoreRoom room{.total_bytes = space->total_bytes, .free_bytes = space->free_bytes};
  room.reserve_bytes = parts.settings.store_reserve_bytes != 0
                           ? parts.settings.store_reserve_bytes
                           : std::min(kReserveMax, space->total_bytes / 10);
  return room;
}

storage::AuditRecord AuditOf(const ServerParts& parts, std::string actor, std::string action,
                             std::string subject, std::string detail_json) {
  return {.at = parts.clock.Now(),
          .actor = std::move(actor),
          .action = std::move(action),
          .subject = std::move(subject),
          .detail_json = std::move(detail_json)};
}

void WipeText(std::string& text) {
  explicit_bzero(text.data(), text.size());
  text.clear();
}

}  // namespace mooring::server
