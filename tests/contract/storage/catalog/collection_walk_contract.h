// Random walks through the states of chunks and packs, each step a catalog call,
// against the rows that tests/model would have after it.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "storage/catalog/collection_store.h"
#include "tests/contract/storage/catalog/catalog_contract.h"

namespace mooring::storage {

class CollectionWalkContract : public CatalogContract {
 protected:
  static constexpr int kChunks = 4;
  static constexpr int kSteps = 50;

  struct Row {
    ChunkState state = ChunkState::kLive;
    PackId pack;
    std::uint64_t no = 0;
  };

  void Walk(std::uint64_t seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    SeededRandom dice(seed);
    domain_ = NewId<DomainId>();
    anna_ = AddPerson(fmt::format("anna-{}", seed));
    Must(In([&](Transaction& tx) { return tx.chunks().CreateDomain({domain_, anna_}); }));
    rows_.clear();
    packs_.clear();
    numbers_.clear();
    ids_.clear();
    for (int i = 0; i < kChunks; ++i) ids_.push_back(NewId<ChunkId>());
    for (int i = 0; i < kSteps && !HasFailure(); ++i) {
      const std::string step = TakeStep(dice);
      SCOPED_TRACE(fmt::format("step {}: {}", i, step));
      Compare();
    }
  }

 private:
  static std::uint64_t Roll(SeededRandom& dice, std::uint64_t sides) {
    Bytes byte(1);
    dice.Fill(byte);
    return static_cast<std::uint64_t>(byte[0]) % sides;
  }
  std::vector<ChunkId> Pick(SeededRandom& dice) {
    std::vector<ChunkId> picked;
    for (const ChunkId& id : ids_) {
      if (Roll(dice, 2) == 0) picked.push_back(id);
    }
    return picked;
  }
  // Their numbers, of rows that are gone too: those name nothing any more.
  std::vector<std::uint64_t> Numbers(const std::vector<ChunkId>& ids) const {
    std::vector<std::uint64_t> numbers;
    for (const ChunkId& id : ids) {
      const auto number = numbers_.find(id);
      if (number != numbers_.end()) numbers.push_back(number->second);
    }
    return numbers;
  }
  std::optional<PackId> AnyPack(SeededRandom& dice) const {
    if (packs_.empty()) return std::nullopt;
    auto at = packs_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(Roll(dice, packs_.size())));
    return at->first;
  }
  template <typename Allowed>
  std::uint64_t Move(const std::vector<ChunkId>& ids, Allowed allowed, ChunkState to) {
    std::uint64_t moved = 0;
    for (const ChunkId& id : ids) {
      const auto row = rows_.find(id);
      if (row == rows_.end() || !allowed(row->second)) continue;
      row->second.state = to;
      ++moved;
    }
    return moved;
  }

  std::string TakeStep(SeededRandom& dice) {
    const std::vector<ChunkId> ids = Pick(dice);
    const std::optional<PackId> pack = AnyPack(dice);
    switch (Roll(dice, 8)) {
      case 0:
        return Upload(ids);
      case 1:
        return Find(ids);
      case 2:
        return Condemn(ids);
      case 3:
        return Doom(ids);
      case 4:
        return DoomPacks();
      case 5:
        return pack ? Unlink(*pack) : "nothing";
      case 6:
        return pack ? Compact(*pack, ids) : "nothing";
      default:
        return pack ? Lose(*pack, ids) : "nothing";
    }
  }

  std::string Upload(const std::vector<ChunkId>& ids) {
    const PackId pack = NewId<PackId>();
    Must(In([&](Transaction& tx) { return tx.packs().Stage(pack, std::nullopt, now_); }));
    std::vector<NewChunk> chunks;
    for (const ChunkId& id : ids) chunks.push_back({domain_, id, 16 + chunks.size() * 100, 100});
    const InsertOutcome outcome = Must(In([&](Transaction& tx) -> absl::StatusOr<InsertOutcome> {
      MOORING_RETURN_IF_ERROR(tx.packs().MarkLive(pack, 1000, Blob(32)));
      return tx.chunks().Insert(pack, anna_, chunks);
    }));
    packs_[pack] = PackState::kLive;
    InsertOutcome expected;
    for (const ChunkId& id : ids) {
      const auto row = rows_.find(id);
      if (row == rows_.end()) {
        ++expected.inserted;
      } else if (row->second.state == ChunkState::kLive) {
        ++expected.kept;
        continue;
      } else {
        ++expected.taken_over;
      }
      const std::uint64_t no = row == rows_.end() ? 0 : row->second.no;
      rows_[id] = {.state = ChunkState::kLive, .pack = pack, .no = no};
    }
    EXPECT_EQ(outcome.inserted, expected.inserted);
    EXPECT_EQ(outcome.taken_over, expected.taken_over);
    EXPECT_EQ(outcome.kept, expected.kept);
    return "upload";
  }

