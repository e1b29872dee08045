#include "server/services/sessions_elsewhere.h"

#include <optional>
#include <utility>

#include "server/services/records.h"
#include "storage/base/status.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/session_store.h"

namespace mooring::server {
namespace {

constexpr absl::Duration kLookEvery = absl::Seconds(3);
constexpr std::uint32_t kSessionsMax = 10'000;

absl::StatusOr<std::optional<storage::SessionView>> ViewOf(storage::Transaction& tx,
                                                           const SessionId& id) {
  MOORING_ASSIGN_OR_RETURN(const auto record, tx.sessions().Get(id));
  if (!record) return std::optional<storage::SessionView>();
  MOORING_ASSIGN_OR_RETURN(const auto device, tx.devices().Get(record->device));
  MOORING_ASSIGN_OR_RETURN(const auto agent, tx.agents().Get(record->agent));
  if (!device || !agent) return std::optional<storage::SessionView>();
  return std::optional<storage::SessionView>({*record, device->serial, agent->hostname});
}

}  // namespace

absl::StatusOr<std::vector<v1::Session>> SessionsElsewhere::Changed(const OpContext& ctx) {
  std::vector<v1::Session> changed;
  const absl::Duration now = parts_.clock.Monotonic();
  if (now < next_) return changed;
  next_ = now + kLookEvery;
  if (parts_.hub.elsewhere() == 0 && told_.empty()) return changed;
  std::vector<storage::SessionView> open;
  std::vector<storage::SessionView> ended;
  const absl::Status read = parts_.catalog.Run(ctx, [&](storage::Transaction& tx) -> absl::Status {
    ended.clear();
    storage::SessionFilter filter;
    filter.state = v1::SESSION_STATE_OPEN;
    filter.limit = kSessionsMax;
    MOORING_ASSIGN_OR_RETURN(open, tx.sessions().List(filter));
    absl::flat_hash_map<SessionId, bool> is_open;
    for (const storage::SessionView& view : open) is_open[view.session.id] = true;
    for (const auto& [id, text] : told_) {
      if (is_open.contains(id)) continue;
      MOORING_ASSIGN_OR_RETURN(auto view, ViewOf(tx, id));
      if (view) ended.push_back(*std::move(view));
    }
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  absl::flat_hash_map<SessionId, std::string> told;
  for (const storage::SessionView& view : open) {
    // What is on the board is told from there.
    if (parts_.board.Find(view.session.id)) continue;
    v1::Session session = ToMessage(view);
    std::string text = session.SerializeAsString();
    const auto before = told_.find(view.session.id);
    const bool is_news = before == told_.end() || before->second != text;
    told[view.session.id] = std::move(text);
    if (is_news) changed.push_back(std::move(session));
  }
  for (const storage::SessionView& view : ended) changed.push_back(ToMessage(view));
  told_ = std::move(told);
  return changed;
}

}  // namespace mooring::server
