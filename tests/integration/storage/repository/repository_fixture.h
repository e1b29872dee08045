// RepositoryTest: a repository on a real PostgreSQL and a memory store, with
// people, phones and agents, and a fault at any call of either.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "storage/catalog/agent_store.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/pack_store.h"
#include "storage/catalog/person_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/objects/faulty_object_store.h"
#include "storage/objects/memory_object_store.h"
#include "storage/repository/repository.h"
#include "tests/integration/storage/catalog/postgres_fixture.h"
#include "tests/support/faulty_catalog.h"
#include "tests/support/subprocess.h"
#include "tests/support/synthetic_snapshot.h"

namespace mooring::testing {

class RepositoryTest : public PostgresTest {
 protected:
  void SetUp() override;

  // A server that starts anew over the same catalog and store.
  void Reopen();
  storage::Repository& repository() { return *repository_; }
  ManualClock& time() { return time_; }

  PersonId AddPerson(const std::string& handle);
  AgentId AddAgent(const std::string& hostname);
  DeviceId AddDevice(const std::string& serial, const AgentId& agent, const PersonId& person);

  absl::StatusOr<storage::BegunSession> Begin(const DeviceId& device, const AgentId& agent);
  // A backup that must work.
  v1::Receipt BackUp(const DeviceId& device, const AgentId& agent, const Files& files);
  // Expects the snapshot to hold exactly these files.
  void ExpectHolds(const v1::Receipt& receipt, const Files& files);

  std::vector<std::string> Keys(std::string_view prefix);
  std::optional<storage::SnapshotRecord> SnapshotRow(const SnapshotId& id);

  ManualClock time_{absl::Now()};
  SystemRandom system_random_;
  TempDir directory_;
  storage::MemoryObjectStore memory_{time_};
  storage::FaultyObjectStore store_{memory_};
  std::unique_ptr<storage::FileKekProvider> kek_;
  std::unique_ptr<FaultyCatalog> faulty_catalog_;
  std::unique_ptr<storage::Repository> repository_;

  PersonId alice_;
  PersonId bob_;
  AgentId desk_;
  AgentId other_desk_;
  DeviceId phone_;         // Alice's.
  DeviceId second_phone_;  // Alice's, too.
  DeviceId bobs_phone_;

  const Files files_ = {
      {"full/00/one", SyntheticContent(1, 200'000)},
      {"full/00/two", "a short text"},
      {"full/ff/empty", ""},
      {"apps/com.example/base.apk", SyntheticContent(2, 70'000)},
  };
};

// `files` with one file changed and one added, by number.
Files Changed(const Files& files, std::uint64_t number);

}  // namespace mooring::testing