  std::string Find(const std::vector<ChunkId>& ids) {
    const auto live =
        Must(In([&](Transaction& tx) { return tx.chunks().FindAndTouch(anna_, domain_, ids); }));
    Move(
        ids, [](const Row& row) { return row.state == ChunkState::kCondemned; }, ChunkState::kLive);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      const auto row = rows_.find(ids[i]);
      EXPECT_EQ(live[i].has_value(), row != rows_.end() && row->second.state == ChunkState::kLive);
    }
    return "find";
  }

  std::string Condemn(const std::vector<ChunkId>& ids) {
    const std::uint64_t condemned = Must(In([&](Transaction& tx) -> absl::StatusOr<std::uint64_t> {
      MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
      return tx.chunks().Condemn(Numbers(ids), 1, now_);
    }));
    EXPECT_EQ(condemned, Move(
                             ids, [](const Row& row) { return row.state == ChunkState::kLive; },
                             ChunkState::kCondemned));
    return "condemn";
  }

  std::string Doom(const std::vector<ChunkId>& ids) {
    const std::uint64_t doomed = Must(In([&](Transaction& tx) -> absl::StatusOr<std::uint64_t> {
      MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
      return tx.chunks().Doom(Numbers(ids));
    }));
    const auto may = [](const Row& row) {
      return row.state == ChunkState::kCondemned || row.state == ChunkState::kLost;
    };
    EXPECT_EQ(doomed, Move(ids, may, ChunkState::kDoomed));
    return "doom";
  }

  std::string DoomPacks() {
    std::size_t expected = 0;
    for (auto& [id, state] : packs_) {
      bool is_used = state != PackState::kLive;
      for (const auto& [chunk, row] : rows_) {
        is_used = is_used || (row.pack == id && row.state != ChunkState::kDoomed);
      }
      if (is_used) continue;
      state = PackState::kDoomed;
      ++expected;
    }
    const auto doomed = Must(In([&](Transaction& tx) -> absl::StatusOr<std::vector<PackRecord>> {
      MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
      std::vector<std::int64_t> numbers;
      for (const auto& [id, state] : packs_) {
        MOORING_ASSIGN_OR_RETURN(const auto pack, tx.packs().Get(id));
        if (pack) numbers.push_back(pack->no);
      }
      return tx.packs().DoomEmpty(numbers, 1, now_);
    }));
    EXPECT_EQ(doomed.size(), expected);
    return "doom packs";
  }

  std::string Unlink(const PackId& pack) {
    if (packs_[pack] != PackState::kDoomed) return "nothing";
    const DeletedRows rows = Must(In([&](Transaction& tx) -> absl::StatusOr<DeletedRows> {
      MOORING_ASSIGN_OR_RETURN(const DeletedRows deleted, tx.chunks().DeleteRowsOfPack(pack));
      MOORING_RETURN_IF_ERROR(tx.packs().Delete(pack));
      return deleted;
    }));
    const std::size_t gone = std::erase_if(rows_, [&](const auto& entry) {
      return entry.second.pack == pack && entry.second.state == ChunkState::kDoomed;
    });
    packs_.erase(pack);
    EXPECT_EQ(rows.deleted, gone);
    EXPECT_EQ(rows.left, 0u);
    return "unlink";
  }

  std::string Compact(const PackId& from, const std::vector<ChunkId>& ids) {
    if (packs_[from] != PackState::kLive) return "nothing";
    const PackId to = NewId<PackId>();
    Must(In([&](Transaction& tx) { return tx.packs().Stage(to, std::nullopt, now_); }));
    const std::uint64_t moved = Must(In([&](Transaction& tx) -> absl::StatusOr<std::uint64_t> {
      MOORING_RETURN_IF_ERROR(tx.LockRepositoryExclusive());
      MOORING_RETURN_IF_ERROR(tx.packs().MarkLive(to, 1000, Blob(32)));
      std::vector<MovedChunk> moves;
      for (const std::uint64_t no : Numbers(ids)) moves.push_back({no, 16 + moves.size() * 100});
      return tx.chunks().Repoint(from, to, moves);
    }));
    packs_[to] = PackState::kLive;
    std::uint64_t expected = 0;
    for (const ChunkId& id : ids) {
      const auto row = rows_.find(id);
      if (row == rows_.end() || row->second.pack != from) continue;
      if (row->second.state > ChunkState::kCondemned) continue;
      row->second.pack = to;
      ++expected;
    }
    EXPECT_EQ(moved, expected);
    return "compact";
  }

  std::string Lose(const PackId& pack, const std::vector<ChunkId>& ids) {
    Must(In([&](Transaction& tx) { return tx.chunks().MarkLost(pack, Numbers(ids)); }));
    Move(
        ids,
        [&](const Row& row) { return row.pack == pack && row.state <= ChunkState::kCondemned; },
        ChunkState::kLost);
    return "lose";
  }

  void Compare() {
    const auto located =
        Must(In([&](Transaction& tx) { return tx.chunks().Locate(std::vector{domain_}, ids_); }));
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      const auto row = rows_.find(ids_[i]);
      ASSERT_EQ(located[i].has_value(), row != rows_.end()) << "chunk " << i;
      if (!located[i]) continue;
      EXPECT_EQ(located[i]->state, row->second.state) << "chunk " << i;
      EXPECT_EQ(located[i]->pack, row->second.pack) << "chunk " << i;
      // A number stays with its row, and is never given again.
      if (row->second.no == 0) {
        EXPECT_GT(located[i]->no, greatest_);
        row->second.no = located[i]->no;
        numbers_[ids_[i]] = located[i]->no;
      }
      EXPECT_EQ(located[i]->no, row->second.no) << "chunk " << i;
    }
    for (const auto& [id, number] : numbers_) greatest_ = std::max(greatest_, number);
    for (const auto& [id, state] : packs_) {
      const auto pack = Must(In([&](Transaction& tx) { return tx.packs().Get(id); }));
      ASSERT_TRUE(pack.has_value());
      EXPECT_EQ(pack->state, state);
    }
  }

  PersonId anna_;
  DomainId domain_;
  std::vector<ChunkId> ids_;
  std::map<ChunkId, Row> rows_;
  std::map<ChunkId, std::uint64_t> numbers_;
  std::map<PackId, PackState> packs_;
  std::uint64_t greatest_ = 0;
};

TEST_P(CollectionWalkContract, EveryCallMovesRowsAsTheModelDoes) {
  for (std::uint64_t seed = 1; seed <= 20 && !HasFailure(); ++seed) Walk(seed);
}

}  // namespace mooring::storage
