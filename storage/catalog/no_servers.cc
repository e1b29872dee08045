// The ServerStore of a catalog that lives in one process.

#include "storage/catalog/catalog.h"
#include "storage/catalog/server_store.h"

namespace mooring::storage {
namespace {

absl::Status NoServers() {
  return absl::UnimplementedError("this catalog is one process's own; it has no other servers");
}

class NoServerStore final : public ServerStore {
 public:
  absl::Status Beat(const ServerRecord&, absl::Duration) override { return NoServers(); }
  absl::Status Leave(const ServerId&) override { return NoServers(); }
  absl::StatusOr<std::vector<ServerRecord>> List() override { return NoServers(); }
  absl::Status Forget(absl::Duration) override { return NoServers(); }
  absl::Status Place(const AgentId&, const ServerId&, std::uint64_t) override {
    return NoServers();
  }
  absl::StatusOr<bool> Unplace(const AgentId&, const ServerId&, std::uint64_t) override {
    return NoServers();
  }
  absl::Status UnplaceAll(const ServerId&) override { return NoServers(); }
  absl::StatusOr<std::vector<AgentPlace>> Places() override { return NoServers(); }
  absl::Status PostOrder(const ServerId&, const ServerOrder&) override { return NoServers(); }
  absl::StatusOr<std::vector<ServerOrder>> TakeOrders(const ServerId&, absl::Duration,
                                                      int) override {
    return NoServers();
  }
  absl::StatusOr<bool> BeginTurn(const std::string&, absl::Duration) override {
    return NoServers();
  }
  absl::Status CreateAuthority(const AuthorityRecord&) override { return NoServers(); }
  absl::StatusOr<std::optional<AuthorityRecord>> Authority() override { return NoServers(); }
};

}  // namespace

ServerStore& Transaction::servers() {
  static NoServerStore store;  // Without state.
  return store;
}

}  // namespace mooring::storage
