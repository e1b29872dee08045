// FakeBackupServer: BackupService over real gRPC (without TLS) in this process,
// on a MemoryLink. Acknowledges late and in packs, as the real server does, and
// drops streams or refuses calls when a test says so.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "agent/link/channel.h"
#include "mooring/v1/backup.grpc.pb.h"
#include "tests/support/memory_link.h"

namespace mooring::testing {

class FakeBackupServer final : public v1::BackupService::Service {
 public:
  explicit FakeBackupServer(MemoryLink& link);
  ~FakeBackupServer() override;

  std::shared_ptr<grpc::Channel> Connect() const;
  // The same port again after Stop.
  void Start();
  void Stop();

  // Each: how many calls or streams from now on go wrong that way.
  std::atomic<int> queued_answers{0};
  std::atomic<int> unavailable_commits{0};  // Done, but the answer is lost.
  std::atomic<int> streams_to_drop{0};      // After drop_after messages.
  std::atomic<int> drop_after{3};
  std::atomic<std::uint64_t> pack_bytes{std::uint64_t{32} << 20};
  std::atomic<bool> refuse_uploads{false};

  std::atomic<int> streams{0};
  std::atomic<int> aborts{0};
  std::atomic<int> commits{0};
  std::string last_abort_message() const;

  grpc::Status BeginBackup(grpc::ServerContext*, const v1::BeginBackupRequest* request,
                           v1::BeginBackupResponse* response) override;
  grpc::Status FindChunks(grpc::ServerContext*, const v1::FindChunksRequest* request,
                          v1::FindChunksResponse* response) override;
  grpc::Status UploadChunks(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::UploadChunksResponse, v1::UploadChunksRequest>* stream) override;
  grpc::Status ReadBase(grpc::ServerContext*, const v1::ReadBaseRequest* request,
                        grpc::ServerWriter<v1::ReadBaseResponse>* writer) override;
  grpc::Status CommitSnapshot(grpc::ServerContext*, const v1::CommitSnapshotRequest* request,
                              v1::CommitSnapshotResponse* response) override;
  grpc::Status AbortBackup(grpc::ServerContext*, const v1::AbortBackupRequest* request,
                           v1::AbortBackupResponse*) override;

 private:
  MemoryLink& link_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  mutable Mutex mutex_;
  std::string committed_key_ ABSL_GUARDED_BY(mutex_);
  v1::CommitSnapshotResponse committed_ ABSL_GUARDED_BY(mutex_);
  std::string abort_message_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace mooring::testing
