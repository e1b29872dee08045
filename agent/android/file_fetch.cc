#include "agent/android/file_fetch.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "agent/android/file_taker.h"
#include "agent/android/tar_reader.h"
#include "agent/device/cause.h"
#include "agent/device/socket_wait.h"
#include "storage/base/status.h"

namespace mooring::agent {
namespace {

constexpr std::uint64_t kBatchBytesMax = std::uint64_t{64} << 20;
constexpr std::size_t kBatchFilesMax = 2000;
// The list fits into a pipe, or nearly: tar reads all of it before it writes.
constexpr std::size_t kBatchNamesMax = 128 << 10;
// How far a file may grow beyond what was said of it before it is cut off.
constexpr std::uint64_t kGrowthBytesMax = std::uint64_t{64} << 20;
constexpr std::size_t kPieceBytes = 64 << 10;
constexpr int kStallsMax = 2;
constexpr std::int64_t kSecondNs = 1'000'000'000;

std::int64_t WholeSeconds(std::int64_t ns) {
  return ns / kSecondNs - (ns % kSecondNs < 0 ? 1 : 0);
}

// The snapshot's own failure inside work on the phone, so that the two are never
// taken for each other: a server that is gone is not a phone that was unplugged.
absl::Status TellApart(const absl::Status& phone, const absl::Status& snapshot) {
  return snapshot.ok() ? phone : snapshot;
}

absl::Status StopFor(const absl::Status& fault) {
  return fault.ok() ? absl::OkStatus() : absl::AbortedError("the snapshot cannot take it");
}

v1::GapReason ReasonOf(const absl::Status& status) {
  if (absl::IsNotFound(status)) return v1::GAP_REASON_VANISHED;
  if (absl::IsPermissionDenied(status)) return v1::GAP_REASON_REFUSED;
  return IsFileRefusal(status) ? v1::GAP_REASON_REFUSED : v1::GAP_REASON_FAILED;
}

}  // namespace

// The members of a tar stream that were asked for. Anything else in it is
// drained: a phone cannot put a file where none was wanted.
class FileFetch::Batch final : public TarSink {
 public:
  Batch(const OpContext& ctx, FileFetch& fetch, const std::vector<const WantedFile*>& files)
      : ctx_(ctx), fetch_(fetch) {
    for (const WantedFile* file : files) left_.emplace(file->path, file);
  }

  absl::Status BeginMember(const TarMember& member) override {
    std::string_view name = member.name;
    if (name.substr(0, 2) == "./") name.remove_prefix(2);
    const auto it = left_.find(name);
    file_ = nullptr;
    // One that grew large meanwhile is read alone.
    if (it == left_.end() || !member.is_file() || member.size_bytes > 16 * kLargeFileBytes) {
      return absl::OkStatus();
    }
    file_ = it->second;
    FileFacts facts;
    facts.mode = file_->mode;
    const bool as_listed = member.size_bytes == file_->size_bytes &&
                           member.modified_unix_s == WholeSeconds(file_->modified_unix_ns);
    facts.modified_unix_ns =
        as_listed ? file_->modified_unix_ns : member.modified_unix_s * kSecondNs;
    taker_.emplace(fetch_.parts_.builder, fetch_.SnapshotPath(*file_));
    const absl::Status begun = taker_->Begin(ctx_, facts);
    if (begun.ok()) return begun;
    taker_.reset();
    if (absl::IsInvalidArgument(begun)) {
      fetch_.parts_.gaps.Add(fetch_.SnapshotPath(*file_), v1::GAP_REASON_NOT_STORABLE);
      left_.erase(it);
      file_ = nullptr;
      return absl::OkStatus();
    }
    return Fault(begun);
  }

  absl::Status Content(ByteView bytes) override {
    const absl::Status counted = fetch_.Count(bytes.size());
    if (!counted.ok()) return Fault(counted);
    return taker_ ? Fault(taker_->Write(bytes)) : absl::OkStatus();
  }

  absl::Status EndMember() override {
    if (!taker_) return absl::OkStatus();
    const absl::Status closed = taker_->Close();
    if (!closed.ok()) return Fault(closed);
    fetch_.Finished(ctx_, *file_, {file_->inode, taker_->sha256()});
    taker_.reset();
    left_.erase(file_->path);
    return absl::OkStatus();
  }

  // The stream broke off: what was in flight is dropped.
  void BreakOff() { taker_.reset(); }

