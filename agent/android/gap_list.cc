#include "agent/android/gap_list.h"

#include <memory>
#include <optional>

#include "agent/android/record_file.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Beyond what a phone's own paths have.
constexpr std::size_t kPathShownMax = 1200;

std::string ReasonName(v1::GapReason reason) {
  constexpr std::string_view kPrefix = "GAP_REASON_";
  std::string name = v1::GapReason_Name(reason).substr(kPrefix.size());
  for (char& c : name) c = c == '_' ? '-' : static_cast<char>(c | 0x20);
  return name;
}

}  // namespace

void GapList::Add(std::string_view path, v1::GapReason reason) {
  path = path.substr(0, kPathShownMax);
  if (named_.count(path) > 0) return;
  if (named_.size() < kNamedMax) named_.emplace(path, reason);
  ++counts_[reason];
  ++total_;
}

void GapList::Remove(std::string_view path) {
  const auto it = named_.find(path.substr(0, kPathShownMax));
  if (it == named_.end()) return;
  --counts_[it->second];
  --total_;
  named_.erase(it);
}

absl::Status GapList::Store(const OpContext& ctx, SnapshotBuilder& builder) const {
  if (named_.empty()) return builder.Remove(kGapsPath);
  MOORING_ASSIGN_OR_RETURN(
      const std::unique_ptr<FileWriter> writer,
      builder.Put(ctx, kGapsPath,
                  FileFacts{.modified_unix_ns = 0, .mode = 0600, .will_be_read = false}));
  RecordWriter list("mooring.gaps/1", [&](ByteView bytes) { return writer->Write(bytes); });
  for (const auto& [path, reason] : named_) {
    std::optional<std::string> exact;
    const std::string valid = ToValidUtf8(path);
    // The name's own bytes, where JSON cannot hold them.
    if (valid != path) exact = ToHex(AsBytes(path));
    MOORING_RETURN_IF_ERROR(
        list.Add({"path", "reason", "path_hex"}, {valid, ReasonName(reason), exact}));
  }
  MOORING_RETURN_IF_ERROR(list.Finish());
  return writer->Close();
}

void GapList::Describe(v1::Capture& capture) const {
  for (const auto& [reason, count] : counts_) {
    if (count == 0) continue;
    v1::GapCount& gap = *capture.add_gaps();
    gap.set_reason(reason);
    gap.set_count(count);
  }
  capture.set_result(empty() ? v1::CAPTURE_RESULT_COMPLETE : v1::CAPTURE_RESULT_COMPLETE_WITH_GAPS);
}

}  // namespace mooring::agent
