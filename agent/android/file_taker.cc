#include "agent/android/file_taker.h"

#include <utility>

#include "storage/base/check.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

// Where the base's copy waits; never in a snapshot that is committed.
constexpr const char* kAside = "aside";

}  // namespace

FileTaker::~FileTaker() {
  if (writer_ == nullptr) return;
  writer_.reset();
  // Neither fails on a tree that held the file a moment ago; if one did, the
  // file would be missing and its gap is recorded by whoever gave it up.
  if (has_aside_) builder_.Rename(kAside, path_).IgnoreError();
}

absl::Status FileTaker::Begin(const OpContext& ctx, const FileFacts& facts) {
  MOORING_CHECK(writer_ == nullptr);
  const auto known = builder_.Find(path_);
  if (known && known->type == storage::EntryType::kFile) {
    MOORING_RETURN_IF_ERROR(builder_.Copy(path_, kAside));
    has_aside_ = true;
  }
  absl::StatusOr<std::unique_ptr<FileWriter>> writer = builder_.Put(ctx, path_, facts, domain_);
  if (!writer.ok()) {
    if (has_aside_) MOORING_RETURN_IF_ERROR(builder_.Rename(kAside, path_));
    has_aside_ = false;
    return writer.status();
  }
  writer_ = *std::move(writer);
  return absl::OkStatus();
}

absl::Status FileTaker::Write(ByteView bytes) {
  bytes_ += bytes.size();
  hash_.Update(bytes);
  return writer_->Write(bytes);
}

absl::Status FileTaker::Close() {
  MOORING_RETURN_IF_ERROR(writer_->Close());
  writer_.reset();
  sha256_ = hash_.Finish();
  return has_aside_ ? builder_.Remove(kAside) : absl::OkStatus();
}

}  // namespace mooring::agent
