#include "agent/pipeline/seal_pipeline.h"

#include <algorithm>
#include <utility>

#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// 1,000,000 ids are a terabyte of content. Beyond, the server is asked again.
constexpr std::size_t kSeenMax = 1'000'000;
// How long a few sealed chunks wait for company before the server is asked.
constexpr absl::Duration kLinger = absl::Milliseconds(20);

absl::Status Stopped() {
  return absl::CancelledError("the session was called off");
}

}  // namespace

SealPipeline::SealPipeline(BackupLink& link, Random& random, const storage::DomainKeys& person,
                           const storage::DomainKeys& organization, const Options& options)
    : link_(link),
      random_(random),
      options_(options),
      person_(person.id),
      organization_(organization.id),
      person_sealer_(person.domain_secret),
      organization_sealer_(organization.domain_secret) {
  for (int i = 0; i < options_.workers; ++i) {
    threads_.emplace_back([this](std::stop_token stop) { Work(std::move(stop)); });
  }
  threads_.emplace_back([this](std::stop_token stop) { UploadLoop(std::move(stop)); });
}

SealPipeline::~SealPipeline() {
  for (std::jthread& thread : threads_) thread.request_stop();
  threads_.clear();
}

absl::Status SealPipeline::Submit(const OpContext& ctx, Piece piece) {
  const std::size_t size = piece.content.size();
  MutexLock lock(mutex_);
  ++in_a_hurry_;
  const bool room = changed_.Wait(mutex_, ctx.stop, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return !status_.ok() || in_flight_bytes_ == 0 ||
           in_flight_bytes_ + size <= options_.bytes_in_flight_max;
  });
  --in_a_hurry_;
  if (!status_.ok()) return status_;
  if (!room) return Stopped();
  in_flight_bytes_ += size;
  ++sealing_;
  ++uploading_;
  pieces_.push_back(std::move(piece));
  changed_.NotifyAll();
  return absl::OkStatus();
}

std::vector<SealedPiece> SealPipeline::TakeSealed() {
  MutexLock lock(mutex_);
  return std::exchange(done_, {});
}

void SealPipeline::Fail(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (status_.ok()) status_ = status;
  changed_.NotifyAll();
}

void SealPipeline::Work(std::stop_token stop) {
  for (;;) {
    Piece piece;
    {
      MutexLock lock(mutex_);
      const bool ready = changed_.Wait(mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return !pieces_.empty() && status_.ok();
      });
      if (!ready || stop.stop_requested()) return;
      piece = std::move(pieces_.front());
      pieces_.pop_front();
    }
    const std::size_t charged = piece.content.size();
    auto frame = storage::Frame::Make(piece.content, piece.compression);
    Bytes().swap(piece.content);
    if (!frame.ok()) return Fail(frame.status());
    const bool organization = piece.organization_domain;
    const auto& sealer = organization ? organization_sealer_ : person_sealer_;
    auto chunk = sealer.Seal(*std::move(frame), piece.kind);
    if (!chunk.ok()) return Fail(chunk.status());
    const storage::ChunkRef ref{chunk->id, chunk->key, chunk->raw_bytes,
                                organization ? organization_ : person_};
    MutexLock lock(mutex_);
    ++under_way_[ref.id];
    done_.push_back({piece.ticket, ref, chunk->frame_hash});
    sealed_bytes_ += chunk->bytes.size();
    sealed_.push_back({ref, std::move(chunk->bytes), charged, piece.readable_again});
    --sealing_;
    changed_.NotifyAll();
  }
}

std::vector<SealPipeline::Sealed> SealPipeline::TakeBatch(std::stop_token stop) {
  MutexLock lock(mutex_);
  std::vector<Sealed> batch;
  if (!changed_.Wait(mutex_, stop, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
        return !sealed_.empty() && status_.ok();
      })) {
    return batch;
  }
  changed_.WaitFor(mutex_, stop, kLinger, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return sealed_bytes_ >= options_.find_bytes_max || sealed_.size() >= options_.find_ids_max ||
           (in_a_hurry_ > 0 && sealing_ == 0) || !status_.ok();
  });
  std::size_t bytes = 0;
  while (!sealed_.empty() && batch.size() < options_.find_ids_max &&
         (batch.empty() || bytes < options_.find_bytes_max)) {
    bytes += sealed_.front().bytes.size();
    batch.push_back(std::move(sealed_.front()));
    sealed_.pop_front();
  }
  sealed_bytes_ -= bytes;
  return batch;
}

void SealPipeline::UploadLoop(std::stop_token stop) {
  OpContext ctx;
  ctx.stop = stop;
  while (!stop.stop_requested()) {
    std::vector<Sealed> batch = TakeBatch(stop);
    if (batch.empty()) continue;
    const absl::Status status = UploadBatch(ctx, batch);
    if (!status.ok()) return Fail(status);
  }
}

bool SealPipeline::AlreadySeen(const Sealed& sealed) const {
  const auto it = seen_.find(sealed.ref.id);
  return it != seen_.end() && (it->second || !sealed.readable_again);
}

