#include "tests/sim/sim_server.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/repository/key_custody.h"
#include "storage/seal/digest.h"
#include "tests/sim/sim_jobs.h"

namespace mooring::testing {
namespace {

constexpr std::size_t kSubjectBytes = 16;
// One read that came back wrong may refuse a start; the next ones are good.
constexpr int kRefusedStartsMax = 3;

}  // namespace

absl::StatusOr<Bytes> PlainKek::Wrap(storage::KeyPurpose purpose, ByteView subject, ByteView key) {
  Bytes wrapped;
  wrapped.push_back(static_cast<std::byte>(purpose));
  Append(wrapped, subject);
  Append(wrapped, key);
  Append(wrapped, storage::Sha256(wrapped));
  return wrapped;
}

absl::StatusOr<SecretBytes> PlainKek::Unwrap(storage::KeyPurpose purpose, ByteView subject,
                                             ByteView wrapped) {
  constexpr std::size_t kFrame = 1 + kSubjectBytes + storage::kSha256Bytes;
  if (subject.size() != kSubjectBytes || wrapped.size() <= kFrame) {
    return absl::DataLossError("the wrapped key is damaged");
  }
  const ByteView body = wrapped.first(wrapped.size() - storage::kSha256Bytes);
  const storage::Sha256Digest digest = storage::Sha256(body);
  if (!std::ranges::equal(digest, wrapped.last(storage::kSha256Bytes)) ||
      wrapped[0] != static_cast<std::byte>(purpose) ||
      !std::equal(subject.begin(), subject.end(), wrapped.begin() + 1)) {
    return absl::DataLossError("the wrapped key is damaged, or for something else");
  }
  return SecretBytes::CopyOf(body.subspan(1 + kSubjectBytes));
}

absl::Status ServerTurns::BeforeTransaction() {
  ground_.scheduler.Yield();
  if (dead_) return absl::UnavailableError("the server has crashed");
  if (ground_.faults && ground_.dice.Chance(ground_.profile.database_gone)) {
    ground_.trace.Note("begin", {}, absl::StatusCode::kUnavailable);
    return absl::UnavailableError("injected: no database");
  }
  return absl::OkStatus();
}

absl::Status ServerTurns::BeforeStatement() {
  if (ground_.dice.Chance(ground_.profile.switch_chance)) ground_.scheduler.Yield();
  if (dead_) return absl::UnavailableError("the server has crashed");
  if (!ground_.faults) return absl::OkStatus();
  // Of a transaction, so a tenth for each of its statements.
  if (ground_.dice.Roll(10) != 0) return absl::OkStatus();
  absl::Status status;
  if (ground_.dice.Chance(ground_.profile.database_gone)) {
    status = absl::UnavailableError("injected: the connection was lost");
  } else if (ground_.dice.Chance(ground_.profile.database_conflict)) {
    status = absl::AbortedError("injected: deadlock detected");
  }
  if (!status.ok()) ground_.trace.Note("statement", {}, status.code());
  return status;
}

CommitFault ServerTurns::BeforeCommit() {
  ground_.scheduler.Yield();
  const CommitFault fault = DrawCommit();
  ground_.trace.Note(
      "commit", fault == CommitFault::kNone ? "" : "fault",
      fault == CommitFault::kNone ? absl::StatusCode::kOk : absl::StatusCode::kUnknown);
  return fault;
}

CommitFault ServerTurns::DrawCommit() {
  // A server that dies has sent its COMMIT or not.
  if (dead_) return ground_.dice.Chance(500) ? CommitFault::kInDoubtDone : CommitFault::kGone;
  if (!ground_.faults) return CommitFault::kNone;
  if (ground_.bug == PlantedBug::kCommitLostButOk && ground_.dice.Chance(10)) {
    return CommitFault::kPretended;
  }
  if (ground_.dice.Chance(ground_.profile.database_conflict)) return CommitFault::kConflict;
  if (!ground_.dice.Chance(ground_.profile.commit_in_doubt)) return CommitFault::kNone;
  switch (ground_.dice.Roll(3)) {
    case 0:
      return CommitFault::kInDoubtDone;
    case 1:
      return CommitFault::kInDoubtNotDone;
    default:
      return CommitFault::kGone;
  }
}

ServerLife::ServerLife(Ground& ground, int server, absl::Duration offset, std::uint64_t seed)
    : ground_(ground),
      server_(server),
      clock_(ground.scheduler),
      random_(seed),
      turns_(ground, dead_),
      catalog_(ground.catalog, turns_),
      objects_(ground, ground.disk, dead_),
      replica_(ground, ground.replica, dead_) {
  clock_.set_offset(offset);
}

absl::Status ServerLife::Open() {
  storage::KeyCustody keys(catalog_, objects_, kek_, clock_, random_);
  MOORING_ASSIGN_OR_RETURN(pack_index_key_,
                           keys.OrganizationKey({}, storage::KeyPurpose::kPackIndexKey));
  collection_.emplace(storage::CollectionParts{.catalog = catalog_,
                                               .objects = objects_,
                                               .clock = clock_,
                                               .random = random_,
                                               .pack_index_key = *pack_index_key_,
                                               .database_clock = catalog_clock_});
  MOORING_ASSIGN_OR_RETURN(
      repository_, storage::Repository::Open({}, catalog_, objects_, kek_, clock_, random_));
  return absl::OkStatus();
}

void ServerLife::Kill() {
  dead_ = true;
  ground_.scheduler.WakeAll(ended_);
  // Those that wait for a row notice that they are dead.
  ground_.scheduler.WakeAll(ground_.transactions_ended);
}

void ServerLife::WaitForEnd() {
  while (!dead_) ground_.scheduler.Wait(ended_);
}

std::string ServerLife::name(std::string_view task) const {
  return fmt::format("server{}-{}", server_, task);
}

void SimServer::Run() {
  ground_.scheduler.Spawn(fmt::format("server{}", number_), [this] { Main(); });
}

// One after the other, until the simulation ends.
void SimServer::Main() {
  while (!ground_.stopping) {
    life_ = std::make_shared<ServerLife>(ground_, number_, offset_, ground_.dice.Next());
    const std::shared_ptr<ServerLife> life = life_;
    const absl::Status opened = life->Open();
    ground_.trace.Note("open", life->name("life"), opened.code());
    if (opened.ok() && !life->dead()) {
      RunJobs(life);
      life->WaitForEnd();
    }
    JudgeStart(*life, opened);
    life->Kill();
    life_ = nullptr;
    ground_.scheduler.Sleep(absl::Milliseconds(ground_.dice.Between(100, 20'000)));
  }
}

// Faults may refuse a start; what refuses it again and again is for good.
void SimServer::JudgeStart(const ServerLife& life, const absl::Status& opened) {
  const bool is_refused = !opened.ok() && !life.dead() && !absl::IsUnavailable(opened) &&
                          !absl::IsUnknown(opened) && !absl::IsAborted(opened) &&
                          !absl::IsResourceExhausted(opened);
  refused_starts_ = is_refused ? refused_starts_ + 1 : 0;
  if (refused_starts_ < kRefusedStartsMax) return;
  ground_.oracle.Fail(fmt::format("I4: the repository does not open: {}", opened.ToString()));
}

void SimServer::RunJobs(const std::shared_ptr<ServerLife>& life) {
  ground_.scheduler.Spawn(life->name("expire"), [this, life] { RunExpiry(ground_, *life); });
  ground_.scheduler.Spawn(life->name("prune"), [this, life] { RunPruner(ground_, *life); });
  ground_.scheduler.Spawn(life->name("collect"), [this, life] { RunCollector(ground_, *life); });
  if (ground_.profile.scrub_every == absl::InfiniteDuration()) return;
  ground_.scheduler.Spawn(life->name("care"), [this, life] { RunCare(ground_, *life); });
}

void SimServer::Crash() {
  if (life_ == nullptr) return;
  ground_.trace.Note("crash", life_->name("life"));
  life_->Kill();
}

void SimServer::JumpClock(absl::Duration offset) {
  offset_ = offset;
  if (life_ != nullptr) life_->clock().set_offset(offset);
}

}  // namespace mooring::testing
