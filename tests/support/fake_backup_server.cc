#include "tests/support/fake_backup_server.h"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>

#include "proto/grpc_library.h"
#include "proto/rpc_status.h"
#include "storage/base/check.h"

namespace mooring::testing {
namespace {

std::vector<ChunkId> IdsOf(const google::protobuf::RepeatedPtrField<std::string>& texts) {
  std::vector<ChunkId> ids;
  for (const std::string& text : texts) ids.push_back(*ChunkId::FromBytes(text));
  return ids;
}

}  // namespace

FakeBackupServer::FakeBackupServer(MemoryLink& link) : link_(link) {
  Start();
}

FakeBackupServer::~FakeBackupServer() {
  Stop();
}

void FakeBackupServer::Start() {
  KeepGrpcUp();
  grpc::ServerBuilder builder;
  builder.SetMaxReceiveMessageSize(24 << 20);
  builder.AddListeningPort(fmt::format("127.0.0.1:{}", port_), grpc::InsecureServerCredentials(),
                           &port_);
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  MOORING_CHECK(server_ != nullptr);
}

void FakeBackupServer::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

std::shared_ptr<grpc::Channel> FakeBackupServer::Connect() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
  arguments.SetMaxReceiveMessageSize(24 << 20);
  return grpc::CreateCustomChannel(fmt::format("127.0.0.1:{}", port_),
                                   grpc::InsecureChannelCredentials(), arguments);
}

std::string FakeBackupServer::last_abort_message() const {
  MutexLock lock(mutex_);
  return abort_message_;
}

grpc::Status FakeBackupServer::BeginBackup(grpc::ServerContext*,
                                           const v1::BeginBackupRequest* request,
                                           v1::BeginBackupResponse* response) {
  if (queued_answers.fetch_sub(1) > 0) {
    response->mutable_queued()->set_position(static_cast<std::uint32_t>(queued_answers.load()));
    response->mutable_queued()->set_retry_after_ms(1);
    return grpc::Status::OK;
  }
  auto grant = link_.Begin(OpContext(), *request);
  if (!grant.ok()) return ToGrpcStatus(grant.status());
  *response->mutable_granted() = *std::move(grant);
  return grpc::Status::OK;
}

grpc::Status FakeBackupServer::FindChunks(grpc::ServerContext*,
                                          const v1::FindChunksRequest* request,
                                          v1::FindChunksResponse* response) {
  const auto found =
      link_.Find(OpContext(), *DomainId::FromBytes(request->domain_id()), IdsOf(request->ids()));
  std::string bits((found->size() + 7) / 8, '\0');
  for (std::size_t i = 0; i < found->size(); ++i) {
    if ((*found)[i]) {
      bits[i / 8] = static_cast<char>(static_cast<unsigned char>(bits[i / 8]) | (1U << (i % 8)));
    }
  }
  response->set_present(bits);
  return grpc::Status::OK;
}

grpc::Status FakeBackupServer::UploadChunks(
    grpc::ServerContext*,
    grpc::ServerReaderWriter<v1::UploadChunksResponse, v1::UploadChunksRequest>* stream) {
  ++streams;
  if (refuse_uploads) return {grpc::StatusCode::RESOURCE_EXHAUSTED, "the store is full"};
  const bool drop = streams_to_drop.fetch_sub(1) > 0;
  std::uint64_t durable = 0;
  std::uint64_t held_bytes = 0;
  std::vector<std::string> held;
  v1::UploadChunksRequest message;
  for (int messages = 1; stream->Read(&message); ++messages) {
    // What is held and not acknowledged is lost with the stream.
    if (drop && messages >= drop_after) return {grpc::StatusCode::UNAVAILABLE, "restarting"};
    for (const std::string& chunk : message.chunks()) {
      held.push_back(chunk);
      held_bytes += chunk.size();
    }
    if (!message.flush() && held_bytes < pack_bytes) continue;
    for (const std::string& chunk : held) {
      const absl::Status stored = link_.Upload(OpContext(), DomainId(), ToBytes(chunk));
      if (!stored.ok()) return ToGrpcStatus(stored);
    }
    durable += held.size();
    held.clear();
    held_bytes = 0;
    v1::UploadChunksResponse response;
    response.set_durable_count(durable);
    response.set_new_bytes(link_.new_bytes());
    stream->Write(response);
  }
  return grpc::Status::OK;
}

grpc::Status FakeBackupServer::ReadBase(grpc::ServerContext*, const v1::ReadBaseRequest* request,
                                        grpc::ServerWriter<v1::ReadBaseResponse>* writer) {
  return ToGrpcStatus(link_.ReadBase(OpContext(), IdsOf(request->ids()), [&](Bytes sealed) {
    v1::ReadBaseResponse response;
    response.set_chunk(ToString(sealed));
    writer->Write(response);
    return absl::OkStatus();
  }));
}

grpc::Status FakeBackupServer::CommitSnapshot(grpc::ServerContext*,
                                              const v1::CommitSnapshotRequest* request,
                                              v1::CommitSnapshotResponse* response) {
  ++commits;
  MutexLock lock(mutex_);
  if (committed_key_ != request->idempotency_key()) {
    auto committed = link_.Commit(OpContext(), *request);
    if (!committed.ok()) return ToGrpcStatus(committed.status());
    committed_ = *std::move(committed);
    committed_key_ = request->idempotency_key();
  }
  if (unavailable_commits.fetch_sub(1) > 0) return {grpc::StatusCode::UNAVAILABLE, "lost"};
  *response = committed_;
  return grpc::Status::OK;
}

grpc::Status FakeBackupServer::AbortBackup(grpc::ServerContext*,
                                           const v1::AbortBackupRequest* request,
                                           v1::AbortBackupResponse*) {
  ++aborts;
  MutexLock lock(mutex_);
  abort_message_ = request->message();
  return grpc::Status::OK;
}

}  // namespace mooring::testing
