#include "storage/care/drill.h"

#include <algorithm>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/catalog/care_store.h"
#include "storage/catalog/snapshot_store.h"
#include "storage/manifest/manifest.h"
#include "storage/repository/audit_detail.h"
#include "storage/repository/damage.h"
#include "storage/seal/sealed_chunk.h"

namespace mooring::storage {
namespace {

// Chunks whose hashes are remembered: a bundle is read once for all its files.
constexpr std::size_t kHashesMax = std::size_t{1} << 18;
constexpr std::size_t kReadIds = 1024;
// Candidates that the draw is made from, for each one drawn.
constexpr std::size_t kPoolFactor = 4;
constexpr std::size_t kPoolMin = 64;

bool IsDamage(const absl::Status& status) {
  return absl::IsDataLoss(status) || absl::IsNotFound(status);
}

// One snapshot on its way through.
class Drill {
 public:
  Drill(const OpContext& ctx, Repository& repository, const Root& root, DrillRecord& record,
        DrillProgress progress, DrillRunner::Report report)
      : ctx_(ctx),
        repository_(repository),
        root_(root),
        record_(record),
        progress_(progress),
        report_(report) {}

  absl::Status Run() {
    for (const std::string& domain : root_.body.domains()) {
      const auto id = DomainId::FromBytes(domain);
      if (!id) return absl::DataLossError("a domain whose id has not 16 bytes");
      domains_.push_back(*id);
    }
    for (const format::v1::SegmentRef& segment : root_.body.segments()) {
      const absl::Status taken = TakeSegment(segment);
      if (IsDamage(taken)) {
        ++record_.damaged_count;
        continue;
      }
      MOORING_RETURN_IF_ERROR(taken);
      report_(progress_);
    }
    if (record_.damaged_count == 0 &&
        (entries_ != root_.body.entry_count() || record_.file_count != root_.body.file_count())) {
      ++record_.damaged_count;
    }
    return absl::OkStatus();
  }

 private:
  absl::Status TakeSegment(const format::v1::SegmentRef& segment) {
    const auto id = ChunkId::FromBytes(segment.chunk().id());
    const auto key = ChunkKey::FromBytes(segment.chunk().key());
    if (!id || !key) return absl::DataLossError("a segment without id or key");
    std::vector<PathEntry> entries;
    absl::Status inner;
    const absl::Status read =
        repository_.ReadChunks(ctx_, record_.snapshot, {*id}, [&](ByteView sealed) {
          inner = Decode(sealed, *id, *key, segment, entries);
          return inner;
        });
    MOORING_RETURN_IF_ERROR(inner);
    MOORING_RETURN_IF_ERROR(read);
    ++record_.chunk_count;
    MOORING_RETURN_IF_ERROR(HashChunks(entries));
    for (const PathEntry& entry : entries) {
      if (entry.entry.type == EntryType::kFile) CheckFile(entry.entry);
    }
    return absl::OkStatus();
  }

  absl::Status Decode(ByteView sealed, const ChunkId& id, const ChunkKey& key,
                      const format::v1::SegmentRef& segment, std::vector<PathEntry>& entries) {
    MOORING_ASSIGN_OR_RETURN(const OpenedChunk chunk, OpenChunk(sealed, id, key));
    MOORING_ASSIGN_OR_RETURN(entries, DecodeSegment(chunk.content, domains_));
    if (entries.size() != segment.entry_count() || entries.front().path != segment.first_path() ||
        (entries_ > 0 && entries.front().path <= last_path_)) {
      return absl::DataLossError("a segment that is not the one its root describes");
    }
    entries_ += entries.size();
    last_path_ = entries.back().path;
    return absl::OkStatus();
  }

  // Reads and opens every chunk of these entries that was not read before.
  absl::Status HashChunks(const std::vector<PathEntry>& entries) {
    if (hashes_.size() > kHashesMax) hashes_.clear();
    std::vector<ChunkRef> wanted;
    for (const PathEntry& entry : entries) {
      for (const Extent& extent : entry.entry.extents) {
        if (!hashes_.emplace(extent.chunk.id, std::nullopt).second) continue;
        wanted.push_back(extent.chunk);
      }
    }
    std::size_t done = 0;
    while (done < wanted.size()) {
      std::vector<ChunkId> ids;
      for (std::size_t i = done; i < wanted.size() && ids.size() < kReadIds; ++i) {
        ids.push_back(wanted[i].id);
      }
      const std::size_t end = done + ids.size();
      const absl::Status read =
          repository_.ReadChunks(ctx_, record_.snapshot, ids, [&](ByteView sealed) {
            Open(sealed, wanted[done]);
            ++done;
            return absl::OkStatus();
          });
      if (IsDamage(read) && done < end) {
        ++done;  // Its files will miss its hash.
        continue;
      }
      MOORING_RETURN_IF_ERROR(read);
      if (done < end) return absl::InternalError("drill: fewer chunks than asked for");
      report_(progress_);
    }
    return absl::OkStatus();
  }

  void Open(ByteView sealed, const ChunkRef& chunk) {
    const absl::StatusOr<OpenedChunk> opened = OpenChunk(sealed, chunk.id, chunk.key);
    if (!opened.ok() || opened->content.size() != chunk.raw_bytes) return;
    hashes_[chunk.id] = opened->frame_hash;
    ++record_.chunk_count;
    record_.bytes += opened->content.size();
    progress_.bytes = record_.bytes;
  }

  // DecodeSegment has checked that extents lie within their chunks and add up.
  void CheckFile(const Entry& entry) {
    FileDigester digest;
    bool is_whole = true;
    for (const Extent& extent : entry.extents) {
      const auto found = hashes_.find(extent.chunk.id);
      if (found == hashes_.end() || !found->second) {
        is_whole = false;
        break;
      }
      digest.Add(*found->second, extent.offset, extent.bytes);
    }
    if (is_whole && digest.Finish() == entry.digest) {
      progress_.files = ++record_.file_count;
    } else {
      ++record_.damaged_count;
    }
  }

