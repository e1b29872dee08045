// RepositoryService: the repository as a whole, for operators.

#pragma once

#include "mooring/v1/repository.grpc.pb.h"
#include "server/rpc/rpc_gate.h"
#include "server/services/server_parts.h"
#include "storage/retention/prune.h"

namespace mooring::server {

class RepositoryServiceImpl final : public v1::RepositoryService::Service {
 public:
  RepositoryServiceImpl(RpcGate& gate, ServerParts& parts)
      : gate_(gate),
        parts_(parts),
        database_clock_(parts.catalog),
        pruner_(parts.catalog, parts.repository, parts.clock, parts.settings.prune_limits,
                &database_clock_) {}

  grpc::Status PruneRepository(grpc::ServerContext* context,
                               const v1::PruneRepositoryRequest* request,
                               v1::PruneRepositoryResponse* response) override;

 private:
  RpcGate& gate_;
  ServerParts& parts_;
  storage::CatalogClock database_clock_;
  storage::Pruner pruner_;
};

}  // namespace mooring::server
