#include "tests/sim/sim_agent.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/manifest/manifest.h"
#include "storage/repository/repository.h"
#include "storage/seal/digest.h"

namespace mooring::testing {
namespace {

constexpr int kAttemptsMax = 6;
constexpr int kRoundsMax = 5;

bool IsWorthAnotherTry(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsUnknown(status) || absl::IsAborted(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsResourceExhausted(status);
}

absl::Duration Lease() {
  return absl::Minutes(10);
}

std::string RootHash(const v1::CommitSnapshotRequest& request) {
  const storage::Sha256Digest hash = storage::Sha256(AsBytes(request.root()));
  return ToString(ByteView(hash));
}

}  // namespace

void SimAgent::Judge(std::string_view call, const absl::Status& status) {
  const bool is_expected = status.ok() || IsWorthAnotherTry(status) ||
                           absl::IsFailedPrecondition(status) || absl::IsCancelled(status);
  if (is_expected) return;
  // What is rotten cannot be read before scrub has healed it.
  if (absl::IsDataLoss(status) && !ground_.rotten.empty()) return;
  ground_.oracle.Fail(fmt::format("{}: {} heard {}", name_, call, status.ToString()));
}

void SimAgent::Run() {
  while (!ground_.quiet) {
    const auto pause =
        static_cast<std::uint64_t>(absl::ToInt64Microseconds(ground_.profile.backup_pause));
    ground_.SleepOrQuiet(absl::Microseconds(1 + ground_.dice.Roll(2 * pause)));
    if (ground_.quiet) return;
    BackUp(*ground_.dice.Pick(phones_));
  }
}

void SimAgent::ChangeFiles(SimPhone& phone) {
  const std::uint64_t changes = ground_.dice.Roll(4);
  for (std::uint64_t i = 0; i < changes || phone.files.empty(); ++i) {
    const bool is_app = ground_.dice.Chance(250);
    const std::string path =
        fmt::format("{}/{}", is_app ? "apps/org.example" : "full", ground_.dice.Roll(5));
    if (ground_.dice.Chance(300) && phone.files.size() > 1) {
      phone.files.erase(path);
      continue;
    }
    const std::uint64_t content = ground_.dice.Roll(ground_.profile.contents);
    const std::uint64_t pool = is_app ? 1000 : 2000 + 1000 * static_cast<unsigned>(phone.owner);
    phone.files[path] = SyntheticContent(pool + content, 30 + (content * 37) % 500);
  }
}

void SimAgent::BackUp(SimPhone& phone) {
  const std::unique_ptr<storage::BegunSession> begun = Begin(phone);
  if (begun == nullptr) return;
  ChangeFiles(phone);
  if (begun->base && ground_.dice.Chance(300)) ReadBase(*begun);
  const absl::StatusOr<SealedTree> tree = SealFiles(*begun, phone.files, clock_, ground_.dice);
  if (!tree.ok()) return Judge("seal", tree.status());
  ground_.oracle.Propose(begun->snapshot, RootHash(tree->request), phone.files);
  if (ground_.dice.Chance(ground_.profile.agent_aborts)) return Abort(*begun);
  CommitAll(*begun, *tree);
}

std::unique_ptr<storage::BegunSession> SimAgent::Begin(const SimPhone& phone) {
  storage::BeginOptions options;
  options.idempotency_key.resize(16);
  ground_.dice.Fill(options.idempotency_key);
  options.device = phone.id;
  options.agent = id_;
  options.captures = {v1::CAPTURE_KIND_FULL};
  options.lease = Lease();
  for (int attempt = 0; attempt < kAttemptsMax && !ground_.quiet; ++attempt) {
    auto begun = network_.Call<std::unique_ptr<storage::BegunSession>>(
        name_ + "-begin",
        [this,
         options](ServerLife& life) -> absl::StatusOr<std::unique_ptr<storage::BegunSession>> {
          MOORING_ASSIGN_OR_RETURN(storage::BegunSession session,
                                   life.repository().Begin({}, options));
          if (!life.dead()) {
            ground_.oracle.NoteBegun(options.idempotency_key, session.session, session.snapshot);
          }
          return std::make_unique<storage::BegunSession>(std::move(session));
        });
    Judge("begin", begun.status());
    if (begun.ok()) return *std::move(begun);
    if (!IsWorthAnotherTry(begun.status())) return nullptr;
    ground_.scheduler.Sleep(absl::Seconds(static_cast<std::int64_t>(ground_.dice.Roll(20))));
  }
  return nullptr;
}

void SimAgent::ReadBase(const storage::BegunSession& begun) {
  const absl::StatusOr<storage::Root> root =
      storage::OpenRoot(begun.base->snapshot_key, begun.base->root);
  if (!root.ok()) return Judge("open root", root.status());
  std::vector<ChunkId> ids;
  for (const format::v1::SegmentRef& segment : root->body.segments()) {
    ids.push_back(*ChunkId::FromBytes(segment.chunk().id()));
  }
  const SessionId session = begun.session;
  const absl::StatusOr<bool> read = network_.Call<bool>(
      name_ + "-base", [this, session, ids](ServerLife& life) -> absl::StatusOr<bool> {
        std::size_t next = 0;
        bool is_right = true;
        const absl::Status status =
            life.repository().ReadBase({}, session, id_, ids, [&](ByteView sealed) {
              is_right = is_right && storage::ChunkIdOf(sealed) == ids.at(next++);
              return absl::OkStatus();
            });
        MOORING_RETURN_IF_ERROR(status);
        return is_right && next == ids.size();
      });
  if (read.ok() && !*read) ground_.oracle.Fail("I12: a base was served with wrong bytes");
  // The base may have been deleted since: then there is nothing to read.
  if (absl::IsPermissionDenied(read.status()) && ground_.oracle.MayBeGone(begun.base->snapshot)) {
    return;
  }
  Judge("read base", read.status());
}

absl::StatusOr<std::vector<std::size_t>> SimAgent::Ask(const storage::BegunSession& begun,
                                                       const SealedTree& tree) {
  std::map<DomainId, std::vector<std::size_t>> of_domain;
  for (std::size_t i = 0; i < tree.chunks.size(); ++i) {
    of_domain[tree.chunks[i].domain].push_back(i);
  }
  std::vector<std::size_t> absent;
  for (const auto& [domain, indices] : of_domain) {
    std::vector<ChunkId> ids;
    for (const std::size_t i : indices) ids.push_back(tree.chunks[i].chunk.id);
    const SessionId session = begun.session;
    const DomainId asked = domain;
    const absl::StatusOr<std::vector<bool>> present =
        network_.Call<std::vector<bool>>(name_ + "-find", [session, asked, ids](ServerLife& life) {
          return life.repository().Find({}, session, asked, ids);
        });
    if (!present.ok()) return present.status();
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (!(*present)[i]) absent.push_back(indices[i]);
    }
  }
  return absent;
}

absl::Status SimAgent::Send(const storage::BegunSession& begun, const SealedTree& tree,
                            const std::vector<std::size_t>& wanted) {
  const SessionId session = begun.session;
  // One stream; it may break between two chunks. The handler may outlive this call.
  auto chunks = std::make_shared<std::vector<SealedForDomain>>();
  for (const std::size_t i : wanted) chunks->push_back(tree.chunks[i]);
  const auto stream = [this, session, chunks](ServerLife& life) -> absl::StatusOr<Sent> {
    MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<storage::PackUpload> upload,
                             life.repository().Upload({}, session, id_));
    for (const SealedForDomain& chunk : *chunks) {
      if (ground_.faults && ground_.dice.Chance(ground_.profile.stream_breaks)) {
        return absl::UnavailableError("network: the stream broke");
      }
      MOORING_RETURN_IF_ERROR(upload->Put({}, chunk.domain, chunk.chunk.bytes));
      if (ground_.dice.Chance(100)) MOORING_RETURN_IF_ERROR(upload->Close({}));
    }
    MOORING_RETURN_IF_ERROR(upload->Close({}));
    return Sent{upload->durable_count()};
  };
  const absl::StatusOr<Sent> sent = network_.Call<Sent>(name_ + "-upload", stream);
  if (sent.ok() && sent->durable != chunks->size()) {
    ground_.oracle.Fail(
        fmt::format("{}: {} chunks sent, {} acknowledged", name_, chunks->size(), sent->durable));
  }
  return sent.status();
}

