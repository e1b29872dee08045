#include "server/services/session_board.h"

#include <string>
#include <utility>

#include "server/metrics/server_metrics.h"
#include "server/services/proto_time.h"

namespace mooring::server {
namespace {

constexpr std::size_t kEndedMax = 256;

}  // namespace

void SessionBoard::Touch(Row& row) {
  row.version = ++version_;
  changed_.NotifyAll();
}

void SessionBoard::Put(const v1::Session& session) {
  const auto id = SessionId::FromBytes(session.id());
  if (!id) return;
  MutexLock lock(mutex_);
  Row& row = rows_[*id];
  const v1::Progress before = row.session.progress();
  row.session = session;
  if (before.has_updated_at()) *row.session.mutable_progress() = before;
  Touch(row);
}

bool SessionBoard::SetProgress(const SessionId& id, const AgentId& agent,
                               const v1::Progress& progress) {
  MutexLock lock(mutex_);
  const auto it = rows_.find(id);
  if (it == rows_.end() || it->second.session.agent_id() != agent.bytes()) return false;
  v1::Progress& kept = *it->second.session.mutable_progress();
  kept = progress;
  // Agents do not set time.
  *kept.mutable_updated_at() = ToTimestamp(clock_.Now());
  it->second.session.set_read_bytes(progress.bytes_read());
  it->second.stored = false;
  Touch(it->second);
  return true;
}

void SessionBoard::AddNewBytes(const SessionId& id, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  const auto it = rows_.find(id);
  if (it == rows_.end()) return;
  it->second.session.set_new_bytes(it->second.session.new_bytes() + bytes);
  Touch(it->second);
}

void SessionBoard::End(const SessionId& id, v1::SessionState state, v1::Cause cause,
                       const std::string& message) {
  MutexLock lock(mutex_);
  const auto it = rows_.find(id);
  if (it == rows_.end()) return;
  Row row = std::move(it->second);
  rows_.erase(it);
  row.session.set_state(state);
  row.session.set_cause(cause);
  row.session.set_message(message);
  *row.session.mutable_ended_at() = ToTimestamp(clock_.Now());
  v1::Progress& progress = *row.session.mutable_progress();
  progress.set_phase(state == v1::SESSION_STATE_COMMITTED ? v1::PHASE_DONE : v1::PHASE_FAILED);
  progress.set_waiting_for(v1::WAITING_FOR_UNSPECIFIED);
  if (ended_.size() >= kEndedMax) ended_.pop_front();
  Touch(ended_.emplace_back(std::move(row)));
}

void SessionBoard::Forget(const SessionId& id) {
  MutexLock lock(mutex_);
  rows_.erase(id);
}

std::optional<v1::Session> SessionBoard::Find(const SessionId& id) const {
  MutexLock lock(mutex_);
  const auto it = rows_.find(id);
  return it == rows_.end() ? std::nullopt : std::optional(it->second.session);
}

std::vector<v1::Session> SessionBoard::Running() const {
  MutexLock lock(mutex_);
  std::vector<v1::Session> result;
  for (const auto& [id, row] : rows_) result.push_back(row.session);
  return result;
}

void SessionBoard::Count(SessionFigures& figures) const {
  MutexLock lock(mutex_);
  for (const auto& [id, row] : rows_) {
    const v1::Progress& progress = row.session.progress();
    ++figures.sessions[{LabelOf(v1::Phase_Name(progress.phase()), "PHASE_"),
                        LabelOf(v1::WaitingFor_Name(progress.waiting_for()), "WAITING_FOR_")}];
  }
}

std::vector<v1::Session> SessionBoard::ChangedSince(std::uint64_t& seen, absl::Duration timeout,
                                                    std::stop_token stop) {
  MutexLock lock(mutex_);
  // The lambda reads what the lock, held around it, guards.
  changed_.WaitFor(mutex_, std::move(stop), timeout,
                   [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return version_ > seen; });
  std::vector<v1::Session> result;
  for (const auto& [id, row] : rows_) {
    if (row.version > seen) result.push_back(row.session);
  }
  // Those that ended before the first look are no news.
  for (const Row& row : ended_) {
    if (row.version > seen && seen > 0) result.push_back(row.session);
  }
  seen = std::max<std::uint64_t>(version_, 1);
  return result;
}

std::vector<SessionBoard::Heard> SessionBoard::TakeUnstored() {
  MutexLock lock(mutex_);
  std::vector<Heard> result;
  for (auto& [id, row] : rows_) {
    if (std::exchange(row.stored, true)) continue;
    const auto agent = AgentId::FromBytes(row.session.agent_id());
    if (agent) result.push_back({id, *agent, row.session.progress()});
  }
  return result;
}

}  // namespace mooring::server
