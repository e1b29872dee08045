#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::PackRecord;
using storage::PackState;

class MemoryPackStore final : public storage::PackStore {
 public:
  MemoryPackStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::StatusOr<std::int64_t> Stage(const PackId& id, const std::optional<SessionId>& session,
                                     absl::Time at) override {
    MOORING_STATEMENT(tx_);
    PackRecord row;
    row.no = t_.pack_no.Next();
    row.id = id;
    row.session = session;
    row.created_at = at;
    MOORING_ASSIGN_OR_RETURN(const bool is_new, t_.pack_id.Insert(tx_, id, row.no));
    if (!is_new) return tx_.Fail(Duplicate("pack"));
    MOORING_RETURN_IF_ERROR(t_.pack.Insert(tx_, row.no, row).status());
    return row.no;
  }

  absl::Status MarkLive(const PackId& id, std::uint64_t bytes, ByteView sha256) override {
    MOORING_STATEMENT(tx_);
    if (sha256.size() != 32) return tx_.Fail(Violates("pack.sha256 has 32 bytes"));
    MOORING_ASSIGN_OR_RETURN(const PackRecord* const row, LockRow(id));
    if (row == nullptr || row->state != PackState::kStaged) {
      return absl::FailedPreconditionError("the pack is not staged");
    }
    t_.pack.Update(tx_, row->no, [&](PackRecord& pack) {
      pack.state = PackState::kLive;
      pack.bytes = bytes;
      pack.sha256 = Owned(sha256);
    });
    return absl::OkStatus();
  }

  absl::Status Discard(const PackId& id) override {
    MOORING_STATEMENT(tx_);
    MOORING_ASSIGN_OR_RETURN(const PackRecord* const row, LockRow(id));
    if (row == nullptr || row->state != PackState::kStaged) return absl::OkStatus();
    return EraseRow(row->no, id);
  }

  absl::StatusOr<std::optional<PackRecord>> Get(const PackId& id) override {
    MOORING_STATEMENT(tx_);
    const std::int64_t* const no = t_.pack_id.Get(tx_, id);
    return Copy(no == nullptr ? nullptr : t_.pack.Get(tx_, *no));
  }

  absl::StatusOr<std::vector<PackRecord>> List(PackState state) override {
    MOORING_STATEMENT(tx_);
    return Rows(tx_, t_.pack, [state](const PackRecord& pack) { return pack.state == state; });
  }

  absl::StatusOr<storage::StoreTotals> Totals() override {
    MOORING_STATEMENT(tx_);
    storage::StoreTotals totals;
    t_.pack.ForEach(tx_, [&](std::int64_t, const PackRecord& pack) {
      if (pack.state != PackState::kLive) return true;
      ++totals.packs;
      totals.bytes += pack.bytes;
      return true;
    });
    return totals;
  }

 private:
  absl::StatusOr<const PackRecord*> LockRow(const PackId& id) {
    const std::int64_t* const no = t_.pack_id.Get(tx_, id);
    if (no == nullptr) return nullptr;
    return t_.pack.Lock(tx_, *no, storage::RowLock::kExclusive);
  }

  // By value: the row goes away.
  absl::Status EraseRow(std::int64_t no, PackId id) {
    bool is_referenced = false;
    t_.chunk.ForEach(tx_, [&](std::uint64_t, const ChunkRow& chunk) {
      is_referenced = is_referenced || chunk.pack_no == no;
      return !is_referenced;
    });
    if (is_referenced) return tx_.Fail(Violates("chunks refer to the pack"));
    MOORING_RETURN_IF_ERROR(t_.pack_id.Erase(tx_, id).status());
    return t_.pack.Erase(tx_, no).status();
  }

  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::PackStore> MakeMemoryPackStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryPackStore>(tx, t);
}

}  // namespace mooring::testing
