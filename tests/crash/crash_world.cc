#include "tests/crash/crash_world.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include <absl/cleanup/cleanup.h>
#include <absl/time/clock.h>
#include <fmt/format.h>

#include "proto/rpc_status.h"
#include "storage/base/status.h"
#include "storage/catalog/sql.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

using State = KnownSnapshot::State;

constexpr std::uint32_t kKeepLast = 5;
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr int kDays = 30;

template <typename Stub, typename Request, typename Response>
absl::Status Call(Stub& stub,
                  grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response& response) {
  grpc::ClientContext context;
  return FromGrpcStatus((stub.*method)(&context, request, &response));
}

// The last message of a stream.
template <typename Reader, typename Response>
absl::Status ReadToEnd(Reader& reader, Response& last) {
  Response message;
  while (reader.Read(&message)) last = message;
  return FromGrpcStatus(reader.Finish());
}

// What goes meanwhile, or is not there yet, needs no age.
void MakeOlder(const std::string& directory) {
  std::error_code error;
  std::filesystem::recursive_directory_iterator it(directory, error);
  for (; !error && it != std::filesystem::recursive_directory_iterator(); it.increment(error)) {
    struct stat st {};
    if (stat(it->path().c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
    timespec times[2] = {st.st_atim, st.st_mtim};
    times[1].tv_sec -= kDays * 86400;
    utimensat(AT_FDCWD, it->path().c_str(), times, 0);
  }
}

}  // namespace

const char* NameOf(Step step) {
  switch (step) {
    case Step::kBackup:
      return "backup";
    case Step::kTwoBackups:
      return "two-backups";
    case Step::kPrune:
      return "prune";
    case Step::kCollect:
      return "collect";
    case Step::kScrub:
      return "scrub";
    case Step::kExport:
      return "export";
    case Step::kEnd:
      break;
  }
  return "none";
}

CrashWorld::CrashWorld(ShippedServer& server, int phones, std::uint64_t seed)
    : server_(server), random_(seed) {
  for (int i = 1; i <= phones; ++i) phones_.emplace_back(i, seed);
}

absl::Status CrashWorld::SetUp() {
  v1::CreateInvitationRequest request;
  request.set_uses_max(1);
  v1::CreateInvitationResponse invitation;
  MOORING_RETURN_IF_ERROR(
      Call(*server_.admin().fleet, &v1::FleetService::Stub::CreateInvitation, request, invitation));
  MOORING_ASSIGN_OR_RETURN(agent_,
                           TestAgent::Enroll(invitation.token(), server_.ca(), "desk", random_));
  TestControl control(*agent_);
  MOORING_RETURN_IF_ERROR(control.hello().status());
  for (CrashPhone& phone : phones_) MOORING_RETURN_IF_ERROR(SetUpPhone(phone, control));
  return SetPolicy();
}

absl::Status CrashWorld::SetUpPhone(CrashPhone& phone, TestControl& control) {
  v1::CreatePersonRequest person;
  person.set_handle(phone.owner());
  person.set_name(phone.owner());
  v1::CreatePersonResponse created;
  MOORING_RETURN_IF_ERROR(
      Call(*server_.admin().fleet, &v1::FleetService::Stub::CreatePerson, person, created));
  MOORING_RETURN_IF_ERROR(control.Attach(phone.serial()).status());
  v1::AssignDeviceRequest assign;
  assign.set_device(phone.serial());
  assign.set_person_handle(phone.owner());
  v1::AssignDeviceResponse assigned;
  MOORING_RETURN_IF_ERROR(
      Call(*server_.admin().fleet, &v1::FleetService::Stub::AssignDevice, assign, assigned));
  MOORING_RETURN_IF_ERROR(phone.BackUp(*agent_));
  ++acknowledged_;
  return absl::OkStatus();
}

absl::Status CrashWorld::SetPolicy() {
  v1::ApplyPolicyRequest request;
  request.mutable_policy()->mutable_retention()->set_keep_last(kKeepLast);
  v1::ApplyPolicyResponse applied;
  MOORING_RETURN_IF_ERROR(
      Call(*server_.admin().policy, &v1::PolicyService::Stub::ApplyPolicy, request, applied));
  if (applied.request_id().empty()) return absl::OkStatus();
  v1::ApproveRequestRequest approve;
  approve.set_request_id(applied.request_id());
  v1::ApproveRequestResponse approved;
  return Call(*server_.admin().access, &v1::AccessService::Stub::ApproveRequest, approve, approved);
}

absl::Status CrashWorld::Run(Step step) {
  const std::size_t phone = next_phone_++ % phones_.size();
  const std::size_t other = (phone + 1) % phones_.size();
  // Others go on while the server looks after itself.
  std::jthread beside;
  if (step == Step::kTwoBackups || step == Step::kCollect || step == Step::kScrub) {
    beside = std::jthread([this, other] { BackUp(other).IgnoreError(); });
  }
  switch (step) {
    case Step::kBackup:
    case Step::kTwoBackups:
      return BackUp(phone);
    case Step::kPrune:
      return Prune();
    case Step::kCollect:
      return Collect();
    case Step::kScrub:
      return Scrub(false);
    case Step::kExport:
      return Export();
    case Step::kEnd:
      break;
  }
  return absl::OkStatus();
}

absl::Status CrashWorld::BackUp(std::size_t phone) {
  MOORING_RETURN_IF_ERROR(phones_.at(phone).BackUp(*agent_));
  ++acknowledged_;
  return absl::OkStatus();
}

absl::Status CrashWorld::Prune() {
  was_pruned_ = true;
  v1::PruneRepositoryResponse response;
  return Call(*server_.admin().repository, &v1::RepositoryService::Stub::PruneRepository,
              v1::PruneRepositoryRequest(), response);
}

absl::Status CrashWorld::Collect() {
  const auto collection = v1::CollectionService::NewStub(server_.admin().channel);
  // Condemned, marked twice more, doomed, removed, and compacted on the way.
  for (int round = 0; round < 3; ++round) {
    MOORING_RETURN_IF_ERROR(LetTimePass());
    grpc::ClientContext context;
    v1::CollectGarbageRequest request;
    request.set_ignore_share(true);
    const auto reader = collection->CollectGarbage(&context, request);
    v1::CollectGarbageResponse last;
    MOORING_RETURN_IF_ERROR(ReadToEnd(*reader, last));
  }
  return absl::OkStatus();
}

absl::Status CrashWorld::Scrub(bool must_be_clean) {
  const auto care = v1::CareService::NewStub(server_.admin().channel);
  grpc::ClientContext context;
  v1::ScrubRepositoryRequest request;
  request.set_all(true);
  const auto reader = care->ScrubRepository(&context, request);
  v1::ScrubRepositoryResponse last;
  MOORING_RETURN_IF_ERROR(ReadToEnd(*reader, last));
  if (must_be_clean && (last.packs_bad() > 0 || last.chunks_lost() > 0 || last.records_bad() > 0)) {
    return absl::DataLossError("scrub: " + last.ShortDebugString());
  }
  return absl::OkStatus();
}

absl::Status CrashWorld::Export() {
  const auto care = v1::CareService::NewStub(server_.admin().channel);
  v1::ExportCatalogResponse response;
  return Call(*care, &v1::CareService::Stub::ExportCatalog, v1::ExportCatalogRequest(), response);
}

absl::Status CrashWorld::LetTimePass() {
  MOORING_ASSIGN_OR_RETURN(const auto sql, storage::SqlSession::Connect(server_.database_url()));
  MOORING_RETURN_IF_ERROR(sql->ExecScript(
      fmt::format("UPDATE pack SET created_at = created_at - interval '{0} days',"
                  "                doomed_at = doomed_at - interval '{0} days';"
                  "UPDATE chunk SET condemned_at = condemned_at - interval '{0} days'"
                  "  WHERE condemned_at IS NOT NULL;"
                  "UPDATE snapshot SET deleted_at = deleted_at - interval '{0} days'"
                  "  WHERE deleted_at IS NOT NULL;"
                  "UPDATE job_lease SET until = now()",
                  kDays)));
  for (const char* folder : {"packs", "snapshots", "gc"}) {
    MakeOlder(server_.repository() + "/" + folder);
  }
  return absl::OkStatus();
}

void CrashWorld::Reconnect() {
  agent_->Reconnect();
}

absl::Status CrashWorld::Settle() {
  Reconnect();
  for (std::size_t i = 0; i < phones_.size(); ++i) {
    if (!phones_[i].is_unsettled()) continue;
    if (random_.Below(10) < 3) phones_[i].Abandon();
    MOORING_RETURN_IF_ERROR(BackUpUntilDone(i));
  }
  return absl::OkStatus();
}

absl::Status CrashWorld::BackUpUntilDone(std::size_t phone) {
  const absl::Time until = absl::Now() + kPatience;
  absl::Status status = BackUp(phone);
  while (!status.ok() && absl::Now() < until && server_.running()) {
    absl::SleepFor(absl::Milliseconds(50));
    status = BackUp(phone);
  }
  return Annotate(status,
                  "the backup of " + phones_.at(phone).serial() + " does not come to its end");
}

absl::Status CrashWorld::Check(bool everything) {
  for (CrashPhone& phone : phones_) {
    MOORING_RETURN_IF_ERROR(Annotate(CheckPhone(phone, everything), phone.serial()));
  }
  if (!everything) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(Scrub(true));
  return CheckCollector();
}

absl::Status CrashWorld::CheckPhone(CrashPhone& phone, bool everything) {
  v1::ListSnapshotsRequest request;
  request.set_device(phone.serial());
  v1::ListSnapshotsResponse list;
  MOORING_RETURN_IF_ERROR(
      Call(*server_.admin().fleet, &v1::FleetService::Stub::ListSnapshots, request, list));
  std::set<SnapshotId> there;
  for (const v1::Snapshot& snapshot : list.snapshots()) {
    const SnapshotId id = SnapshotId::FromBytes(snapshot.id()).value();
    const auto known = phone.known().find(id);
    if (known == phone.known().end() || known->second.state == State::kNever ||
        known->second.state == State::kPruned) {
      return absl::DataLossError(id.hex() + " is there and must not be");
    }
    if (snapshot.damaged_chunks() > 0) return absl::DataLossError(id.hex() + " is damaged");
    if (!there.insert(id).second) return absl::DataLossError(id.hex() + " is there twice");
    known->second.state = State::kAcknowledged;
  }
  std::uint64_t newer = 0;  // Kept ones; from the newest on.
  std::map<std::uint64_t, std::pair<const SnapshotId, KnownSnapshot>*, std::greater<>> by_sequence;
  for (auto& entry : phone.known()) {
    if (entry.second.state == State::kPerhaps) entry.second.state = State::kNever;
    if (entry.second.state == State::kAcknowledged) by_sequence[entry.second.sequence] = &entry;
  }
  for (auto& [sequence, entry] : by_sequence) {
    if (there.count(entry->first) > 0) {
      ++newer;
      // One old one each time, too.
      if (everything || !entry->second.was_read || newer == by_sequence.size()) {
        MOORING_RETURN_IF_ERROR(Restore(entry->first, entry->second));
      }
    } else if (!was_pruned_ || newer < kKeepLast) {
      return absl::DataLossError(
          fmt::format("{} was acknowledged, is number {} from the newest, and is gone",
                      entry->first.hex(), newer + 1));
    } else {
      entry->second.state = State::kPruned;
      entry->second.files.clear();
    }
  }
  for (const auto& [id, known] : phone.known()) {
    if (known.state == State::kPruned &&
        std::filesystem::exists(server_.repository() + "/keys/snapshot/" + id.hex())) {
      return absl::DataLossError("the key of " + id.hex() + " is there, and it was deleted");
    }
  }
  return absl::OkStatus();
}

absl::Status CrashWorld::Restore(const SnapshotId& id, KnownSnapshot& snapshot) {
  const absl::StatusOr<Files> files = ExportOverWire(server_.admin(), id.bytes(), random_);
  if (!files.ok()) return Annotate(files.status(), "restore of " + id.hex());
  if (*files != snapshot.files) {
    return absl::DataLossError("what " + id.hex() + " restores is not what was backed up");
  }
  snapshot.was_read = true;
  ++restored_;
  return absl::OkStatus();
}

absl::Status CrashWorld::CheckCollector() {
  const auto collection = v1::CollectionService::NewStub(server_.admin().channel);
  v1::GetRepositoryStatusResponse status;
  MOORING_RETURN_IF_ERROR(Call(*collection, &v1::CollectionService::Stub::GetRepositoryStatus,
                               v1::GetRepositoryStatusRequest(), status));
  if (!status.stop_reason().empty()) {
    return absl::DataLossError("the collector has stopped: " + status.stop_reason());
  }
  if (!status.recovery_reason().empty()) {
    return absl::DataLossError("the catalog is taken for an older one: " +
                               status.recovery_reason());
  }
  return absl::OkStatus();
}

}  // namespace mooring::testing
