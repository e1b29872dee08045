// Sessions, packs, chunks, snapshots and key slots.

#pragma once

#include <thread>

#include "storage/catalog/key_store.h"
#include "storage/seal/key_ring.h"
#include "tests/contract/storage/catalog/catalog_contract.h"

namespace mooring::storage {

class RepositoryContract : public CatalogContract {
 protected:
  void SetUp() override {
    CatalogContract::SetUp();
    if (HasFatalFailure()) return;
    anna_ = AddPerson("anna");
    bert_ = AddPerson("bert");
    agent_ = AddAgent("desk");
    phone_ = AddDevice("S1", agent_);
    Assign(phone_, anna_);
    annas_ = AddDomain(anna_);
    berts_ = AddDomain(bert_);
    shared_ = AddDomain(std::nullopt);
  }

  DomainId AddDomain(const std::optional<PersonId>& person) {
    const DomainId id = NewId<DomainId>();
    Must(In([&](Transaction& tx) { return tx.chunks().CreateDomain({id, person}); }));
    return id;
  }
  SessionRecord NewAnnas(std::uint64_t sequence = 1) {
    return NewSession(phone_, anna_, agent_, sequence);
  }
  std::optional<SessionRecord> GetSession(const SessionId& id) {
    return Must(In([&](Transaction& tx) { return tx.sessions().Get(id); }));
  }

  std::vector<ChunkId> NewIds(int count) {
    std::vector<ChunkId> ids;
    for (int i = 0; i < count; ++i) ids.push_back(NewId<ChunkId>());
    return ids;
  }
  // Puts chunks of 100 bytes each into a new, live pack.
  InsertOutcome Put(const PersonId& person, const DomainId& domain, const std::vector<ChunkId>& ids,
                    PackId* made = nullptr) {
    const PackId pack = NewId<PackId>();
    if (made != nullptr) *made = pack;
    Must(In([&](Transaction& tx) { return tx.packs().Stage(pack, std::nullopt, now_); }));
    std::vector<NewChunk> chunks;
    for (const ChunkId& id : ids) chunks.push_back({domain, id, 16 + chunks.size() * 100, 100});
    return Must(In([&](Transaction& tx) -> absl::StatusOr<InsertOutcome> {
      MOORING_ASSIGN_OR_RETURN(const InsertOutcome outcome,
                               tx.chunks().Insert(pack, person, chunks));
      MOORING_RETURN_IF_ERROR(tx.packs().MarkLive(pack, 1000, Blob(32)));
      return outcome;
    }));
  }
  std::vector<bool> Has(const PersonId& person, const DomainId& domain,
                        const std::vector<ChunkId>& ids) {
    std::vector<bool> present;
    const auto live =
        Must(In([&](Transaction& tx) { return tx.chunks().FindLive(person, domain, ids); }));
    for (const auto& chunk : live) present.push_back(chunk.has_value());
    return present;
  }
  std::vector<std::optional<ChunkLocation>> Locate(const std::vector<DomainId>& domains,
                                                   const std::vector<ChunkId>& ids) {
    return Must(In([&](Transaction& tx) { return tx.chunks().Locate(domains, ids); }));
  }
  void MarkLost(const DomainId& domain, const ChunkId& id) {
    const ChunkLocation chunk = *Locate({domain}, {id})[0];
    const std::vector<std::uint64_t> numbers = {chunk.no};
    Must(In([&](Transaction& tx) { return tx.chunks().MarkLost(chunk.pack, numbers); }));
  }

  PersonId anna_, bert_;
  AgentId agent_;
  DeviceId phone_;
  DomainId annas_, berts_, shared_;
};

using Present = std::vector<bool>;

TEST_P(RepositoryContract, ASessionReadsBackAsItWasOpened) {
  SessionRecord session = NewAnnas(7);
  session.base = NewId<SnapshotId>();
  Open(session);
  const auto read = GetSession(session.id);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->idempotency_key, session.idempotency_key);
  EXPECT_EQ(read->device, phone_);
  EXPECT_EQ(read->person, anna_);
  EXPECT_EQ(read->agent, agent_);
  EXPECT_EQ(read->snapshot, session.snapshot);
  EXPECT_EQ(read->sequence, 7u);
  EXPECT_EQ(read->base, session.base);
  EXPECT_EQ(read->state, v1::SESSION_STATE_OPEN);
  EXPECT_EQ(read->captures, session.captures);
  EXPECT_EQ(read->wrapped_snapshot_key, session.wrapped_snapshot_key);
  EXPECT_EQ(read->started_at, now_);
  EXPECT_EQ(read->lease_until, session.lease_until);
  EXPECT_FALSE(read->ended_at.has_value());
  EXPECT_FALSE(read->receipt.has_value());
}

