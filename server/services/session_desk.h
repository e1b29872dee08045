// SessionDesk: how backup sessions end, whoever ends them: by commit, by the
// agent, by their lease, or because the phone got another owner. One place, so
// that slot, board, metrics and standing never disagree with the catalog.

#pragma once

#include <string>

#include "server/services/server_parts.h"
#include "server/services/standings.h"
#include "storage/catalog/session_store.h"

namespace mooring::server {

// Thread-safe.
class SessionDesk {
 public:
  SessionDesk(ServerParts& parts, Standings& standings) : parts_(parts), standings_(standings) {}

  // Open sessions of the catalog hold their slots again after a restart.
  absl::Status Resume(const OpContext& ctx);

  // A session that has begun at another server goes on with this one, where its agent
  // is now: its slot and its place on the board are here. False: `agent` has no such
  // session that is open.
  absl::StatusOr<bool> Adopt(const OpContext& ctx, const SessionId& session, const AgentId& agent);
  // Lets go of sessions whose agent is at another server by now, which has adopted them.
  void HandOver();

  // kNotFound: `agent` has no such session.
  absl::Status CheckOwner(const OpContext& ctx, const SessionId& session, const AgentId& agent);

  void Committed(const OpContext& ctx, const SessionId& session);
  // Ends a session that is open; OK if it is over already.
  absl::Status Abort(const OpContext& ctx, const SessionId& session, const AgentId& agent,
                     v1::Cause cause, const std::string& message);
  // Orders the agent to drop it, and ends it.
  absl::Status Cancel(const OpContext& ctx, const DeviceId& device, v1::Cause cause,
                      const std::string& message);
  // A phone was not backed up, and no session ever began.
  absl::Status Missed(const OpContext& ctx, const std::string& serial, v1::Cause cause,
                      const std::string& message);

  // A session of the device has begun: one that it took over from ends here, too,
  // and gives back its slot.
  absl::Status Begun(const OpContext& ctx, const DeviceId& device);
  // Ends sessions whose lease is over.
  absl::Status Expire(const OpContext& ctx);
  // Stores what agents said of their sessions, which also extends the leases.
  void StoreProgress(const OpContext& ctx);

 private:
  // It has its slot and its place on the board.
  void Hold(const storage::SessionView& view);
  // Ends here what the catalog says is over.
  absl::Status Compare(const OpContext& ctx, const std::vector<v1::Session>& running);
  void Ended(const OpContext& ctx, const SessionId& session, v1::SessionState state,
             v1::Cause cause, const std::string& message);

  ServerParts& parts_;
  Standings& standings_;
};

// One sentence from an agent, without control characters and not too long.
std::string CleanMessage(const std::string& message);

}  // namespace mooring::server
