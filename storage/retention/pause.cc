#include "storage/retention/pause.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <set>

#include <absl/strings/str_join.h>
#include <fmt/format.h>

#include "storage/retention/facts.h"

namespace mooring::storage {
namespace {

constexpr std::size_t kNormalWindow = 5;
constexpr std::uint32_t kNormalToEnd = 3;
constexpr std::size_t kLostNamedMax = 5;

std::uint64_t Median(std::vector<std::uint64_t> values) {
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

// The captures of one kind of one lineage, in order.
class CaptureWatch {
 public:
  CaptureWatch(v1::CaptureKind kind, const PauseMemory& memory) : kind_(kind), memory_(memory) {}

  void Add(const v1::SnapshotFacts& snapshot, const v1::CaptureFacts& capture) {
    const auto [cause, detail] = Judge(snapshot, capture);
    const bool is_normal = cause == v1::PAUSE_CAUSE_UNSPECIFIED;
    if (!is_normal && snapshot.sequence() > memory_.accepted) {
      if (snapshot.sequence() <= memory_.settled) return;
      if (!pause_) Begin(snapshot, cause, detail);
      pause_->set_normal_since(0);
      return;
    }
    // What a person accepted is what the next ones are held against.
    if (!is_normal) normal_.clear();
    if (normal_.size() == kNormalWindow) normal_.pop_front();
    normal_.push_back(&capture);
    if (!snapshot.available().empty()) available_ = &snapshot;
    if (!pause_) return;
    pause_->set_normal_since(pause_->normal_since() + 1);
    if (pause_->normal_since() == kNormalToEnd) pause_.reset();
  }

  const std::optional<v1::PruningPause>& pause() const { return pause_; }

 private:
  std::pair<v1::PauseCause, std::string> Judge(const v1::SnapshotFacts& snapshot,
                                               const v1::CaptureFacts& capture) const {
    if (normal_.empty()) return {v1::PAUSE_CAUSE_UNSPECIFIED, ""};
    std::vector<std::uint64_t> files;
    std::vector<std::uint64_t> bytes;
    for (const v1::CaptureFacts* one : normal_) {
      files.push_back(one->file_count());
      bytes.push_back(one->logical_bytes());
    }
    const std::uint64_t usual_files = Median(std::move(files));
    const std::uint64_t usual_bytes = Median(std::move(bytes));
    // Half, rounded up, without a sum that could overflow.
    if (capture.file_count() < usual_files - usual_files / 2) {
      return {v1::PAUSE_CAUSE_SHRUNK,
              fmt::format("{} has {} files, where {} were usual", CaptureName(kind_),
                          capture.file_count(), usual_files)};
    }
    if (capture.logical_bytes() < usual_bytes - usual_bytes / 2) {
      return {v1::PAUSE_CAUSE_SHRUNK,
              fmt::format("{} has {} bytes, where {} were usual", CaptureName(kind_),
                          capture.logical_bytes(), usual_bytes)};
    }
    const std::vector<std::string> lost = Lost(snapshot);
    if (lost.empty()) return {v1::PAUSE_CAUSE_UNSPECIFIED, ""};
    return {v1::PAUSE_CAUSE_LOST_CATEGORIES,
            fmt::format("{} lost {}", CaptureName(kind_), absl::StrJoin(lost, ", "))};
  }

  // A phone that says nothing of what it lets be read has lost nothing by that.
  std::vector<std::string> Lost(const v1::SnapshotFacts& snapshot) const {
    std::vector<std::string> lost;
    if (available_ == nullptr || snapshot.available().empty()) return lost;
    const std::set<std::string> now(snapshot.available().begin(), snapshot.available().end());
    for (const std::string& name : available_->available()) {
      if (now.count(name) == 0 && lost.size() < kLostNamedMax) lost.push_back(name);
    }
    return lost;
  }

  void Begin(const v1::SnapshotFacts& snapshot, v1::PauseCause cause, const std::string& detail) {
    v1::PruningPause& pause = pause_.emplace();
    pause.set_device_id(snapshot.device_id());
    pause.set_lineage(snapshot.lineage());
    pause.set_cause(cause);
    pause.set_capture(kind_);
    pause.set_snapshot_id(snapshot.snapshot_id());
    *pause.mutable_since() = snapshot.created_at();
    pause.set_detail(detail);
  }

  const v1::CaptureKind kind_;
  const PauseMemory memory_;
  std::deque<const v1::CaptureFacts*> normal_;
  const v1::SnapshotFacts* available_ = nullptr;  // The last normal one that said it.
  std::optional<v1::PruningPause> pause_;
};

std::optional<v1::PruningPause> JudgeLineage(const std::vector<const v1::SnapshotFacts*>& lineage,
                                             const PauseMemory& memory) {
  std::map<int, CaptureWatch> watches;
  std::set<std::pair<int, std::string>> seen;
  for (const v1::SnapshotFacts* snapshot : lineage) {
    for (const v1::CaptureFacts& capture : snapshot->captures()) {
      if (!seen.emplace(capture.kind(), capture.session_id()).second) continue;
      watches.try_emplace(capture.kind(), capture.kind(), memory)
          .first->second.Add(*snapshot, capture);
    }
  }
  std::optional<v1::PruningPause> first;
  for (const auto& [kind, watch] : watches) {
    if (!watch.pause()) continue;
    if (!first || TimeOf(watch.pause()->since()) < TimeOf(first->since())) first = watch.pause();
  }
  return first;
}

}  // namespace

std::vector<v1::PruningPause> JudgePauses(
    const google::protobuf::RepeatedPtrField<v1::SnapshotFacts>& snapshots,
    const PauseMemories& memories) {
  std::map<std::uint32_t, std::vector<const v1::SnapshotFacts*>> lineages;
  for (const v1::SnapshotFacts& snapshot : snapshots) {
    lineages[snapshot.lineage()].push_back(&snapshot);
  }
  std::vector<v1::PruningPause> pauses;
  for (auto& [number, lineage] : lineages) {
    std::sort(lineage.begin(), lineage.end(),
              [](const auto* a, const auto* b) { return a->sequence() < b->sequence(); });
    const auto memory = memories.find(number);
    std::optional<v1::PruningPause> pause =
        JudgeLineage(lineage, memory == memories.end() ? PauseMemory() : memory->second);
    if (pause) pauses.push_back(*std::move(pause));
  }
  return pauses;
}

}  // namespace mooring::storage