void SimAgent::CommitAll(const storage::BegunSession& begun, const SealedTree& tree) {
  std::vector<std::size_t> wanted;
  for (std::size_t i = 0; i < tree.chunks.size(); ++i) wanted.push_back(i);
  bool ask_first = !ground_.dice.Chance(ground_.profile.agent_skips_find);
  if (ground_.dice.Chance(ground_.profile.agent_commits_first)) {
    // It trusts that all of it is there from before: the server knows better.
    ask_first = false;
    wanted.clear();
  }
  const v1::CommitSnapshotRequest request = tree.request;
  for (int round = 0; round < kRoundsMax * kAttemptsMax && !ground_.quiet; ++round) {
    if (ground_.dice.Chance(ground_.profile.agent_vanishes)) return;
    if (ground_.dice.Chance(200)) Touch(begun);
    if (std::exchange(ask_first, false)) {
      absl::StatusOr<std::vector<std::size_t>> absent = Ask(begun, tree);
      Judge("find", absent.status());
      if (absent.ok()) wanted = *std::move(absent);
    }
    if (!wanted.empty()) {
      const absl::Status sent = Send(begun, tree, wanted);
      Judge("upload", sent);
      if (absl::IsFailedPrecondition(sent)) return;
      if (!sent.ok()) continue;
    }
    const absl::StatusOr<storage::CommitOutcome> outcome = network_.Call<storage::CommitOutcome>(
        name_ + "-commit",
        [this, request](ServerLife& life) -> absl::StatusOr<storage::CommitOutcome> {
          MOORING_ASSIGN_OR_RETURN(storage::CommitOutcome answer,
                                   life.repository().Commit({}, id_, request));
          if (answer.receipt && !life.dead()) {
            ground_.oracle.NoteReceipt(id_, request, *answer.receipt);
          }
          return answer;
        });
    Judge("commit", outcome.status());
    if (!outcome.ok()) {
      if (!IsWorthAnotherTry(outcome.status())) return;
      wanted.clear();
      continue;
    }
    if (outcome->receipt) return;
    const std::set<ChunkId> missing(outcome->missing.begin(), outcome->missing.end());
    wanted.clear();
    for (std::size_t i = 0; i < tree.chunks.size(); ++i) {
      if (missing.count(tree.chunks[i].chunk.id) > 0) wanted.push_back(i);
    }
    if (wanted.empty()) {
      ground_.oracle.Fail(
          fmt::format("{}: the server misses chunks that are not of the snapshot", name_));
    }
  }
}

void SimAgent::Touch(const storage::BegunSession& begun) {
  const SessionId session = begun.session;
  const absl::StatusOr<bool> touched = network_.Call<bool>(
      name_ + "-touch", [this, session](ServerLife& life) -> absl::StatusOr<bool> {
        v1::Progress progress;
        progress.set_phase(v1::PHASE_CAPTURING);
        MOORING_RETURN_IF_ERROR(life.repository().Touch({}, session, id_, Lease(), &progress));
        return true;
      });
  Judge("touch", touched.status());
}

void SimAgent::Abort(const storage::BegunSession& begun) {
  const SessionId session = begun.session;
  const absl::StatusOr<bool> aborted = network_.Call<bool>(
      name_ + "-abort", [this, session](ServerLife& life) -> absl::StatusOr<bool> {
        MOORING_RETURN_IF_ERROR(life.repository().Abort({}, session, id_, v1::CAUSE_UNPLUGGED, ""));
        return true;
      });
  Judge("abort", aborted.status());
}

}  // namespace mooring::testing