TEST_P(RepositoryContract, ADeviceHasOneOpenSessionAndAKeyOneSession) {
  const SessionRecord first = NewAnnas();
  Open(first);
  EXPECT_EQ(In([&](Transaction& tx) { return tx.sessions().Create(first); }).code(),
            absl::StatusCode::kAlreadyExists);
  const SessionRecord second = NewAnnas(2);
  EXPECT_EQ(In([&](Transaction& tx) { return tx.sessions().Create(second); }).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Must(In([&](Transaction& tx) { return tx.sessions().FindOpenOfDevice(phone_); }))->id,
            first.id);
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.sessions().CountOpen(); })), 1u);
  Abort(first.id);
  Open(second);
  EXPECT_EQ(Must(In([&](Transaction& tx) {
              return tx.sessions().FindByIdempotencyKey(first.idempotency_key);
            }))->state,
            v1::SESSION_STATE_ABORTED);
}

TEST_P(RepositoryContract, TouchingExtendsTheLeaseAndKeepsProgress) {
  const SessionRecord session = NewAnnas();
  Open(session);
  v1::Progress progress;
  progress.set_phase(v1::PHASE_CAPTURING);
  progress.set_bytes_read(5000);
  const absl::Time later = now_ + absl::Minutes(10);
  Must(In([&](Transaction& tx) { return tx.sessions().Touch(session.id, later, &progress); }));
  Must(In([&](Transaction& tx) { return tx.sessions().Touch(session.id, now_, nullptr); }));
  Must(In([&](Transaction& tx) { return tx.sessions().AddNewBytes(session.id, 300); }));
  Must(In([&](Transaction& tx) { return tx.sessions().AddNewBytes(session.id, 400); }));
  const auto read = GetSession(session.id);
  EXPECT_EQ(read->lease_until, later);
  EXPECT_EQ(read->progress->phase(), v1::PHASE_CAPTURING);
  EXPECT_EQ(read->read_bytes, 5000u);
  EXPECT_EQ(read->new_bytes, 700u);
}

TEST_P(RepositoryContract, AnEndedSessionStaysAsItIs) {
  const SessionRecord session = NewAnnas();
  Open(session);
  v1::Receipt receipt;
  receipt.set_stored_bytes(99);
  const Bytes key = Blob(16);
  Must(In(
      [&](Transaction& tx) { return tx.sessions().Commit(session.id, key, receipt, 10, now_); }));
  const auto read = GetSession(session.id);
  EXPECT_EQ(read->state, v1::SESSION_STATE_COMMITTED);
  EXPECT_EQ(read->commit_key, key);
  EXPECT_EQ(read->receipt->stored_bytes(), 99u);
  EXPECT_EQ(read->ended_at, now_);
  const auto code = [](const absl::Status& status) { return status.code(); };
  EXPECT_EQ(code(In([&](Transaction& tx) {
              return tx.sessions().Commit(session.id, key, receipt, 10, now_);
            })),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code(In([&](Transaction& tx) {
              return tx.sessions().End(session.id, v1::SESSION_STATE_ABORTED, v1::CAUSE_CANCELLED,
                                       "", now_);
            })),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(
      code(In([&](Transaction& tx) { return tx.sessions().Touch(session.id, now_, nullptr); })),
      absl::StatusCode::kFailedPrecondition);
}

TEST_P(RepositoryContract, LeasesThatAreOverExpire) {
  const SessionRecord session = NewAnnas();
  Open(session);
  const auto expire = [&](absl::Time at) {
    return Must(In([&](Transaction& tx) {
      return tx.sessions().ExpireLeases(at, v1::CAUSE_AGENT_STOPPED, "no word from the agent");
    }));
  };
  EXPECT_TRUE(expire(session.lease_until - absl::Seconds(1)).empty());
  const auto expired = expire(session.lease_until);
  ASSERT_EQ(expired.size(), 1u);
  EXPECT_EQ(expired[0].id, session.id);
  EXPECT_EQ(expired[0].state, v1::SESSION_STATE_EXPIRED);
  EXPECT_EQ(GetSession(session.id)->cause, v1::CAUSE_AGENT_STOPPED);
  EXPECT_TRUE(expire(session.lease_until).empty());
}

TEST_P(RepositoryContract, SessionsAreListedNewestFirstWithNames) {
  SessionRecord first = NewAnnas();
  Open(first);
  Abort(first.id);
  SessionRecord second = NewAnnas(2);
  second.started_at = now_ + absl::Minutes(1);
  Open(second);
  const auto list = [&](const SessionFilter& filter) {
    return Must(In([&](Transaction& tx) { return tx.sessions().List(filter); }));
  };
  const auto all = list({});
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].session.id, second.id);
  EXPECT_EQ(all[0].serial, "S1");
  EXPECT_EQ(all[0].agent_hostname, "desk");
  SessionFilter filter;
  filter.limit = 1;
  EXPECT_EQ(list(filter).size(), 1u);
  filter.limit = 10;
  filter.state = v1::SESSION_STATE_ABORTED;
  ASSERT_EQ(list(filter).size(), 1u);
  EXPECT_EQ(list(filter)[0].session.id, first.id);
  filter.device = NewId<DeviceId>();
  EXPECT_TRUE(list(filter).empty());
}