  const OpContext& ctx_;
  Repository& repository_;
  const Root& root_;
  DrillRecord& record_;
  DrillProgress progress_;
  DrillRunner::Report report_;
  std::vector<DomainId> domains_;
  std::uint64_t entries_ = 0;
  std::string last_path_;
  absl::flat_hash_map<ChunkId, std::optional<FrameHash>> hashes_;
};

}  // namespace

absl::StatusOr<std::vector<DrillRecord>> DrillRunner::Run(const OpContext& ctx, std::size_t count,
                                                          const std::optional<DeviceId>& device,
                                                          const std::string& requested_by,
                                                          Report report) {
  MOORING_ASSIGN_OR_RETURN(const std::vector<SnapshotId> chosen, Choose(ctx, count, device));
  std::vector<DrillRecord> records;
  for (const SnapshotId& snapshot : chosen) {
    const auto relay = [&](const DrillProgress& one) {
      DrillProgress progress = one;
      progress.drills_done = records.size();
      progress.drills_total = chosen.size();
      report(progress);
    };
    absl::StatusOr<DrillRecord> record = RunOne(ctx, snapshot, requested_by, relay);
    if (absl::IsNotFound(record.status())) continue;  // Deleted since it was chosen.
    MOORING_RETURN_IF_ERROR(record.status());
    records.push_back(*std::move(record));
  }
  return records;
}

absl::StatusOr<std::vector<SnapshotId>> DrillRunner::Choose(const OpContext& ctx, std::size_t count,
                                                            const std::optional<DeviceId>& device) {
  std::vector<SnapshotId> pool;
  const absl::Status read = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    const std::size_t limit = std::max(kPoolMin, count * kPoolFactor);
    MOORING_ASSIGN_OR_RETURN(pool, tx.drills().Candidates(device, static_cast<int>(limit)));
    return absl::OkStatus();
  });
  MOORING_RETURN_IF_ERROR(read);
  // Nobody can tell beforehand which it will be.
  for (std::size_t i = 0; i < std::min(count, pool.size()); ++i) {
    std::swap(pool[i], pool[i + parts_.random.Below(pool.size() - i)]);
  }
  pool.resize(std::min(count, pool.size()));
  return pool;
}

absl::StatusOr<DrillRecord> DrillRunner::RunOne(const OpContext& ctx, const SnapshotId& snapshot,
                                                const std::string& requested_by, Report report) {
  DrillRecord record;
  record.id = DrillId::Make(parts_.random);
  record.snapshot = snapshot;
  record.requested_by = requested_by;
  record.started_at = parts_.clock.Now();
  const absl::Status begun = parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const auto view, tx.snapshots().Get(snapshot));
    if (!view || view->snapshot.deleted_at) return absl::NotFoundError("no such snapshot");
    record.device = view->snapshot.device;
    // Before the key is touched.
    return tx.Audit({.at = record.started_at,
                     .actor = requested_by,
                     .action = "snapshot.drill",
                     .subject = snapshot.hex(),
                     .detail_json = AuditDetail({{"drill", record.id.hex()}})});
  });
  MOORING_RETURN_IF_ERROR(begun);
  const auto run = [&]() -> absl::Status {
    MOORING_ASSIGN_OR_RETURN(const Repository::OpenedSnapshot opened,
                             parts_.repository.OpenSnapshot(ctx, snapshot));
    MOORING_ASSIGN_OR_RETURN(const Root root, OpenRoot(opened.snapshot_key, opened.root));
    if (root.header.snapshot != snapshot) {
      return absl::DataLossError("the manifest root is another snapshot's");
    }
    DrillProgress progress;
    progress.snapshot = snapshot;
    return Drill(ctx, parts_.repository, root, record, progress, report).Run();
  };
  const absl::Status ran = run();
  record.finished_at = parts_.clock.Now();
  if (ran.ok()) {
    record.result = record.damaged_count == 0 ? DrillResult::kPassed : DrillResult::kFailed;
    if (record.damaged_count > 0) {
      record.message =
          fmt::format("{} files or parts of the manifest are damaged", record.damaged_count);
    }
  } else {
    record.result = IsDamage(ran) ? DrillResult::kFailed : DrillResult::kIncomplete;
    record.message = std::string(ran.message());
  }
  // The evidence is stored also where the drill was called off.
  const OpContext always{.deadline = parts_.clock.Now() + absl::Minutes(1), .stop = {}};
  MOORING_RETURN_IF_ERROR(Store(always, record));
  if (record.result == DrillResult::kFailed) {
    MOORING_RETURN_IF_ERROR(RefreshDamage(always, parts_.catalog).status());
  }
  if (absl::IsCancelled(ran) || absl::IsDeadlineExceeded(ran)) return ran;
  return record;
}

absl::Status DrillRunner::Store(const OpContext& ctx, const DrillRecord& record) {
  return parts_.catalog.Run(ctx, [&](Transaction& tx) -> absl::Status {
    MOORING_RETURN_IF_ERROR(tx.drills().Add(record));
    const std::string subject = record.snapshot.hex();
    if (record.result == DrillResult::kFailed) {
      return tx.care().Report(FindingKind::kSnapshot, subject,
                              "a restore drill failed: " + record.message, record.finished_at);
    }
    if (record.result == DrillResult::kPassed) {
      return tx.care().Resolve(FindingKind::kSnapshot, subject, "a later drill passed",
                               record.finished_at);
    }
    return absl::OkStatus();
  });
}

}  // namespace mooring::storage
