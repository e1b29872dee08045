// What every catalog promises: the ground that its suites stand on. An
// implementation's test gives a CatalogMaker and instantiates each suite with it.

#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "storage/base/random.h"
#include "storage/base/status.h"
#include "storage/catalog/agent_store.h"
#include "storage/catalog/catalog.h"
#include "storage/catalog/chunk_index.h"
#include "storage/catalog/device_store.h"
#include "storage/catalog/pack_store.h"
#include "storage/catalog/person_store.h"
#include "storage/catalog/session_store.h"
#include "storage/catalog/snapshot_store.h"

namespace mooring::storage {

// An empty catalog, and what it stands on.
class CatalogUnderTest {
 public:
  virtual ~CatalogUnderTest() = default;
  virtual Catalog& catalog() = 0;
};

struct CatalogMaker {
  std::string name;
  std::function<absl::StatusOr<std::unique_ptr<CatalogUnderTest>>()> make;
};

inline std::string MakerName(const ::testing::TestParamInfo<CatalogMaker>& info) {
  return info.param.name;
}

// The value, or a failed test.
template <typename T>
T Must(absl::StatusOr<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().ToString());
  return *std::move(result);
}
inline void Must(const absl::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.ToString());
}

inline absl::Status StatusOf(const absl::Status& status) {
  return status;
}
template <typename T>
absl::Status StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

class CatalogContract : public ::testing::TestWithParam<CatalogMaker> {
 protected:
  void SetUp() override { under_test_ = Must(GetParam().make()); }

  CatalogUnderTest& under_test() { return *under_test_; }
  Catalog& catalog() { return under_test_->catalog(); }

  // What `body` returns, from a transaction that is committed if that is OK.
  template <typename Body>
  std::invoke_result_t<Body, Transaction&> In(Body body) {
    using Result = std::invoke_result_t<Body, Transaction&>;
    Result result = absl::UnknownError("the body did not run");
    const absl::Status status = catalog().Run({}, [&](Transaction& tx) {
      result = body(tx);
      return StatusOf(result);
    });
    if (!status.ok()) return status;
    return result;
  }

  template <typename T>
  T NewId() {
    return T::Make(random_);
  }
  Bytes Blob(std::size_t size) {
    Bytes bytes(size);
    random_.Fill(bytes);
    return bytes;
  }

  PersonId AddPerson(const std::string& handle, const std::string& group = "default") {
    PersonRecord record;
    record.id = NewId<PersonId>();
    record.handle = handle;
    record.name = "Name of " + handle;
    record.email = handle + "@example.com";
    record.group = group;
    record.created_at = now_;
    Must(In([&](Transaction& tx) { return tx.people().Create(record); }));
    return record.id;
  }

  AgentRecord NewAgent(const std::string& hostname) {
    AgentRecord record;
    record.id = NewId<AgentId>();
    record.hostname = hostname;
    record.version = "0.1.0";
    record.protocol_version = 1;
    record.hpke_public_key = Blob(32);
    record.key_hash = Blob(32);
    record.certificate_expires_at = now_ + absl::Hours(24);
    record.enrolled_at = now_;
    return record;
  }
  AgentId AddAgent(const std::string& hostname) {
    const AgentRecord record = NewAgent(hostname);
    Must(In([&](Transaction& tx) { return tx.agents().Create(record); }));
    return record.id;
  }

  static v1::DeviceFacts Facts(const std::string& serial) {
    v1::DeviceFacts facts;
    facts.set_platform(v1::PLATFORM_IOS);
    facts.set_serial(serial);
    facts.set_name("Phone " + serial);
    facts.set_model("iPhone15,2");
    facts.set_os_version("17.5.1");
    return facts;
  }
  DeviceId AddDevice(const std::string& serial, const AgentId& agent) {
    const DeviceId id = NewId<DeviceId>();
    Must(In([&](Transaction& tx) { return tx.devices().Attach(id, Facts(serial), agent, now_); }));
    return id;
  }
  void Assign(const DeviceId& device, const PersonId& person) {
    Must(In([&](Transaction& tx) { return tx.devices().Assign(device, person); }));
  }

  SessionRecord NewSession(const DeviceId& device, const PersonId& person, const AgentId& agent,
                           std::uint64_t sequence = 1) {
    SessionRecord record;
    record.id = NewId<SessionId>();
    record.idempotency_key = Blob(16);
    record.device = device;
    record.person = person;
    record.agent = agent;
    record.snapshot = NewId<SnapshotId>();
    record.sequence = sequence;
    record.captures = {v1::CAPTURE_KIND_FULL, v1::CAPTURE_KIND_PHOTOS};
    record.wrapped_snapshot_key = Blob(60);
    record.started_at = now_;
    record.lease_until = now_ + absl::Minutes(5);
    return record;
  }
  void Open(const SessionRecord& record) {
    Must(In([&](Transaction& tx) { return tx.sessions().Create(record); }));
  }
  void Abort(const SessionId& session) {
    Must(In([&](Transaction& tx) {
      return tx.sessions().End(session, v1::SESSION_STATE_ABORTED, v1::CAUSE_UNPLUGGED, "", now_);
    }));
  }

  SnapshotRecord NewSnapshot(const SessionRecord& session) {
    SnapshotRecord record;
    record.id = session.snapshot;
    record.device = session.device;
    record.person = session.person;
    record.lineage = session.lineage;
    record.sequence = session.sequence;
    record.session = session.id;
    record.created_at = now_;
    record.captured_at = now_ - absl::Minutes(1);
    record.file_count = 3;
    record.logical_bytes = 1000;
    record.root_hash = Blob(32);
    v1::Capture capture;
    capture.set_kind(v1::CAPTURE_KIND_FULL);
    capture.set_file_count(3);
    record.captures = {capture};
    record.device_facts = Facts("serial");
    return record;
  }
  // A session from its opening to its snapshot.
  SnapshotRecord AddSnapshot(const SessionRecord& session,
                             const std::function<void(SnapshotRecord&)>& change = {}) {
    Open(session);
    SnapshotRecord snapshot = NewSnapshot(session);
    if (change) change(snapshot);
    v1::Receipt receipt;
    receipt.set_sequence(session.sequence);
    Must(In([&](Transaction& tx) -> absl::Status {
      MOORING_RETURN_IF_ERROR(tx.snapshots().Create(snapshot, {Blob(100), Blob(20), {}}));
      return tx.sessions().Commit(session.id, Blob(16), receipt, 10, now_);
    }));
    return snapshot;
  }

  // Whole microseconds, as a catalog keeps them.
  const absl::Time now_ = absl::FromUnixMicros(1'790'000'000'123'456);

 private:
  SeededRandom random_{20261101};
  std::unique_ptr<CatalogUnderTest> under_test_;
};

}  // namespace mooring::storage
