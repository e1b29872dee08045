// CollectionService: garbage collection and the state of the repository, for operators.

#pragma once

#include "mooring/v1/collection.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/collection_desk.h"
#include "server/services/server_parts.h"

namespace mooring::server {

class CollectionServiceImpl final : public v1::CollectionService::Service {
 public:
  CollectionServiceImpl(RpcGate& gate, ServerParts& parts, CollectionDesk& desk)
      : gate_(gate), parts_(parts), desk_(desk) {}

  grpc::Status CollectGarbage(grpc::ServerContext* context,
                              const v1::CollectGarbageRequest* request,
                              grpc::ServerWriter<v1::CollectGarbageResponse>* writer) override;
  grpc::Status GetRepositoryStatus(grpc::ServerContext* context,
                                   const v1::GetRepositoryStatusRequest* request,
                                   v1::GetRepositoryStatusResponse* response) override;
  grpc::Status ClearCollectionStop(grpc::ServerContext* context,
                                   const v1::ClearCollectionStopRequest* request,
                                   v1::ClearCollectionStopResponse* response) override;

 private:
  RpcGate& gate_;
  ServerParts& parts_;
  CollectionDesk& desk_;
};

}  // namespace mooring::server