  std::string Names() const {
    std::string names;
    for (const auto& [path, file] : left_) {
      names += "./";
      names += path;
      names += '\n';
    }
    return names;
  }
  std::vector<const WantedFile*> Left() const {
    std::vector<const WantedFile*> files;
    for (const auto& [path, file] : left_) files.push_back(file);
    std::sort(files.begin(), files.end(),
              [](const WantedFile* a, const WantedFile* b) { return a->path < b->path; });
    return files;
  }
  bool done() const { return left_.empty(); }
  const absl::Status& fault() const { return fault_; }

 private:
  absl::Status Fault(const absl::Status& status) {
    if (!status.ok()) fault_ = status;
    return StopFor(fault_);
  }

  const OpContext& ctx_;
  FileFetch& fetch_;
  // Path order: neighbors go into one bundle.
  std::map<std::string_view, const WantedFile*> left_;
  const WantedFile* file_ = nullptr;
  std::optional<FileTaker> taker_;
  absl::Status fault_;
};

// A file that is read alone, through any number of breaks.
struct FileFetch::Alone {
  std::optional<FileTaker> taker;
  std::optional<AdbStat> stat;  // As it was when its first byte was read.
  int attempts = 0;
  bool finished = false;
  absl::Status fault;  // The snapshot's.
};

bool FileFetch::EndsFetch(const absl::Status& status) {
  if (absl::IsCancelled(status)) return true;
  if (!absl::IsDeadlineExceeded(status)) return false;
  // A phone may hang on one bad file, but not on one after the other.
  return CauseOf(status) != v1::CAUSE_PHONE_STALLED || ++stalls_ > kStallsMax;
}

absl::Status FileFetch::Count(std::uint64_t bytes) {
  FetchBudget& budget = parts_.budget;
  budget.read_bytes += bytes;
  parts_.progress.Moved(0, bytes);
  if (budget.total_bytes > 0) {
    parts_.progress.Percent(static_cast<int>(
        std::min<std::uint64_t>(99, budget.read_bytes * 100 / budget.total_bytes)));
  }
  if (budget.quota_bytes == 0 || budget.read_bytes <= budget.quota_bytes) return absl::OkStatus();
  return Failure(absl::StatusCode::kResourceExhausted, v1::CAUSE_SERVER_FULL,
                 "the phone holds more than its backup may take",
                 "ask the administrator for more room for this phone");
}

void FileFetch::Finished(const OpContext& ctx, const WantedFile& file, const FileMark& mark) {
  parts_.index.Put(ctx, SnapshotPath(file), mark);
  parts_.gaps.Remove(SnapshotPath(file));
  parts_.progress.Moved(1, 0);
  ++files_read_;
}

absl::Status FileFetch::Fetch(const OpContext& ctx, std::vector<WantedFile> files) {
  std::vector<WantedFile*> batch;
  std::uint64_t bytes = 0;
  std::size_t names = 0;
  // The tree of the snapshot grows as the list of what is left shrinks.
  const auto let_go = [](WantedFile& file) { std::string().swap(file.path); };
  const auto flush = [&]() -> absl::Status {
    const std::vector<WantedFile*> taken = std::exchange(batch, {});
    bytes = 0;
    names = 0;
    if (taken.empty()) return absl::OkStatus();
    MOORING_RETURN_IF_ERROR(FetchBatch(ctx, {taken.begin(), taken.end()}));
    for (WantedFile* file : taken) let_go(*file);
    return absl::OkStatus();
  };
  for (WantedFile& file : files) {
    MOORING_RETURN_IF_ERROR(CheckNotStopped(ctx));
    // A list on stdin is cut at newlines.
    const bool alone = file.size_bytes >= kLargeFileBytes ||
                       file.path.find('\n') != std::string::npos || !tar_works_;
    if (alone) {
      MOORING_RETURN_IF_ERROR(FetchAlone(ctx, file));
      let_go(file);
      continue;
    }
    if (bytes + file.size_bytes > kBatchBytesMax || batch.size() == kBatchFilesMax ||
        names + file.path.size() + 3 > kBatchNamesMax) {
      MOORING_RETURN_IF_ERROR(flush());
    }
    batch.push_back(&file);
    bytes += file.size_bytes;
    names += file.path.size() + 3;
  }
  return flush();
}

absl::Status FileFetch::FetchBatch(const OpContext& ctx,
                                   const std::vector<const WantedFile*>& files) {
  Batch batch(ctx, *this, files);
  if (tar_works_) {
    const absl::Status ran = parts_.line.Run(ctx, [&]() -> absl::Status {
      const absl::Status status = RunTar(ctx, batch);
      batch.BreakOff();
      if (!batch.fault().ok()) return StopFor(batch.fault());
      if (status.ok() || IsPhoneLost(status) || EndsFetch(status)) return status;
      tar_works_ = false;
      return absl::OkStatus();
    });
    MOORING_RETURN_IF_ERROR(TellApart(ran, batch.fault()));
  }
  // What tar passed over: asked for alone, the phone says why.
  for (const WantedFile* file : batch.Left()) MOORING_RETURN_IF_ERROR(FetchAlone(ctx, *file));
  return absl::OkStatus();
}

absl::Status FileFetch::RunTar(const OpContext& ctx, Batch& batch) {
  if (batch.done()) return absl::OkStatus();
  const absl::StatusOr<std::unique_ptr<AdbShell>> shell = parts_.line.device().Shell(
      ctx, fmt::format("cd {} && tar -c -f - -T -", QuoteForShell(tree_.phone_root)));
  if (absl::IsUnimplemented(shell.status())) {
    tar_works_ = false;
    return absl::OkStatus();
  }
  MOORING_RETURN_IF_ERROR(shell.status());
  MOORING_RETURN_IF_ERROR((*shell)->Write(ctx, AsBytes(batch.Names())));
  MOORING_RETURN_IF_ERROR((*shell)->CloseStdin(ctx));
  TarReader reader(batch);
  std::array<std::byte, kPieceBytes> piece;
  absl::Status parsed;
  for (;;) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t size, (*shell)->Read(ctx, piece));
    if (size == 0) break;
    parsed = reader.Feed(ByteView(piece).first(size));
    if (!parsed.ok()) break;
  }
  MOORING_RETURN_IF_ERROR(batch.fault());
  if (parsed.ok()) {
    // Members that tar could not read make it fail; those that came are whole.
    MOORING_RETURN_IF_ERROR((*shell)->Finish(ctx).status());
    parsed = reader.Finish();
  }
  // No tar, or none that we understand: file by file then.
  if (!parsed.ok()) tar_works_ = false;
  return absl::OkStatus();
}

