#include "agent/restore/chunk_fetcher.h"

#include <algorithm>
#include <utility>

#include "storage/base/status.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::agent {

ChunkFetcher::ChunkFetcher(RestoreLink& link, const Options& options)
    : link_(link),
      options_(options),
      thread_([this](std::stop_token stop) { FetchLoop(std::move(stop)); }) {}

ChunkFetcher::~ChunkFetcher() = default;

void ChunkFetcher::Plan(const std::vector<storage::ChunkRef>& chunks, bool first) {
  MutexLock lock(mutex_);
  std::vector<storage::ChunkRef> added;
  for (const storage::ChunkRef& chunk : chunks) {
    if (plan_.size() + added.size() >= options_.plan_max) break;
    if (asked_.contains(chunk.id) || IsHere(chunk.id)) continue;
    if (planned_.insert(chunk.id).second) added.push_back(chunk);
  }
  plan_.insert(first ? plan_.begin() : plan_.end(), added.begin(), added.end());
  changed_.NotifyAll();
}

bool ChunkFetcher::IsHere(const ChunkId& id) const {
  const auto is = [&](const Cached& cached) { return cached.id == id; };
  return std::any_of(kept_.begin(), kept_.end(), is) ||
         std::any_of(ready_.begin(), ready_.end(), is);
}

bool ChunkFetcher::IsExpected(const ChunkId& id) const {
  MutexLock lock(mutex_);
  return planned_.contains(id) || asked_.contains(id) || IsHere(id);
}

void ChunkFetcher::Keep(Cached cached) {
  kept_bytes_ += cached.chunk.content->size();
  kept_.push_front(std::move(cached));
  while (kept_bytes_ > options_.kept_bytes_max && kept_.size() > 1) {
    kept_bytes_ -= kept_.back().chunk.content->size();
    kept_.pop_back();
  }
}

std::optional<FetchedChunk> ChunkFetcher::Take(const ChunkId& id, Use use) {
  const auto is = [&](const Cached& cached) { return cached.id == id; };
  const auto kept = std::find_if(kept_.begin(), kept_.end(), is);
  if (kept != kept_.end()) {
    FetchedChunk chunk = kept->chunk;
    if (use == Use::kAgain) {
      kept_.splice(kept_.begin(), kept_, kept);
    } else {
      kept_bytes_ -= chunk.content->size();
      kept_.erase(kept);
    }
    return chunk;
  }
  const auto ready = std::find_if(ready_.begin(), ready_.end(), is);
  if (ready == ready_.end()) return std::nullopt;
  FetchedChunk chunk = ready->chunk;
  ready_bytes_ -= chunk.content->size();
  if (use == Use::kAgain) Keep(std::move(*ready));
  ready_.erase(ready);
  changed_.NotifyAll();
  return chunk;
}

void ChunkFetcher::SkipTo(const ChunkId& id) {
  if (plan_.front().id == id) {
    // Planned out of turn, or faster than the fetcher: fetched alone, for what is
    // ready comes after it, stays, and may leave no room.
    planned_.erase(id);
    plan_.pop_front();
    return;
  }
  while (plan_.front().id != id) {
    planned_.erase(plan_.front().id);
    plan_.pop_front();
  }
  for (Cached& passed : ready_) Keep(std::move(passed));
  ready_.clear();
  ready_bytes_ = 0;
  changed_.NotifyAll();
}

absl::StatusOr<FetchedChunk> ChunkFetcher::Get(const OpContext& ctx, const storage::ChunkRef& chunk,
                                               Use use) {
  {
    MutexLock lock(mutex_);
    if (planned_.contains(chunk.id)) SkipTo(chunk.id);
    std::optional<FetchedChunk> taken;
    changed_.Wait(mutex_, ctx.stop, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      taken = Take(chunk.id, use);
      return taken.has_value() || !(planned_.contains(chunk.id) || asked_.contains(chunk.id));
    });
    if (taken) return *std::move(taken);
    if (ctx.stop.stop_requested()) return absl::CancelledError("the restore was called off");
  }
  // Nobody planned it, or its request failed: asking for it alone tells which.
  FetchedChunk fetched;
  MOORING_RETURN_IF_ERROR(Fetch(
      ctx, {chunk}, [&](const storage::ChunkRef&, FetchedChunk got) { fetched = std::move(got); }));
  if (use == Use::kAgain) {
    MutexLock lock(mutex_);
    Keep({chunk.id, fetched});
  }
  return fetched;
}

absl::Status ChunkFetcher::Fetch(const OpContext& ctx, const std::vector<storage::ChunkRef>& chunks,
                                 Sink sink) {
  std::vector<ChunkId> ids;
  for (const storage::ChunkRef& chunk : chunks) ids.push_back(chunk.id);
  std::size_t next = 0;
  MOORING_RETURN_IF_ERROR(link_.ReadChunks(ctx, ids, [&](Bytes sealed) -> absl::Status {
    if (next == chunks.size()) return absl::DataLossError("more chunks came than were asked for");
    const storage::ChunkRef& chunk = chunks[next++];
    MOORING_ASSIGN_OR_RETURN(storage::OpenedChunk opened,
                             storage::OpenChunk(sealed, chunk.id, chunk.key));
    sink(chunk, {std::make_shared<const Bytes>(std::move(opened.content)), opened.frame_hash});
    return absl::OkStatus();
  }));
  if (next != chunks.size()) return absl::DataLossError("fewer chunks came than were asked for");
  return absl::OkStatus();
}

std::vector<storage::ChunkRef> ChunkFetcher::TakeRequest(std::stop_token stop) {
  MutexLock lock(mutex_);
  std::vector<storage::ChunkRef> request;
  if (!changed_.Wait(mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return !plan_.empty() && (ready_.empty() || ready_bytes_ + plan_.front().raw_bytes <=
                                                        options_.ready_bytes_max);
      })) {
    return request;
  }
  std::size_t bytes = 0;
  while (!plan_.empty() && request.size() < options_.request_ids_max) {
    const std::size_t next = plan_.front().raw_bytes;
    if (!request.empty() && (bytes + next > options_.request_bytes_max ||
                             ready_bytes_ + bytes + next > options_.ready_bytes_max)) {
      break;
    }
    bytes += next;
    planned_.erase(plan_.front().id);
    asked_.insert(plan_.front().id);
    request.push_back(plan_.front());
    plan_.pop_front();
  }
  return request;
}

void ChunkFetcher::FetchLoop(std::stop_token stop) {
  OpContext ctx;
  ctx.stop = stop;
  while (!stop.stop_requested()) {
    const std::vector<storage::ChunkRef> request = TakeRequest(stop);
    if (request.empty()) continue;
    const absl::Status fetched =
        Fetch(ctx, request, [this](const storage::ChunkRef& ref, FetchedChunk chunk) {
          MutexLock lock(mutex_);
          asked_.erase(ref.id);
          ready_bytes_ += chunk.content->size();
          ready_.push_back({ref.id, std::move(chunk)});
          changed_.NotifyAll();
        });
    MutexLock lock(mutex_);
    asked_.clear();
    if (!fetched.ok()) {
      // Whoever wants one of them asks for it alone and hears the reason.
      plan_.clear();
      planned_.clear();
    }
    changed_.NotifyAll();
  }
}

}  // namespace mooring::agent
