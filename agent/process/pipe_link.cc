#include "agent/process/pipe_link.h"

#include <algorithm>
#include <utility>

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include "agent/process/status_message.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

using session::v1::FromSession;
using session::v1::ToSession;

// Of one request, so that answers in memory stay few MiB.
constexpr std::size_t kReadIdsMax = 64;
constexpr std::size_t kFindIdsMax = 4096;

// FromSession{upload{domain_id, chunk}} up to where the chunk's bytes begin.
Bytes UploadHead(const DomainId& domain, std::size_t chunk_bytes) {
  using google::protobuf::io::CodedOutputStream;
  const auto tag = [](int field) { return static_cast<std::uint32_t>(field) << 3 | 2; };
  const auto chunk = static_cast<std::uint32_t>(chunk_bytes);
  const std::size_t inner =
      2 + DomainId::kBytes + 1 + CodedOutputStream::VarintSize32(chunk) + chunk;
  std::string head;
  google::protobuf::io::StringOutputStream raw(&head);
  {
    CodedOutputStream out(&raw);
    out.WriteTag(tag(FromSession::kUploadFieldNumber));
    out.WriteVarint32(static_cast<std::uint32_t>(inner));
    out.WriteTag(tag(session::v1::UploadChunk::kDomainIdFieldNumber));
    out.WriteVarint32(DomainId::kBytes);
    out.WriteRaw(domain.view().data(), DomainId::kBytes);
    out.WriteTag(tag(session::v1::UploadChunk::kChunkFieldNumber));
    out.WriteVarint32(chunk);
  }
  return ToBytes(head);
}

absl::Status Unexpected() {
  return absl::InternalError("the agent answered something else than was asked");
}

}  // namespace

void PipeLink::Deliver(ToSession message) {
  MutexLock lock(mutex_);
  const auto it = waiting_.find(message.call());
  if (it == waiting_.end()) return;
  it->second.push_back(std::move(message));
  changed_.NotifyAll();
}

void PipeLink::Break(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (broken_.ok()) broken_ = status;
  changed_.NotifyAll();
}

absl::StatusOr<std::uint64_t> PipeLink::Ask(FromSession question) {
  {
    MutexLock lock(mutex_);
    if (!broken_.ok()) return broken_;
    question.set_call(next_call_++);
    waiting_.emplace(question.call(), Replies());
  }
  const absl::Status sent = pipe_.Send(question);
  if (!sent.ok()) {
    Forget(question.call());
    return sent;
  }
  return question.call();
}

absl::StatusOr<ToSession> PipeLink::Await(const OpContext& ctx, std::uint64_t call) {
  MutexLock lock(mutex_);
  Replies& replies = waiting_.at(call);
  const bool ready = changed_.Wait(mutex_, ctx.stop, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return !replies.empty() || !broken_.ok();
  });
  if (!ready) return absl::CancelledError("the session was called off");
  if (replies.empty()) return broken_;
  ToSession reply = std::move(replies.front());
  replies.pop_front();
  if (reply.message_case() == ToSession::kFailure) return FromFailure(reply.failure());
  return reply;
}

void PipeLink::Forget(std::uint64_t call) {
  MutexLock lock(mutex_);
  waiting_.erase(call);
}

absl::StatusOr<ToSession> PipeLink::Call(const OpContext& ctx, FromSession question,
                                         ToSession::MessageCase expected) {
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t call, Ask(std::move(question)));
  absl::StatusOr<ToSession> reply = Await(ctx, call);
  Forget(call);
  if (reply.ok() && reply->message_case() != expected) return Unexpected();
  return reply;
}

absl::StatusOr<v1::SessionGrant> PipeLink::Begin(const OpContext& ctx,
                                                 const v1::BeginBackupRequest& request) {
  FromSession question;
  *question.mutable_begin() = request;
  MOORING_ASSIGN_OR_RETURN(ToSession reply, Call(ctx, std::move(question), ToSession::kBegun));
  if (!reply.begun().has_granted()) return Unexpected();
  return std::move(*reply.mutable_begun()->mutable_granted());
}