absl::Status FileFetch::FetchAlone(const OpContext& ctx, const WantedFile& file) {
  Alone alone;
  const absl::Status ran = parts_.line.Run(ctx, [&]() -> absl::Status {
    while (!alone.finished) {
      const absl::Status status = ReadOnce(ctx, file, alone);
      if (!alone.fault.ok()) return StopFor(alone.fault);
      if (status.ok()) continue;
      if (IsPhoneLost(status) || EndsFetch(status)) return status;
      alone.taker.reset();
      parts_.gaps.Add(SnapshotPath(file), ReasonOf(status));
      return absl::OkStatus();
    }
    return absl::OkStatus();
  });
  return TellApart(ran, alone.fault);
}

absl::Status FileFetch::ReadOnce(const OpContext& ctx, const WantedFile& file, Alone& alone) {
  MOORING_ASSIGN_OR_RETURN(AdbSync* const sync, parts_.line.sync(ctx));
  MOORING_ASSIGN_OR_RETURN(const AdbStat stat, sync->Stat(ctx, PhonePath(file)));
  if (!stat.is_regular()) {
    parts_.gaps.Add(SnapshotPath(file), v1::GAP_REASON_CHANGED);
    alone.finished = true;
    return absl::OkStatus();
  }
  const bool is_same = alone.stat && alone.stat->size_bytes == stat.size_bytes &&
                       alone.stat->modified_unix_s == stat.modified_unix_s;
  if (alone.taker && !is_same) alone.taker.reset();
  alone.stat = stat;
  if (alone.taker && alone.taker->bytes() > 0) {
    MOORING_RETURN_IF_ERROR(ReceiveRest(ctx, file, alone));
  } else {
    MOORING_RETURN_IF_ERROR(Receive(ctx, file, alone));
  }
  return CloseAlone(ctx, file, alone);
}

