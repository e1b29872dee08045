#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "storage/base/status.h"
#include "tests/sim/memory_catalog/memory_stores.h"

namespace mooring::testing {
namespace {

using storage::DrillRecord;
using storage::DrillView;

class MemoryDrillStore final : public storage::DrillStore {
 public:
  MemoryDrillStore(MemoryTx& tx, Tables& t) : tx_(tx), t_(t) {}

  absl::Status Add(const DrillRecord& record) override {
    MOORING_STATEMENT(tx_);
    MOORING_RETURN_IF_ERROR(tx_.CheckTexts({record.requested_by, record.message}));
    return t_.drill.Insert(tx_, record.id, record).status();
  }

  absl::StatusOr<std::vector<DrillView>> List(const std::optional<DeviceId>& device,
                                              int limit) override {
    MOORING_STATEMENT(tx_);
    std::vector<DrillView> views;
    for (const DrillRecord& drill : Rows(tx_, t_.drill, [&](const DrillRecord& row) {
           return !device || row.device == *device;
         })) {
      const storage::DeviceRecord* const known = t_.device.Get(tx_, drill.device);
      views.push_back({drill, known == nullptr ? std::string() : known->serial});
    }
    std::sort(views.begin(), views.end(), [](const DrillView& a, const DrillView& b) {
      return std::tie(b.drill.started_at, a.drill.id) < std::tie(a.drill.started_at, b.drill.id);
    });
    if (static_cast<int>(views.size()) > limit) views.resize(static_cast<std::size_t>(limit));
    return views;
  }

  absl::StatusOr<std::vector<SnapshotId>> Candidates(const std::optional<DeviceId>& device,
                                                     int limit) override {
    MOORING_STATEMENT(tx_);
    std::map<SnapshotId, absl::Time> last;
    t_.drill.ForEach(tx_, [&](const storage::DrillId&, const DrillRecord& row) {
      const auto at = last.emplace(row.snapshot, row.started_at).first;
      at->second = std::max(at->second, row.started_at);
      return true;
    });
    std::vector<std::pair<absl::Time, SnapshotId>> sorted;
    t_.snapshot.ForEach(tx_, [&](const SnapshotId& id, const SnapshotRow& row) {
      if (row.record.deleted_at || (device && row.record.device != *device)) return true;
      const auto at = last.find(id);
      sorted.emplace_back(at == last.end() ? absl::InfinitePast() : at->second, id);
      return true;
    });
    std::sort(sorted.begin(), sorted.end());
    std::vector<SnapshotId> ids;
    for (const auto& [at, id] : sorted) {
      if (static_cast<int>(ids.size()) >= limit) break;
      ids.push_back(id);
    }
    return ids;
  }

 private:
  MemoryTx& tx_;
  Tables& t_;
};

}  // namespace

std::unique_ptr<storage::DrillStore> MakeMemoryDrillStore(MemoryTx& tx, Tables& t) {
  return std::make_unique<MemoryDrillStore>(tx, t);
}

}  // namespace mooring::testing
