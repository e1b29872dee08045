#include "tests/sim/hostile_agent.h"

#include <set>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/repository/repository.h"

namespace mooring::testing {
namespace {

// Replaces the references of the first domain by these, sorted and unique.
void SetRefs(v1::CommitSnapshotRequest& request, const DomainId& domain,
             const std::vector<ChunkId>& ids) {
  request.clear_base_ids();
  request.clear_refs();
  v1::DomainRefs* const refs = request.add_refs();
  refs->set_domain_id(domain.bytes());
  for (const ChunkId& id : std::set<ChunkId>(ids.begin(), ids.end())) {
    refs->mutable_ids()->append(id.bytes());
  }
}

}  // namespace

void HostileAgent::MustFail(std::string_view what, const absl::Status& status) {
  if (status.ok()) ground_.oracle.Fail(fmt::format("I14: {} worked for {}", what, name_));
}

std::vector<SessionId> HostileAgent::ForeignSessions() const {
  std::vector<SessionId> sessions;
  ground_.catalog.tables().session.ForEachCommitted(
      [&](const SessionId& id, const storage::SessionRecord& session) {
        if (session.agent != id_ && session.state == v1::SESSION_STATE_OPEN) {
          sessions.push_back(id);
        }
      });
  return sessions;
}

std::vector<ChunkId> HostileAgent::ForeignChunks(const DomainId& own) const {
  std::vector<ChunkId> chunks;
  const Tables& tables = ground_.catalog.tables();
  const std::int32_t* const own_no = tables.domain_id.Committed(own);
  std::set<ChunkId> mine;
  tables.chunk.ForEachCommitted([&](std::uint64_t, const IndexedChunk& chunk) {
    if (own_no != nullptr && chunk.domain_no == *own_no) mine.insert(chunk.id);
  });
  tables.chunk.ForEachCommitted([&](std::uint64_t, const IndexedChunk& chunk) {
    if (mine.count(chunk.id) == 0) chunks.push_back(chunk.id);
  });
  return chunks;
}

storage::BeginOptions HostileAgent::NewOptions() {
  storage::BeginOptions options;
  options.idempotency_key.resize(16);
  ground_.dice.Fill(options.idempotency_key);
  options.device = phone_.id;
  options.agent = id_;
  options.captures = {v1::CAPTURE_KIND_FULL};
  options.lease = absl::Minutes(10);
  return options;
}

absl::StatusOr<bool> HostileAgent::Do(std::string_view what,
                                      std::function<absl::Status(storage::Repository&)> act) {
  return network_.Call<bool>(fmt::format("{}-{}", name_, what),
                             [act](ServerLife& life) -> absl::StatusOr<bool> {
                               MOORING_RETURN_IF_ERROR(act(life.repository()));
                               return true;
                             });
}

void HostileAgent::Run() {
  while (!ground_.quiet) {
    const auto pause =
        static_cast<std::uint64_t>(absl::ToInt64Microseconds(ground_.profile.backup_pause));
    ground_.SleepOrQuiet(absl::Microseconds(1 + ground_.dice.Roll(pause)));
    if (ground_.quiet) return;
    Act();
  }
}

void HostileAgent::Act() {
  if (ground_.dice.Chance(400)) return UseForeignSession();
  const storage::BeginOptions options = NewOptions();
  auto begun = network_.Call<std::unique_ptr<storage::BegunSession>>(
      name_ + "-begin",
      [options](ServerLife& life) -> absl::StatusOr<std::unique_ptr<storage::BegunSession>> {
        MOORING_ASSIGN_OR_RETURN(storage::BegunSession session,
                                 life.repository().Begin({}, options));
        return std::make_unique<storage::BegunSession>(std::move(session));
      });
  if (!begun.ok()) return;
  switch (ground_.dice.Roll(6)) {
    case 0:
      return CommitWhatIsNotThere(**begun);
    case 1:
      return CommitForeignDomain(**begun);
    case 2:
      return CommitTwice(**begun);
    case 3:
      return SendJunk(**begun);
    case 4:
      return ReadForeignChunks(**begun);
    default:
      return ReuseKey(options);
  }
}

void HostileAgent::UseForeignSession() {
  const std::vector<SessionId> sessions = ForeignSessions();
  if (sessions.empty()) return;
  const SessionId session = ground_.dice.Pick(sessions);
  const AgentId me = id_;
  switch (ground_.dice.Roll(4)) {
    case 0:
      return MustFail("an upload into a session of another agent",
                      Do("steal-upload", [session, me](storage::Repository& repository) {
                        return repository.Upload({}, session, me).status();
                      }).status());
    case 1:
      return MustFail("ending a session of another agent",
                      Do("steal-abort", [session, me](storage::Repository& repository) {
                        return repository.Abort({}, session, me, v1::CAUSE_CANCELLED, "mine");
                      }).status());
    case 2:
      return MustFail("keeping a session of another agent open",
                      Do("steal-touch", [session, me](storage::Repository& repository) {
                        return repository.Touch({}, session, me, absl::Hours(24), nullptr);
                      }).status());
    default:
      return MustFail("reading in a session of another agent",
                      Do("steal-base", [session, me](storage::Repository& repository) {
                        return repository.ReadBase({}, session, me, {ChunkId()},
                                                   [](ByteView) { return absl::OkStatus(); });
                      }).status());
  }
}

absl::StatusOr<storage::CommitOutcome> HostileAgent::Commit(
    const v1::CommitSnapshotRequest& request) {
  return network_.Call<storage::CommitOutcome>(
      name_ + "-commit",
      [this, request](ServerLife& life) -> absl::StatusOr<storage::CommitOutcome> {
        MOORING_ASSIGN_OR_RETURN(storage::CommitOutcome outcome,
                                 life.repository().Commit({}, id_, request));
        if (outcome.receipt && !life.dead()) {
          ground_.oracle.NoteReceipt(id_, request, *outcome.receipt);
        }
        return outcome;
      });
}

void HostileAgent::CommitWhatIsNotThere(const storage::BegunSession& begun) {
  absl::StatusOr<SealedTree> tree = SealFiles(begun, {{"full/1", "lies"}}, clock_, ground_.dice);
  if (!tree.ok()) return;
  const bool in_own = ground_.dice.Chance(500);
  const DomainId domain = in_own ? begun.person_domain.id : begun.organization_domain.id;
  // Chunks that exist, but not for this person: somebody else's, or nobody's.
  std::vector<ChunkId> ids = {ChunkId::Make(ground_.dice)};
  if (in_own) {
    const std::vector<ChunkId> foreign = ForeignChunks(domain);
    ids.insert(ids.end(), foreign.begin(), foreign.end());
  }
  SetRefs(tree->request, domain, ids);
  const absl::StatusOr<storage::CommitOutcome> outcome = Commit(tree->request);
  if (outcome.ok() && outcome->receipt) {
    ground_.oracle.Fail("I2: a commit that refers to missing chunks has a receipt");
  }
}

void HostileAgent::CommitForeignDomain(const storage::BegunSession& begun) {
  std::vector<DomainId> foreign;
  ground_.catalog.tables().domain_id.ForEachCommitted([&](const DomainId& id, std::int32_t) {
    if (id != begun.person_domain.id && id != begun.organization_domain.id) foreign.push_back(id);
  });
  absl::StatusOr<SealedTree> tree = SealFiles(begun, {{"full/1", "lies"}}, clock_, ground_.dice);
  if (!tree.ok() || foreign.empty()) return;
  const DomainId domain = ground_.dice.Pick(foreign);
  const std::vector<ChunkId> ids = ForeignChunks(begun.person_domain.id);
  SetRefs(tree->request, domain, ids.empty() ? std::vector<ChunkId>{ChunkId()} : ids);
  MustFail("a commit into the domain of another person", Commit(tree->request).status());
  const SessionId session = begun.session;
  MustFail("a question about the domain of another person",
           Do("steal-find", [session, domain](storage::Repository& repository) {
             return repository.Find({}, session, domain, {ChunkId()}).status();
           }).status());
}

// Each of two contents, under its own key: at most one may stand.
void HostileAgent::CommitTwice(const storage::BegunSession& begun) {
  std::set<std::string> roots;
  for (const char* const content : {"one thing", "another thing"}) {
    const absl::StatusOr<SealedTree> tree =
        SealFiles(begun, {{"full/1", content}}, clock_, ground_.dice);
    if (!tree.ok()) return;
    const SessionId session = begun.session;
    const auto chunks = std::make_shared<std::vector<SealedForDomain>>(tree->chunks);
    const AgentId me = id_;
    Do("send",
       [session, me, chunks](storage::Repository& repository) -> absl::Status {
         MOORING_ASSIGN_OR_RETURN(const auto upload, repository.Upload({}, session, me));
         for (const SealedForDomain& chunk : *chunks) {
           MOORING_RETURN_IF_ERROR(upload->Put({}, chunk.domain, chunk.chunk.bytes));
         }
         return upload->Close({});
       })
        .status()
        .IgnoreError();
    const absl::StatusOr<storage::CommitOutcome> outcome = Commit(tree->request);
    if (outcome.ok() && outcome->receipt) roots.insert(outcome->receipt->root_hash());
  }
  if (roots.size() > 1) ground_.oracle.Fail("I5: one session made two snapshots");
}

void HostileAgent::SendJunk(const storage::BegunSession& begun) {
  Bytes junk(ground_.dice.Between(1, 200));
  ground_.dice.Fill(junk);
  junk[0] = std::byte{7};  // No suite.
  const SessionId session = begun.session;
  const DomainId domain = begun.person_domain.id;
  const AgentId me = id_;
  MustFail("sending what is no sealed chunk",
           Do("junk", [session, domain, me, junk](storage::Repository& repository) -> absl::Status {
             MOORING_ASSIGN_OR_RETURN(const auto upload, repository.Upload({}, session, me));
             return upload->Put({}, domain, junk);
           }).status());
}

void HostileAgent::ReadForeignChunks(const storage::BegunSession& begun) {
  const std::vector<ChunkId> foreign = ForeignChunks(begun.person_domain.id);
  if (foreign.empty()) return;
  const SessionId session = begun.session;
  const std::vector<ChunkId> ids = {ground_.dice.Pick(foreign)};
  const AgentId me = id_;
  // The organization's chunks may be of its own base.
  const absl::StatusOr<bool> read =
      Do("steal-read", [session, me, ids](storage::Repository& repository) {
        return repository.ReadBase({}, session, me, ids, [](ByteView) { return absl::OkStatus(); });
      });
  const bool has_base = begun.base.has_value();
  if (!has_base) MustFail("reading a chunk of another", read.status());
}

void HostileAgent::ReuseKey(const storage::BeginOptions& options) {
  std::vector<DeviceId> others;
  ground_.catalog.tables().device.ForEachCommitted(
      [&](const DeviceId& id, const storage::DeviceRecord&) {
        if (id != options.device) others.push_back(id);
      });
  if (others.empty()) return;
  storage::BeginOptions reused = options;
  reused.device = ground_.dice.Pick(others);
  MustFail("one key for two devices", Do("reuse", [reused](storage::Repository& repository) {
                                        return repository.Begin({}, reused).status();
                                      }).status());
}

}  // namespace mooring::testing