TEST_P(RepositoryContract, PacksGoFromStagedToLive) {
  const PackId pack = NewId<PackId>();
  const SessionId session = NewId<SessionId>();
  const std::int64_t no =
      Must(In([&](Transaction& tx) { return tx.packs().Stage(pack, session, now_); }));
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.packs().List(PackState::kStaged); })).size(),
            1u);
  const Bytes hash = Blob(32);
  Must(In([&](Transaction& tx) { return tx.packs().MarkLive(pack, 4096, hash); }));
  EXPECT_EQ(In([&](Transaction& tx) { return tx.packs().MarkLive(pack, 4096, hash); }).code(),
            absl::StatusCode::kFailedPrecondition);
  Must(In([&](Transaction& tx) { return tx.packs().Discard(pack); }));  // Staged ones only.
  const auto read = Must(In([&](Transaction& tx) { return tx.packs().Get(pack); }));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->no, no);
  EXPECT_EQ(read->session, session);
  EXPECT_EQ(read->state, PackState::kLive);
  EXPECT_EQ(read->bytes, 4096u);
  EXPECT_EQ(read->sha256, hash);
  const StoreTotals totals = Must(In([](Transaction& tx) { return tx.packs().Totals(); }));
  EXPECT_EQ(totals.packs, 1u);
  EXPECT_EQ(totals.bytes, 4096u);
}

TEST_P(RepositoryContract, APersonsChunksExistForEveryLaterSessionOfTheirs) {
  // Uploaded by a session that was then aborted.
  const SessionRecord session = NewAnnas();
  Open(session);
  const std::vector<ChunkId> ids = NewIds(2);
  Put(anna_, annas_, ids);
  Abort(session.id);
  const ChunkId never = NewId<ChunkId>();
  EXPECT_EQ(Has(anna_, annas_, {ids[1], never, ids[0]}), (Present{true, false, true}));
}

TEST_P(RepositoryContract, AForeignDomainAnswersNothing) {
  const std::vector<ChunkId> ids = NewIds(1);
  Put(anna_, annas_, ids);
  EXPECT_EQ(
      In([&](Transaction& tx) { return tx.chunks().FindLive(bert_, annas_, ids); }).status().code(),
      absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Has(bert_, berts_, ids), Present{false});
  EXPECT_EQ(In([&](Transaction& tx) { return tx.chunks().FindLive(anna_, NewId<DomainId>(), ids); })
                .status()
                .code(),
            absl::StatusCode::kNotFound);
}

TEST_P(RepositoryContract, OrganizationChunksExistOnlyForThoseWhoUploadedThem) {
  const std::vector<ChunkId> ids = NewIds(2);
  Put(anna_, shared_, {ids[0]});
  EXPECT_EQ(Has(anna_, shared_, ids), (Present{true, false}));
  EXPECT_EQ(Has(bert_, shared_, ids), (Present{false, false}));

  // Bert uploads the same bytes: the copy stays, and he owns it too.
  const InsertOutcome outcome = Put(bert_, shared_, {ids[0]});
  EXPECT_EQ(outcome.kept, 1u);
  EXPECT_EQ(outcome.new_bytes, 0u);
  EXPECT_EQ(Has(bert_, shared_, ids), (Present{true, false}));
}

