#include "tests/integration/storage/repository/repository_fixture.h"

namespace mooring::testing {

using storage::Transaction;

void RepositoryTest::SetUp() {
  PostgresTest::SetUp();
  if (HasFatalFailure()) return;
  const std::string kek_path = directory_.path() + "/kek";
  ASSERT_TRUE(storage::FileKekProvider::Create(RealFileSystem(), system_random_, kek_path).ok());
  auto kek = storage::FileKekProvider::Load(RealFileSystem(), system_random_, time_, kek_path);
  ASSERT_TRUE(kek.ok()) << kek.status();
  kek_ = *std::move(kek);
  faulty_catalog_ = std::make_unique<FaultyCatalog>(catalog());
  const absl::Status created =
      storage::Repository::Create({}, *faulty_catalog_, store_, *kek_, time_, system_random_);
  ASSERT_TRUE(created.ok()) << created;
  Reopen();
  desk_ = AddAgent("desk");
  other_desk_ = AddAgent("other-desk");
  alice_ = AddPerson("alice");
  bob_ = AddPerson("bob");
  phone_ = AddDevice("PHONE-1", desk_, alice_);
  second_phone_ = AddDevice("PHONE-2", desk_, alice_);
  bobs_phone_ = AddDevice("PHONE-3", desk_, bob_);
}

void RepositoryTest::Reopen() {
  repository_.reset();
  auto repository =
      storage::Repository::Open({}, *faulty_catalog_, store_, *kek_, time_, system_random_);
  ASSERT_TRUE(repository.ok()) << repository.status();
  repository_ = *std::move(repository);
}

PersonId RepositoryTest::AddPerson(const std::string& handle) {
  storage::PersonRecord person;
  person.id = PersonId::Make(system_random_);
  person.handle = handle;
  person.name = handle;
  person.email = handle + "@example.com";
  person.group = "default";
  person.created_at = time_.Now();
  const absl::Status added =
      catalog().Run({}, [&](Transaction& tx) { return tx.people().Create(person); });
  EXPECT_TRUE(added.ok()) << added;
  return person.id;
}

AgentId RepositoryTest::AddAgent(const std::string& hostname) {
  storage::AgentRecord agent;
  agent.id = AgentId::Make(system_random_);
  agent.hostname = hostname;
  agent.version = "1";
  agent.os = "test";
  agent.protocol_version = 1;
  agent.hpke_public_key = Bytes(32);
  agent.key_hash = Bytes(agent.id.view().begin(), agent.id.view().end());
  agent.key_hash.resize(32);
  agent.certificate_expires_at = time_.Now() + absl::Hours(24);
  agent.enrolled_at = time_.Now();
  const absl::Status added =
      catalog().Run({}, [&](Transaction& tx) { return tx.agents().Create(agent); });
  EXPECT_TRUE(added.ok()) << added;
  return agent.id;
}

DeviceId RepositoryTest::AddDevice(const std::string& serial, const AgentId& agent,
                                   const PersonId& person) {
  const DeviceId id = DeviceId::Make(system_random_);
  v1::DeviceFacts facts;
  facts.set_platform(v1::PLATFORM_IOS);
  facts.set_serial(serial);
  facts.set_name("a phone");
  const absl::Status added = catalog().Run({}, [&](Transaction& tx) -> absl::Status {
    if (auto row = tx.devices().Attach(id, facts, agent, time_.Now()); !row.ok()) {
      return row.status();
    }
    return tx.devices().Assign(id, person).status();
  });
  EXPECT_TRUE(added.ok()) << added;
  return id;
}

absl::StatusOr<storage::BegunSession> RepositoryTest::Begin(const DeviceId& device,
                                                            const AgentId& agent) {
  const SessionId key = SessionId::Make(system_random_);
  return repository().Begin({}, {.idempotency_key = Bytes(key.view().begin(), key.view().end()),
                                 .device = device,
                                 .agent = agent,
                                 .captures = {v1::CAPTURE_KIND_FULL},
                                 .lease = absl::Minutes(10)});
}

v1::Receipt RepositoryTest::BackUp(const DeviceId& device, const AgentId& agent,
                                   const Files& files) {
  BackupOptions options;
  options.device = device;
  options.agent = agent;
  absl::StatusOr<v1::Receipt> receipt =
      Backup(repository(), {}, options, files, time_, system_random_);
  EXPECT_TRUE(receipt.ok()) << receipt.status();
  return receipt.ok() ? *receipt : v1::Receipt();
}

void RepositoryTest::ExpectHolds(const v1::Receipt& receipt, const Files& files) {
  const absl::StatusOr<Files> read = ReadSnapshot(repository(), {}, SnapshotOf(receipt));
  ASSERT_TRUE(read.ok()) << read.status();
  // Not EXPECT_EQ: its message would be all the bytes.
  EXPECT_TRUE(*read == files) << "the snapshot's content differs";
}

std::vector<std::string> RepositoryTest::Keys(std::string_view prefix) {
  std::vector<std::string> keys;
  const absl::Status listed = memory_.List({}, prefix, [&keys](const storage::ObjectInfo& info) {
    keys.push_back(info.key);
    return absl::OkStatus();
  });
  EXPECT_TRUE(listed.ok()) << listed;
  return keys;
}

std::optional<storage::SnapshotRecord> RepositoryTest::SnapshotRow(const SnapshotId& id) {
  std::optional<storage::SnapshotRecord> record;
  const absl::Status read = catalog().Run({}, [&](Transaction& tx) -> absl::Status {
    absl::StatusOr<std::optional<storage::SnapshotView>> view = tx.snapshots().Get(id);
    if (view.ok() && *view) record = (*view)->snapshot;
    return view.status();
  });
  EXPECT_TRUE(read.ok()) << read;
  return record;
}

Files Changed(const Files& files, std::uint64_t number) {
  Files changed = files;
  changed["full/00/one"] += std::to_string(number);
  changed["full/10/" + std::to_string(number)] = SyntheticContent(1000 + number, 90'000);
  return changed;
}

}  // namespace mooring::testing