absl::StatusOr<std::vector<bool>> PipeLink::Find(const OpContext& ctx, const DomainId& domain,
                                                 const std::vector<ChunkId>& ids) {
  std::vector<bool> found;
  found.reserve(ids.size());
  for (std::size_t first = 0; first < ids.size(); first += kFindIdsMax) {
    const std::size_t end = std::min(ids.size(), first + kFindIdsMax);
    FromSession question;
    question.mutable_find()->set_domain_id(domain.bytes());
    for (std::size_t i = first; i < end; ++i) question.mutable_find()->add_ids(ids[i].bytes());
    MOORING_ASSIGN_OR_RETURN(const ToSession reply,
                             Call(ctx, std::move(question), ToSession::kFound));
    const std::string& bits = reply.found().present();
    if (bits.size() != (end - first + 7) / 8) return Unexpected();
    for (std::size_t i = 0; i < end - first; ++i) {
      found.push_back(((static_cast<unsigned char>(bits[i / 8]) >> (i % 8)) & 1U) != 0);
    }
  }
  return found;
}

absl::Status PipeLink::Upload(const OpContext&, const DomainId& domain, Bytes sealed) {
  {
    MutexLock lock(mutex_);
    if (!broken_.ok()) return broken_;
  }
  return pipe_.SendEncoded(UploadHead(domain, sealed.size()), sealed);
}

absl::Status PipeLink::Flush(const OpContext& ctx) {
  FromSession question;
  question.mutable_flush();
  MOORING_ASSIGN_OR_RETURN(const ToSession reply,
                           Call(ctx, std::move(question), ToSession::kUploadState));
  MutexLock lock(mutex_);
  new_bytes_ = reply.upload_state().new_bytes();
  return absl::OkStatus();
}

std::uint64_t PipeLink::new_bytes() const {
  MutexLock lock(mutex_);
  return new_bytes_;
}

absl::Status PipeLink::ReadStream(const OpContext& ctx, FromSession question,
                                  absl::FunctionRef<absl::Status(Bytes sealed)> sink) {
  MOORING_ASSIGN_OR_RETURN(const std::uint64_t call, Ask(std::move(question)));
  absl::Status status;
  for (bool last = false; status.ok() && !last;) {
    absl::StatusOr<ToSession> reply = Await(ctx, call);
    if (!reply.ok()) {
      status = reply.status();
      break;
    }
    if (reply->message_case() != ToSession::kChunks) {
      status = Unexpected();
      break;
    }
    last = reply->chunks().last();
    for (const std::string& chunk : reply->chunks().chunks()) {
      if (status.ok()) status = sink(ToBytes(chunk));
    }
  }
  Forget(call);
  return status;
}

absl::Status PipeLink::ReadBase(const OpContext& ctx, const std::vector<ChunkId>& ids,
                                absl::FunctionRef<absl::Status(Bytes sealed)> sink) {
  for (std::size_t first = 0; first < ids.size(); first += kReadIdsMax) {
    FromSession question;
    const std::size_t end = std::min(ids.size(), first + kReadIdsMax);
    for (std::size_t i = first; i < end; ++i) question.mutable_read_base()->add_ids(ids[i].bytes());
    MOORING_RETURN_IF_ERROR(ReadStream(ctx, std::move(question), sink));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::CommitSnapshotResponse> PipeLink::Commit(
    const OpContext& ctx, const v1::CommitSnapshotRequest& request) {
  FromSession question;
  *question.mutable_commit() = request;
  MOORING_ASSIGN_OR_RETURN(ToSession reply, Call(ctx, std::move(question), ToSession::kCommitted));
  return std::move(*reply.mutable_committed());
}

absl::StatusOr<v1::OpenSnapshotResponse> PipeLink::OpenSnapshot(
    const OpContext& ctx, const v1::OpenSnapshotRequest& request) {
  FromSession question;
  *question.mutable_open() = request;
  MOORING_ASSIGN_OR_RETURN(ToSession reply, Call(ctx, std::move(question), ToSession::kOpened));
  return std::move(*reply.mutable_opened());
}

absl::Status PipeLink::ReadChunks(const OpContext& ctx, const std::vector<ChunkId>& ids,
                                  absl::FunctionRef<absl::Status(Bytes sealed)> sink) {
  for (std::size_t first = 0; first < ids.size(); first += kReadIdsMax) {
    FromSession question;
    const std::size_t end = std::min(ids.size(), first + kReadIdsMax);
    for (std::size_t i = first; i < end; ++i) {
      question.mutable_read_chunks()->add_ids(ids[i].bytes());
    }
    MOORING_RETURN_IF_ERROR(ReadStream(ctx, std::move(question), sink));
  }
  return absl::OkStatus();
}

}  // namespace mooring::agent
