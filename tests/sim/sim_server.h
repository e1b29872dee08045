// SimServer: one mooringd of a simulation: a real Repository over the shared
// store and catalog. It crashes at any call and starts again; a life that has
// crashed comes to its end without any effect.

#pragma once

#include <memory>
#include <string>

#include "storage/collection/round.h"
#include "storage/repository/repository.h"
#include "storage/seal/key_ring.h"
#include "tests/sim/ground.h"
#include "tests/sim/sim_object_store.h"

namespace mooring::testing {

// Wraps keys under a checksum without hiding them: the simulation keeps no secrets.
class PlainKek final : public storage::KekProvider {
 public:
  absl::StatusOr<Bytes> Wrap(storage::KeyPurpose purpose, ByteView subject, ByteView key) override;
  absl::StatusOr<SecretBytes> Unwrap(storage::KeyPurpose purpose, ByteView subject,
                                     ByteView wrapped) override;
};

// The transactions of one server: switches of tasks and faults.
class ServerTurns final : public FiberTurns {
 public:
  ServerTurns(Ground& ground, const bool& dead)
      : FiberTurns(ground.scheduler, ground.transactions_ended), ground_(ground), dead_(dead) {}

  absl::Status BeforeTransaction() override;
  absl::Status BeforeStatement() override;
  CommitFault BeforeCommit() override;

 private:
  CommitFault DrawCommit();

  Ground& ground_;
  const bool& dead_;
};

// What runs between a start and a crash.
class ServerLife {
 public:
  // `offset` is how far the server's wall clock is off.
  ServerLife(Ground& ground, int server, absl::Duration offset, std::uint64_t seed);

  // Opens the repository, as mooringd does at its start.
  absl::Status Open();

  storage::Repository& repository() { return *repository_; }
  storage::Catalog& catalog() { return catalog_; }
  storage::ObjectStore& objects() { return objects_; }
  SimClock& clock() { return clock_; }
  Random& random() { return random_; }
  PlainKek& kek() { return kek_; }
  int server() const { return server_; }
  std::string name(std::string_view task) const;

  bool dead() const { return dead_; }
  void Kill();
  // Until it is dead.
  void WaitForEnd();
  bool is_open() const { return repository_ != nullptr; }
  // What a collector of this server works on.
  storage::CollectionParts& collection() { return *collection_; }
  storage::ObjectStore& replica() { return replica_; }

 private:
  class LifeCatalog final : public storage::Catalog {
   public:
    LifeCatalog(MemoryCatalog& memory, Turns& turns) : memory_(memory), turns_(turns) {}
    absl::Status Run(const OpContext& ctx,
                     absl::FunctionRef<absl::Status(storage::Transaction&)> body) override {
      return memory_.RunWith(turns_, ctx, body);
    }

   private:
    MemoryCatalog& memory_;
    Turns& turns_;
  };

  Ground& ground_;
  const int server_;
  bool dead_ = false;
  Scheduler::WaitList ended_;
  SimClock clock_;
  Dice random_;
  PlainKek kek_;
  ServerTurns turns_;
  LifeCatalog catalog_;
  SimObjectStore objects_;
  SimObjectStore replica_;
  std::unique_ptr<storage::Repository> repository_;
  std::optional<SecretBytes> pack_index_key_;
  storage::CatalogClock catalog_clock_{catalog_};
  std::optional<storage::CollectionParts> collection_;
};

class SimServer {
 public:
  SimServer(Ground& ground, int number) : ground_(ground), number_(number) {}

  // The present life; null while it is down. Holders keep a life that ends.
  std::shared_ptr<ServerLife> life() const {
    return life_ != nullptr && life_->is_open() && !life_->dead() ? life_ : nullptr;
  }
  // Spawns what runs the server: starts it, runs its jobs, starts it again.
  void Run();
  void Crash();
  void JumpClock(absl::Duration offset);

 private:
  void Main();
  void JudgeStart(const ServerLife& life, const absl::Status& opened);
  void RunJobs(const std::shared_ptr<ServerLife>& life);

  Ground& ground_;
  const int number_;
  absl::Duration offset_ = absl::ZeroDuration();
  int refused_starts_ = 0;  // In a row.
  std::shared_ptr<ServerLife> life_;
};

}  // namespace mooring::testing
