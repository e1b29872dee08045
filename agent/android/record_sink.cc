#include "agent/android/record_sink.h"

#include "storage/base/status.h"
#include "storage/seal/digest.h"

namespace mooring::agent {
namespace {

// A file below it goes into a bundle, which is sent again with whatever is new.
constexpr std::size_t kHeadBytesMax = 256 << 10;

}  // namespace

absl::Status RecordSink::Pass(ByteView bytes) {
  if (!taker_.has_begun()) {
    FileFacts facts;
    facts.mode = 0600;
    fault_ = taker_.Begin(ctx_, facts);
    MOORING_RETURN_IF_ERROR(fault_);
  }
  fault_ = taker_.Write(bytes);
  return fault_;
}

absl::Status RecordSink::Write(ByteView bytes) {
  if (taker_.has_begun()) return Pass(bytes);
  Append(head_, bytes);
  if (head_.size() <= kHeadBytesMax) return absl::OkStatus();
  const absl::Status passed = Pass(head_);
  Bytes().swap(head_);
  return passed;
}

absl::Status RecordSink::Finish() {
  if (!taker_.has_begun()) {
    const std::optional<FileMark> mark = index_.Find(ctx_, path_);
    const auto known = builder_.Find(path_);
    if (mark && known && known->size_bytes == head_.size() &&
        mark->sha256 == storage::Sha256(head_)) {
      return absl::OkStatus();
    }
    MOORING_RETURN_IF_ERROR(Pass(head_));
  }
  fault_ = taker_.Close();
  MOORING_RETURN_IF_ERROR(fault_);
  index_.Put(ctx_, path_, {0, taker_.sha256()});
  return absl::OkStatus();
}

}  // namespace mooring::agent