TEST_P(RepositoryContract, AnOwnerCanBeAddedToWhatIsThere) {
  const std::vector<ChunkId> ids = NewIds(2);
  Put(anna_, shared_, {ids[0]});
  Must(In([&](Transaction& tx) { return tx.chunks().AddOwner(bert_, shared_, ids); }));
  EXPECT_EQ(Has(bert_, shared_, ids), (Present{true, false}));
}

TEST_P(RepositoryContract, ALostChunkDoesNotExistUntilItIsUploadedAgain) {
  const std::vector<ChunkId> ids = NewIds(2);
  Put(anna_, annas_, ids);
  const ChunkLocation before = *Locate({annas_}, {ids[0]})[0];
  MarkLost(annas_, ids[0]);
  EXPECT_EQ(Has(anna_, annas_, ids), (Present{false, true}));
  EXPECT_EQ(Locate({annas_}, {ids[0]})[0]->state, ChunkState::kLost);

  PackId pack;
  const InsertOutcome outcome = Put(anna_, annas_, ids, &pack);
  EXPECT_EQ(outcome.taken_over, 1u);
  EXPECT_EQ(outcome.kept, 1u);
  EXPECT_EQ(outcome.inserted, 0u);
  EXPECT_EQ(outcome.new_bytes, 100u);
  EXPECT_EQ(Has(anna_, annas_, ids), (Present{true, true}));
  const ChunkLocation after = *Locate({annas_}, {ids[0]})[0];
  EXPECT_EQ(after.no, before.no);  // Numbers are permanent.
  EXPECT_EQ(after.pack, pack);
  EXPECT_NE(after.pack, before.pack);
}

TEST_P(RepositoryContract, ALiveChunkKeepsItsOlderCopy) {
  const std::vector<ChunkId> ids = NewIds(1);
  PackId first;
  Put(anna_, annas_, ids, &first);
  Put(anna_, annas_, ids);
  EXPECT_EQ(Locate({annas_}, ids)[0]->pack, first);
}

TEST_P(RepositoryContract, TheSameIdInTwoDomainsIsTwoChunks) {
  const std::vector<ChunkId> ids = NewIds(1);
  Put(anna_, annas_, ids);
  EXPECT_EQ(Put(bert_, berts_, ids).inserted, 1u);
  EXPECT_EQ(Locate({annas_, shared_}, ids)[0]->domain, annas_);
  EXPECT_EQ(Locate({berts_, annas_}, ids)[0]->domain, berts_);
  EXPECT_FALSE(Locate({shared_}, ids)[0].has_value());
}

TEST_P(RepositoryContract, NoChunksEnterAForeignDomainOrAnUnknownPack) {
  const std::vector<NewChunk> chunks = {{annas_, NewId<ChunkId>(), 16, 100}};
  const PackId pack = NewId<PackId>();
  EXPECT_EQ(
      In([&](Transaction& tx) { return tx.chunks().Insert(pack, anna_, chunks); }).status().code(),
      absl::StatusCode::kNotFound);
  Must(In([&](Transaction& tx) { return tx.packs().Stage(pack, std::nullopt, now_); }));
  EXPECT_EQ(
      In([&](Transaction& tx) { return tx.chunks().Insert(pack, bert_, chunks); }).status().code(),
      absl::StatusCode::kPermissionDenied);
}