absl::Status FileFetch::Take(const OpContext& ctx, const WantedFile& file, Alone& alone,
                             ByteView bytes) {
  if (!alone.taker) {
    FileFacts facts;
    facts.mode = file.mode;
    facts.modified_unix_ns = alone.stat->modified_unix_s == WholeSeconds(file.modified_unix_ns)
                                 ? file.modified_unix_ns
                                 : alone.stat->modified_unix_s * kSecondNs;
    alone.taker.emplace(parts_.builder, SnapshotPath(file), tree_.domain);
    const absl::Status begun = alone.taker->Begin(ctx, facts);
    if (absl::IsInvalidArgument(begun)) {
      alone.taker.reset();
      return begun;
    }
    alone.fault = begun;
    MOORING_RETURN_IF_ERROR(StopFor(alone.fault));
  }
  const std::uint64_t bound = std::max(file.size_bytes, alone.stat->size_bytes) + kGrowthBytesMax;
  if (alone.taker->bytes() + bytes.size() > bound) {
    return absl::OutOfRangeError("a file that does not end");
  }
  alone.fault = Count(bytes.size());
  if (alone.fault.ok()) alone.fault = alone.taker->Write(bytes);
  return StopFor(alone.fault);
}

absl::Status FileFetch::Receive(const OpContext& ctx, const WantedFile& file, Alone& alone) {
  MOORING_ASSIGN_OR_RETURN(AdbSync* const sync, parts_.line.sync(ctx));
  absl::Status taken;
  const absl::Status received = sync->Receive(ctx, PhonePath(file), [&](ByteView bytes) {
    taken = Take(ctx, file, alone, bytes);
    return taken;
  });
  if (absl::IsInvalidArgument(taken)) {
    parts_.gaps.Add(SnapshotPath(file), v1::GAP_REASON_NOT_STORABLE);
    alone.finished = true;
    return absl::OkStatus();
  }
  return received;
}

absl::Status FileFetch::ReceiveRest(const OpContext& ctx, const WantedFile& file, Alone& alone) {
  const std::string command =
      fmt::format("tail -c +{} -- {}", alone.taker->bytes() + 1, QuoteForShell(PhonePath(file)));
  MOORING_ASSIGN_OR_RETURN(const std::unique_ptr<AdbShell> shell,
                           parts_.line.device().Shell(ctx, command));
  std::array<std::byte, kPieceBytes> piece;
  for (;;) {
    MOORING_ASSIGN_OR_RETURN(const std::size_t size, shell->Read(ctx, piece));
    if (size == 0) break;
    MOORING_RETURN_IF_ERROR(Take(ctx, file, alone, ByteView(piece).first(size)));
  }
  MOORING_ASSIGN_OR_RETURN(const ShellExit exit, shell->Finish(ctx));
  if (exit.status == 0) return absl::OkStatus();
  return absl::PermissionDeniedError("the phone did not let the rest of a file be read");
}

absl::Status FileFetch::CloseAlone(const OpContext& ctx, const WantedFile& file, Alone& alone) {
  if (alone.finished) return absl::OkStatus();
  MOORING_ASSIGN_OR_RETURN(AdbSync* const sync, parts_.line.sync(ctx));
  const absl::StatusOr<AdbStat> after = sync->Stat(ctx, PhonePath(file));
  if (IsPhoneLost(after.status())) return after.status();
  if (!alone.taker) MOORING_RETURN_IF_ERROR(Take(ctx, file, alone, {}));  // An empty file.
  // Modulo 4 GiB where the phone tells no more.
  const std::uint64_t mask = alone.stat->size_is_exact ? ~std::uint64_t{0} : 0xffffffffU;
  const bool is_whole = (alone.taker->bytes() & mask) == alone.stat->size_bytes;
  const bool is_same = after.ok() && after->size_bytes == alone.stat->size_bytes &&
                       after->modified_unix_s == alone.stat->modified_unix_s;
  if ((!is_whole || !is_same) && after.ok() && alone.attempts++ == 0) {
    alone.taker.reset();  // Once more, from the start.
    return absl::OkStatus();
  }
  alone.fault = alone.taker->Close();
  MOORING_RETURN_IF_ERROR(StopFor(alone.fault));
  alone.finished = true;
  Finished(ctx, file, {file.inode, alone.taker->sha256()});
  alone.taker.reset();
  if (!is_whole || !is_same) parts_.gaps.Add(SnapshotPath(file), v1::GAP_REASON_CHANGED);
  return absl::OkStatus();
}

}  // namespace mooring::agent