absl::Status SealPipeline::FindAbsent(const OpContext& ctx, const std::vector<Sealed>& batch,
                                      std::vector<bool>& send) {
  for (const DomainId& domain : {person_, organization_}) {
    std::vector<ChunkId> ids;
    std::vector<std::size_t> where;
    {
      MutexLock lock(mutex_);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        if (batch[i].ref.domain != domain || AlreadySeen(batch[i])) continue;
        send[i] = true;
        if (batch[i].readable_again) continue;
        ids.push_back(batch[i].ref.id);
        where.push_back(i);
      }
    }
    if (ids.empty()) continue;
    MutexLock link_lock(link_mutex_);
    MOORING_ASSIGN_OR_RETURN(const std::vector<bool> found, link_.Find(ctx, domain, ids));
    if (found.size() != ids.size()) {
      return absl::InternalError("the server answered for another number of chunks than asked");
    }
    MutexLock lock(mutex_);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (!found[i]) continue;
      send[where[i]] = false;
      if (seen_.size() < kSeenMax) seen_.emplace(ids[i], false);
    }
  }
  return absl::OkStatus();
}

void SealPipeline::Remember(const storage::ChunkRef& ref) {
  MutexLock lock(mutex_);
  const std::uint64_t draw = random_.Below(++uploaded_);
  if (seen_.size() < kSeenMax) seen_[ref.id] = true;
  if (samples_.size() < options_.samples_max) {
    samples_.push_back(ref);
  } else if (draw < samples_.size()) {
    samples_[draw] = ref;
  }
}

absl::Status SealPipeline::UploadBatch(const OpContext& ctx, std::vector<Sealed>& batch) {
  std::vector<bool> send(batch.size(), false);
  MOORING_RETURN_IF_ERROR(FindAbsent(ctx, batch, send));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    bool repeated = false;
    if (send[i]) {
      MutexLock lock(mutex_);
      repeated = AlreadySeen(batch[i]);  // Twice in this batch.
    }
    if (send[i] && !repeated) {
      const storage::ChunkRef ref = batch[i].ref;
      MOORING_RETURN_IF_ERROR(link_.Upload(ctx, ref.domain, std::move(batch[i].bytes)));
      Remember(ref);
    }
    Bytes().swap(batch[i].bytes);
    MutexLock lock(mutex_);
    const auto under_way = under_way_.find(batch[i].ref.id);
    if (--under_way->second == 0) under_way_.erase(under_way);
    in_flight_bytes_ -= batch[i].charged;
    --uploading_;
    changed_.NotifyAll();
  }
  return absl::OkStatus();
}

absl::Status SealPipeline::Await(const OpContext& ctx, bool uploaded) {
  MutexLock lock(mutex_);
  ++in_a_hurry_;
  changed_.NotifyAll();
  const bool done = changed_.Wait(mutex_, ctx.stop, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return !status_.ok() || (uploaded ? uploading_ : sealing_) == 0;
  });
  --in_a_hurry_;
  if (!status_.ok()) return status_;
  return done ? absl::OkStatus() : Stopped();
}

absl::Status SealPipeline::AwaitSealed(const OpContext& ctx) {
  return Await(ctx, false);
}

absl::Status SealPipeline::AwaitUploaded(const OpContext& ctx) {
  return Await(ctx, true);
}

absl::Status SealPipeline::Flush(const OpContext& ctx) {
  MOORING_RETURN_IF_ERROR(AwaitUploaded(ctx));
  std::uint64_t uploaded = 0;
  {
    MutexLock lock(mutex_);
    uploaded = uploaded_;
  }
  MutexLock link_lock(link_mutex_);
  MOORING_RETURN_IF_ERROR(link_.Flush(ctx));
  MutexLock lock(mutex_);
  flushed_ = uploaded;
  return absl::OkStatus();
}

bool SealPipeline::NeedsFlush(const std::vector<ChunkId>& ids) const {
  MutexLock lock(mutex_);
  for (const ChunkId& id : ids) {
    if (under_way_.contains(id)) return true;
    const auto it = seen_.find(id);
    // Past kSeenMax it is not known what was sent.
    const bool sent = it != seen_.end() ? it->second : seen_.size() >= kSeenMax;
    if (sent && flushed_ != uploaded_) return true;
  }
  return false;
}

absl::Status SealPipeline::Read(const OpContext& ctx, const std::vector<ChunkId>& ids,
                                absl::FunctionRef<absl::Status(Bytes sealed)> sink) {
  if (NeedsFlush(ids)) MOORING_RETURN_IF_ERROR(Flush(ctx));
  MutexLock link_lock(link_mutex_);
  return link_.ReadBase(ctx, ids, sink);
}

absl::StatusOr<v1::CommitSnapshotResponse> SealPipeline::Commit(
    const OpContext& ctx, const v1::CommitSnapshotRequest& request) {
  MutexLock link_lock(link_mutex_);
  return link_.Commit(ctx, request);
}

std::vector<storage::ChunkRef> SealPipeline::Samples() const {
  MutexLock lock(mutex_);
  return samples_;
}

std::uint64_t SealPipeline::chunks_uploaded() const {
  MutexLock lock(mutex_);
  return uploaded_;
}

}  // namespace mooring::agent