TEST_P(RepositoryContract, ThousandsOfChunksGoInAndComeBackInOrder) {
  constexpr int kCount = 9000;  // More than two batches.
  const std::vector<ChunkId> ids = NewIds(kCount);
  PackId pack;
  const InsertOutcome outcome = Put(anna_, annas_, ids, &pack);
  EXPECT_EQ(outcome.inserted, static_cast<std::uint64_t>(kCount));
  EXPECT_EQ(outcome.new_bytes, 100u * kCount);
  const auto live =
      Must(In([&](Transaction& tx) { return tx.chunks().FindLive(anna_, annas_, ids); }));
  ASSERT_EQ(live.size(), ids.size());
  std::vector<std::uint64_t> numbers;
  for (const auto& chunk : live) {
    ASSERT_TRUE(chunk.has_value());
    numbers.push_back(chunk->no);
  }
  const auto located = Locate({annas_}, ids);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(located[i]->id, ids[i]);
    ASSERT_EQ(located[i]->no, numbers[i]);
    ASSERT_EQ(located[i]->offset, 16 + i * 100);
    ASSERT_EQ(located[i]->pack, pack);
  }
  const auto by_number =
      Must(In([&](Transaction& tx) { return tx.chunks().LocateNumbers(numbers); }));
  ASSERT_EQ(by_number.size(), ids.size());
  for (std::size_t i = 1; i < by_number.size(); ++i) {
    ASSERT_LT(by_number[i - 1].no, by_number[i].no);
  }
  EXPECT_EQ(Must(In([&](Transaction& tx) { return tx.chunks().ReferencedBytes(numbers); })),
            100u * kCount);
  numbers = {~std::uint64_t{0}, 123456789};
  EXPECT_TRUE(
      Must(In([&](Transaction& tx) { return tx.chunks().LocateNumbers(numbers); })).empty());
}

TEST_P(RepositoryContract, TwoUploadsOfTheSameChunksAtOnceBothEnd) {
  std::vector<ChunkId> ids = NewIds(500);
  std::vector<ChunkId> reversed(ids.rbegin(), ids.rend());
  const PackId packs[] = {NewId<PackId>(), NewId<PackId>()};
  for (const PackId& pack : packs) {
    Must(In([&](Transaction& tx) { return tx.packs().Stage(pack, std::nullopt, now_); }));
  }
  const auto upload = [&](const PackId& pack, const std::vector<ChunkId>& order) {
    std::vector<NewChunk> chunks;
    for (const ChunkId& id : order) chunks.push_back({annas_, id, 16, 100});
    return In([&](Transaction& tx) { return tx.chunks().Insert(pack, anna_, chunks); });
  };
  absl::StatusOr<InsertOutcome> first, second;
  {
    std::jthread other([&] { first = upload(packs[0], ids); });
    second = upload(packs[1], reversed);
  }
  EXPECT_EQ(Must(first).inserted + Must(second).inserted, 500u);
  EXPECT_EQ(Must(first).kept + Must(second).kept, 500u);
}

TEST_P(RepositoryContract, APersonAndTheOrganizationHaveOneDomainEach) {
  const auto create = [&](const DomainRecord& record) {
    return In([&](Transaction& tx) { return tx.chunks().CreateDomain(record); });
  };
  EXPECT_TRUE(create({annas_, anna_}).ok());
  EXPECT_EQ(create({annas_, bert_}).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(create({NewId<DomainId>(), anna_}).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(create({NewId<DomainId>(), std::nullopt}).code(), absl::StatusCode::kAlreadyExists);
}

TEST_P(RepositoryContract, ASnapshotReadsBackAsItWasMade) {
  SnapshotRecord snapshot;
  const SessionRecord session = NewAnnas(4);
  Open(session);
  snapshot = NewSnapshot(session);
  snapshot.parent = NewId<SnapshotId>();
  snapshot.read_bytes = 11;
  snapshot.new_bytes = 12;
  snapshot.referenced_bytes = 13;
  snapshot.chunk_count = 14;
  const SnapshotContent content{Blob(300), Blob(5000), NewIds(3)};
  Must(In([&](Transaction& tx) { return tx.snapshots().Create(snapshot, content); }));
  EXPECT_EQ(In([&](Transaction& tx) { return tx.snapshots().Create(snapshot, content); }).code(),
            absl::StatusCode::kAlreadyExists);

  const auto view = Must(In([&](Transaction& tx) { return tx.snapshots().Get(snapshot.id); }));
  ASSERT_TRUE(view.has_value());
  EXPECT_EQ(view->serial, "S1");
  EXPECT_EQ(view->device_name, "Phone S1");
  EXPECT_EQ(view->person_handle, "anna");
  const SnapshotRecord& read = view->snapshot;
  EXPECT_EQ(read.session, session.id);
  EXPECT_EQ(read.parent, snapshot.parent);
  EXPECT_EQ(read.captured_at, snapshot.captured_at);
  EXPECT_EQ(read.read_bytes, 11u);
  EXPECT_EQ(read.new_bytes, 12u);
  EXPECT_EQ(read.referenced_bytes, 13u);
  EXPECT_EQ(read.chunk_count, 14u);
  EXPECT_EQ(read.root_hash, snapshot.root_hash);
  ASSERT_EQ(read.captures.size(), 1u);
  EXPECT_EQ(read.captures[0].file_count(), 3u);
  EXPECT_EQ(read.device_facts.model(), "iPhone15,2");
  const auto long_part =
      Must(In([&](Transaction& tx) { return tx.snapshots().GetContent(snapshot.id); }));
  EXPECT_EQ(long_part->root, content.root);
  EXPECT_EQ(long_part->refs, content.refs);
  EXPECT_EQ(long_part->base_ids, content.base_ids);
}

TEST_P(RepositoryContract, TheNewestSnapshotIsOfTheLineageAndNotDeleted) {
  const SnapshotRecord first = AddSnapshot(NewAnnas(1));
  const SnapshotRecord second = AddSnapshot(NewAnnas(2));
  const auto newest = [&](std::uint32_t lineage) {
    return Must(In([&](Transaction& tx) { return tx.snapshots().FindNewest(phone_, lineage); }));
  };
  EXPECT_EQ(newest(1)->id, second.id);
  EXPECT_FALSE(newest(2).has_value());
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(second.id, now_); }));
  EXPECT_EQ(newest(1)->id, first.id);

  SnapshotFilter filter;
  filter.device = phone_;
  const auto list = [&] {
    return Must(In([&](Transaction& tx) { return tx.snapshots().List(filter); }));
  };
  EXPECT_EQ(list().size(), 1u);
  filter.with_deleted = true;
  EXPECT_EQ(list().size(), 2u);
  filter.lineage = 2;
  EXPECT_TRUE(list().empty());
  const SnapshotTotals totals = Must(In([](Transaction& tx) { return tx.snapshots().Totals(); }));
  EXPECT_EQ(totals.count, 1u);
  EXPECT_EQ(totals.logical_bytes, 1000u);
}

