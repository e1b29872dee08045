#include "tests/crash/crash_phone.h"

#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "tests/integration/server/wire_backup.h"

namespace mooring::testing {
namespace {

constexpr std::uint64_t kFiles = 10;
// Small, so that a backup makes several.
constexpr std::size_t kChunksAPack = 5;

// The generation in which the file changed last: three change in each.
std::uint64_t ChangedIn(std::uint64_t file, std::uint64_t generation) {
  while (generation > 0 && (file + kFiles - generation * 3 % kFiles) % kFiles >= 3) --generation;
  return generation;
}

}  // namespace

CrashPhone::CrashPhone(int number, std::uint64_t seed)
    : number_(number),
      serial_(fmt::format("00008120-{:016X}", number)),
      random_(seed * 1009 + static_cast<std::uint64_t>(number)) {}

Files CrashPhone::MakeFiles() const {
  Files files;
  for (std::uint64_t i = 0; i < kFiles; ++i) {
    const std::uint64_t changed = ChangedIn(i, generation_);
    const std::size_t bytes = i == 0 ? 700'000 : 15'000 * (i + 1);
    files[fmt::format("full/{:02x}/file", i)] =
        SyntheticContent((static_cast<std::uint64_t>(number_) << 40) + (changed << 8) + i, bytes);
  }
  // In the organization's domain, the same on every phone.
  files["apps/com.example/base.apk"] = SyntheticContent(generation_ / 4, 90'000);
  return files;
}

absl::Status CrashPhone::BackUp(TestAgent& agent) {
  if (!attempt_) {
    ++generation_;
    attempt_.emplace();
    attempt_->begin_key = SessionId::Make(random_).bytes();
    attempt_->files = MakeFiles();
  }
  MOORING_RETURN_IF_ERROR(Run(agent, *attempt_));
  attempt_.reset();
  return absl::OkStatus();
}

absl::Status CrashPhone::Run(TestAgent& agent, Attempt& attempt) {
  if (!attempt.session) {
    MOORING_ASSIGN_OR_RETURN(const v1::BeginBackupResponse begun,
                             agent.Begin(serial_, attempt.begin_key));
    if (!begun.has_granted()) return absl::UnavailableError("queued");
    MOORING_ASSIGN_OR_RETURN(attempt.session, agent.Open(begun.granted()));
    SystemClock clock;
    MOORING_ASSIGN_OR_RETURN(attempt.tree,
                             SealFiles(*attempt.session, attempt.files, clock, random_));
  }
  const SnapshotId id = attempt.session->snapshot;
  MOORING_ASSIGN_OR_RETURN(const v1::Receipt receipt, Commit(agent, attempt));
  if (SnapshotOf(receipt) != id) return absl::DataLossError("the receipt is another snapshot's");
  known_[id] = {.state = KnownSnapshot::State::kAcknowledged,
                .sequence = attempt.session->sequence,
                .files = std::move(attempt.files),
                .was_read = false};
  return absl::OkStatus();
}

absl::StatusOr<v1::Receipt> CrashPhone::Commit(TestAgent& agent, Attempt& attempt) {
  if (attempt.commit_sent) {
    // As an agent does whose answer was lost: the session may be over.
    absl::StatusOr<v1::Receipt> receipt = CommitOverWire(agent, attempt.tree);
    if (receipt.ok() || !absl::IsDataLoss(receipt.status())) return receipt;
  }
  MOORING_RETURN_IF_ERROR(UploadOverWire(agent, *attempt.session, attempt.tree, kChunksAPack));
  attempt.commit_sent = true;
  return CommitOverWire(agent, attempt.tree);
}

void CrashPhone::Abandon() {
  if (attempt_ && attempt_->session) {
    known_[attempt_->session->snapshot] = {.state = attempt_->commit_sent
                                                        ? KnownSnapshot::State::kPerhaps
                                                        : KnownSnapshot::State::kNever,
                                           .sequence = attempt_->session->sequence,
                                           .files = std::move(attempt_->files),
                                           .was_read = false};
  }
  attempt_.reset();
}

}  // namespace mooring::testing
