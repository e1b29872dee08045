#include "server/services/slot_queue.h"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace mooring::server {
namespace {

// Near the head one polls often; far behind it would only be noise.
absl::Duration RetryAfter(std::uint32_t position) {
  return std::min(absl::Milliseconds(500 + 100 * static_cast<std::int64_t>(position)),
                  absl::Seconds(10));
}

}  // namespace

absl::StatusOr<SlotAnswer> SlotQueue::Ask(const SlotSeeker& seeker) {
  MutexLock lock(mutex_);
  if (holders_.contains(seeker.key) || TakeOver(seeker)) return SlotAnswer{.granted = true};
  DropAbandoned();
  const auto same = [&](const Waiter& waiter) {
    return waiter.seeker.key == seeker.key ||
           (waiter.seeker.agent == seeker.agent && waiter.seeker.serial == seeker.serial);
  };
  auto it = std::find_if(queue_.begin(), queue_.end(), same);
  const auto position = static_cast<std::uint32_t>(std::distance(queue_.begin(), it));
  if (position < Free()) {
    if (it != queue_.end()) queue_.erase(it);
    Grant(seeker);
    return SlotAnswer{.granted = true};
  }
  if (it == queue_.end()) {
    if (queue_.size() >= limits_.queue_max) {
      return absl::ResourceExhaustedError(
          fmt::format("all {} slots are taken and {} sessions wait already", limits_.sessions_max,
                      queue_.size()));
    }
    queue_.push_back({});
    it = std::prev(queue_.end());
  }
  it->seeker = seeker;
  it->polled_at = clock_.Monotonic();
  return SlotAnswer{.granted = false, .position = position, .retry_after = RetryAfter(position)};
}

bool SlotQueue::TakeOver(const SlotSeeker& seeker) {
  const auto it = std::find_if(holders_.begin(), holders_.end(), [&](const auto& holder) {
    return holder.second.agent == seeker.agent && holder.second.serial == seeker.serial;
  });
  if (it == holders_.end()) return false;
  holders_.erase(it);
  Grant(seeker);
  return true;
}

void SlotQueue::Grant(const SlotSeeker& seeker) {
  holders_[seeker.key] = {seeker.agent, seeker.serial, SessionId(), clock_.Monotonic()};
}

void SlotQueue::DropAbandoned() {
  const absl::Duration now = clock_.Monotonic();
  std::erase_if(queue_, [&](const Waiter& waiter) {
    return now - waiter.polled_at > limits_.abandoned_after;
  });
}

std::uint32_t SlotQueue::Free() const {
  const auto held = static_cast<std::uint32_t>(holders_.size());
  return held >= limits_.sessions_max ? 0 : limits_.sessions_max - held;
}

void SlotQueue::Bind(const std::string& key, const SessionId& session) {
  MutexLock lock(mutex_);
  const auto it = holders_.find(key);
  if (it != holders_.end()) it->second.session = session;
}

void SlotQueue::Release(const std::string& key) {
  MutexLock lock(mutex_);
  holders_.erase(key);
  std::erase_if(queue_, [&](const Waiter& waiter) { return waiter.seeker.key == key; });
}

void SlotQueue::Release(const SessionId& session) {
  MutexLock lock(mutex_);
  absl::erase_if(holders_, [&](const auto& holder) { return holder.second.session == session; });
}

void SlotQueue::Resume(const SlotSeeker& seeker, const SessionId& session) {
  MutexLock lock(mutex_);
  Grant(seeker);
  holders_[seeker.key].session = session;
}

std::uint32_t SlotQueue::held() const {
  MutexLock lock(mutex_);
  return static_cast<std::uint32_t>(holders_.size());
}

std::uint32_t SlotQueue::waiting() {
  MutexLock lock(mutex_);
  DropAbandoned();
  return static_cast<std::uint32_t>(queue_.size());
}

}  // namespace mooring::server