TEST_P(RepositoryContract, ASnapshotIsDeletedOnceAndCanBeVerified) {
  const SnapshotRecord snapshot = AddSnapshot(NewAnnas());
  Must(In([&](Transaction& tx) { return tx.snapshots().MarkVerified(snapshot.id, 2, now_); }));
  const auto read = Must(In([&](Transaction& tx) { return tx.snapshots().Get(snapshot.id); }));
  EXPECT_EQ(read->snapshot.verified_at, now_);
  EXPECT_EQ(read->snapshot.damaged_chunks, 2u);
  const auto remove = [&](const SnapshotId& id) {
    return In([&](Transaction& tx) { return tx.snapshots().MarkDeleted(id, now_); }).code();
  };
  EXPECT_EQ(remove(snapshot.id), absl::StatusCode::kOk);
  EXPECT_EQ(remove(snapshot.id), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(remove(NewId<SnapshotId>()), absl::StatusCode::kNotFound);
}

TEST_P(RepositoryContract, AKeySlotIsTakenOnceAndGoneOnceDeleted) {
  KeySlot slot{KeyPurpose::kPersonKey, ToBytes(anna_.bytes()), Blob(72), now_};
  Must(In([&](Transaction& tx) { return tx.keys().Create(slot); }));
  KeySlot rival = slot;
  rival.wrapped = Blob(72);
  Must(In([&](Transaction& tx) -> absl::Status {
    EXPECT_EQ(tx.keys().Create(rival).code(), absl::StatusCode::kAlreadyExists);
    // The loser reads the key that won, in the same transaction.
    EXPECT_EQ(Must(tx.keys().Get(KeyPurpose::kPersonKey, slot.subject))->wrapped, slot.wrapped);
    return absl::OkStatus();
  }));
  const auto get = [&](KeyPurpose purpose) {
    return Must(In([&](Transaction& tx) { return tx.keys().Get(purpose, slot.subject); }));
  };
  EXPECT_FALSE(get(KeyPurpose::kSnapshotKey).has_value());
  EXPECT_EQ(Must(In([](Transaction& tx) { return tx.keys().List(KeyPurpose::kPersonKey); })).size(),
            1u);
  Must(In([&](Transaction& tx) { return tx.keys().Delete(slot.purpose, slot.subject); }));
  EXPECT_FALSE(get(KeyPurpose::kPersonKey).has_value());
}

}  // namespace mooring::storage
