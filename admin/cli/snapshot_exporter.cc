#include "admin/cli/snapshot_exporter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <absl/strings/ascii.h>
#include <absl/strings/match.h>
#include <fmt/format.h>

#include "storage/base/status.h"

namespace mooring::admin {
namespace {

using storage::EntryType;
using storage::Extent;
using storage::PathEntry;

constexpr std::string_view kFullPrefix = "full/";
constexpr std::size_t kSerialBytesMax = 64;
// What one request asks for, at most: 64 MiB of content.
constexpr std::uint64_t kReadBytesMax = std::uint64_t{64} << 20;

// Damage is reported and gone around; everything else ends the export.
bool IsDamage(const absl::Status& status) {
  return status.code() == absl::StatusCode::kDataLoss ||
         status.code() == absl::StatusCode::kNotFound;
}

}  // namespace

// A file on its way: written so far up to extent `next`.
struct SnapshotExporter::File {
  const PathEntry* entry = nullptr;
  std::string target;
  std::size_t next = 0;
  bool damaged = false;
  std::optional<ExportFile> out;
  storage::FileDigester digest;
};

// One extent of one file.
struct SnapshotExporter::Use {
  std::size_t file = 0;
  std::size_t extent = 0;
};

// A chunk and all that is taken from it while it is in memory.
struct SnapshotExporter::Step {
  storage::ChunkRef chunk;
  std::vector<Use> uses;
};

absl::Status CheckSerial(std::string_view serial) {
  const bool plain = std::all_of(serial.begin(), serial.end(), [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '-' || c == '_' || c == '.';
  });
  if (serial.empty() || serial.size() > kSerialBytesMax || !plain || serial[0] == '.') {
    return absl::DataLossError("the snapshot's serial number cannot be the name of a folder");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ExportPath(std::string_view path, std::string_view serial) {
  if (absl::Status form = storage::CheckSnapshotPath(path); !form.ok()) {
    return absl::DataLossError(form.message());
  }
  if (path.substr(0, kFullPrefix.size()) == kFullPrefix) {
    return fmt::format("{}/{}", serial, path.substr(kFullPrefix.size()));
  }
  if (path == "full") return std::string(serial);
  const std::string_view top = path.substr(0, path.find('/'));
  if (absl::EqualsIgnoreCase(ToAbsl(top), ToAbsl(serial)) || top == kIncompleteMarker) {
    return absl::DataLossError("a path that would mix with the full capture");
  }
  return std::string(path);
}

SnapshotExporter::SnapshotExporter(const storage::Root& root, std::string serial,
                                   ChunkSource& chunks, ExportFolder& folder,
                                   std::function<void(const ExportProgress&)> report)
    : root_(root),
      serial_(std::move(serial)),
      chunks_(chunks),
      folder_(folder),
      report_(std::move(report)) {
  progress_.files_total = root.body.file_count();
  progress_.bytes_total = root.body.logical_bytes();
}

absl::StatusOr<ExportSummary> SnapshotExporter::Run() {
  for (const std::string& domain : root_.body.domains()) {
    const auto id = DomainId::FromBytes(domain);
    if (!id) return absl::DataLossError("manifest root: a domain whose id has not 16 bytes");
    domains_.push_back(*id);
  }
  MOORING_RETURN_IF_ERROR(ReadSegments());
  MOORING_RETURN_IF_ERROR(FlushBatch());
  CheckTotals();
  if (summary_.damaged_count == 0) MOORING_RETURN_IF_ERROR(folder_.Complete());
  return summary_;
}

void SnapshotExporter::CheckTotals() {
  if (summary_.damaged_count == 0 && (entries_seen_ != root_.body.entry_count() ||
                                      summary_.file_count != root_.body.file_count())) {
    NoteDamaged("the manifest: it holds another number of entries than its root says");
  }
}

absl::Status SnapshotExporter::ReadSegments() {
  const auto& segments = root_.body.segments();
  for (const format::v1::SegmentRef& segment : segments) {
    const auto id = ChunkId::FromBytes(segment.chunk().id());
    if (!id) return absl::DataLossError("manifest root: a segment whose id has not 32 bytes");
    absl::Status inner;
    const absl::Status read = chunks_.Read({*id}, [&](ByteView sealed) {
      inner = TakeSegment(segment, sealed);
      return inner;
    });
    if (IsDamage(read)) {
      NoteDamaged(fmt::format("{} and the {} entries from there on: {}", segment.first_path(),
                              segment.entry_count(), std::string(read.message())));
    } else {
      MOORING_RETURN_IF_ERROR(read);
    }
    if (batch_.size() >= batch_entries_) MOORING_RETURN_IF_ERROR(FlushBatch());
  }
  return absl::OkStatus();
}

absl::Status SnapshotExporter::TakeSegment(const format::v1::SegmentRef& segment, ByteView sealed) {
  const auto id = ChunkId::FromBytes(segment.chunk().id());
  const auto key = storage::ChunkKey::FromBytes(segment.chunk().key());
  if (!id || !key) return absl::DataLossError("manifest root: a segment without id or key");
  MOORING_ASSIGN_OR_RETURN(const storage::OpenedChunk chunk, storage::OpenChunk(sealed, *id, *key));
  MOORING_ASSIGN_OR_RETURN(std::vector<PathEntry> entries,
                           storage::DecodeSegment(chunk.content, domains_));
  if (entries.size() != segment.entry_count() || entries.front().path != segment.first_path() ||
      entries.front().path <= last_path_) {
    return absl::DataLossError("a segment that is not the one its root describes");
  }
  return AddEntries(std::move(entries));
}

absl::Status SnapshotExporter::AddEntries(std::vector<PathEntry> entries) {
  entries_seen_ += entries.size();
  last_path_ = entries.back().path;
  std::move(entries.begin(), entries.end(), std::back_inserter(batch_));
  return absl::OkStatus();
}

absl::Status SnapshotExporter::FlushBatch() {
  std::vector<File> files;
  for (const PathEntry& entry : batch_) MOORING_RETURN_IF_ERROR(PrepareFile(entry, files));
  MOORING_RETURN_IF_ERROR(RunSteps(PlanSteps(files), files));
  batch_.clear();
  return absl::OkStatus();
}

absl::Status SnapshotExporter::PrepareFile(const PathEntry& entry, std::vector<File>& files) {
  if (entry.entry.type == EntryType::kSymlink) {
    ++summary_.links_left_out;
    return absl::OkStatus();
  }
  absl::StatusOr<std::string> target = ExportPath(entry.path, serial_);
  if (!target.ok()) {
    NoteDamaged(fmt::format("{}: {}", entry.path, std::string(target.status().message())));
    return absl::OkStatus();
  }
  if (entry.entry.type == EntryType::kDirectory) return folder_.MakeDirectory(*target);
  File file;
  file.entry = &entry;
  file.target = *std::move(target);
  if (!entry.entry.extents.empty()) {
    files.push_back(std::move(file));
    return absl::OkStatus();
  }
  MOORING_ASSIGN_OR_RETURN(ExportFile out, folder_.Create(file.target));
  file.out.emplace(std::move(out));
  return FinishFile(file);
}

// Files of one extent by chunk, then the others one after the other: at most
// one of them is open.
std::vector<SnapshotExporter::Step> SnapshotExporter::PlanSteps(
    const std::vector<File>& files) const {
  std::vector<Use> uses;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (files[i].entry->entry.extents.size() == 1) uses.push_back({i, 0});
  }
  const auto chunk_of = [&](const Use& use) -> const storage::ChunkRef& {
    return files[use.file].entry->entry.extents[use.extent].chunk;
  };
  std::stable_sort(uses.begin(), uses.end(),
                   [&](const Use& a, const Use& b) { return chunk_of(a).id < chunk_of(b).id; });
  for (std::size_t i = 0; i < files.size(); ++i) {
    const std::size_t extents = files[i].entry->entry.extents.size();
    for (std::size_t extent = 0; extents > 1 && extent < extents; ++extent) {
      uses.push_back({i, extent});
    }
  }
  std::vector<Step> steps;
  for (const Use& use : uses) {
    if (steps.empty() || steps.back().chunk != chunk_of(use)) steps.push_back({chunk_of(use), {}});
    steps.back().uses.push_back(use);
  }
  return steps;
}

absl::Status SnapshotExporter::RunSteps(const std::vector<Step>& steps, std::vector<File>& files) {
  std::size_t done = 0;
  while (done < steps.size()) {
    std::vector<ChunkId> ids;
    std::uint64_t bytes = 0;
    for (std::size_t i = done; i < steps.size() && ids.size() < kChunksPerRead; ++i) {
      bytes += steps[i].chunk.raw_bytes;
      if (!ids.empty() && bytes > kReadBytesMax) break;
      ids.push_back(steps[i].chunk.id);
    }
    const std::size_t end = done + ids.size();
    absl::Status local;
    const absl::Status read = chunks_.Read(ids, [&](ByteView sealed) {
      local = TakeChunk(steps[done], sealed, files);
      if (local.ok()) ++done;
      return local;
    });
    MOORING_RETURN_IF_ERROR(local);
    if (IsDamage(read) && done < end) {
      MarkDamaged(steps[done], files);
      ++done;
    } else {
      MOORING_RETURN_IF_ERROR(read);
    }
  }
  return absl::OkStatus();
}

absl::Status SnapshotExporter::TakeChunk(const Step& step, ByteView sealed,
                                         std::vector<File>& files) {
  const absl::StatusOr<storage::OpenedChunk> chunk =
      storage::OpenChunk(sealed, step.chunk.id, step.chunk.key);
  if (!chunk.ok() || chunk->content.size() != step.chunk.raw_bytes) {
    MarkDamaged(step, files);
    return absl::OkStatus();
  }
  for (const Use& use : step.uses) {
    File& file = files[use.file];
    if (file.damaged) continue;
    MOORING_RETURN_IF_ERROR(TakeExtent(use, *chunk, file));
  }
  report_(progress_);
  return absl::OkStatus();
}

absl::Status SnapshotExporter::TakeExtent(const Use& use, const storage::OpenedChunk& chunk,
                                          File& file) {
  const Extent& extent = file.entry->entry.extents[use.extent];
  if (!file.out.has_value()) {
    MOORING_ASSIGN_OR_RETURN(ExportFile out, folder_.Create(file.target));
    file.out.emplace(std::move(out));
  }
  // DecodeSegment has checked that the extent lies within the chunk.
  MOORING_RETURN_IF_ERROR(
      file.out->Append(ByteView(chunk.content).subspan(extent.offset, extent.bytes)));
  file.digest.Add(chunk.frame_hash, extent.offset, extent.bytes);
  progress_.bytes_done += extent.bytes;
  file.next = use.extent + 1;
  return file.next == file.entry->entry.extents.size() ? FinishFile(file) : absl::OkStatus();
}

absl::Status SnapshotExporter::FinishFile(File& file) {
  if (file.digest.Finish() != file.entry->entry.digest) {
    file.out.reset();
    file.damaged = true;
    NoteDamaged(file.entry->path + ": its content is not what its digest says");
    return absl::OkStatus();
  }
  MOORING_RETURN_IF_ERROR(file.out->Finish(file.entry->entry.modified_unix_ns));
  file.out.reset();
  ++summary_.file_count;
  ++progress_.files_done;
  summary_.bytes += file.entry->entry.size_bytes;
  return absl::OkStatus();
}

void SnapshotExporter::MarkDamaged(const Step& step, std::vector<File>& files) {
  for (const Use& use : step.uses) {
    File& file = files[use.file];
    if (file.damaged) continue;
    file.damaged = true;
    file.out.reset();
    NoteDamaged(fmt::format("{}: chunk {} is damaged or gone", file.entry->path,
                            step.chunk.id.hex().substr(0, 12)));
  }
}

void SnapshotExporter::NoteDamaged(std::string what) {
  ++summary_.damaged_count;
  if (summary_.damaged.size() < kDamagedNamedMax) summary_.damaged.push_back(std::move(what));
}

}  // namespace mooring::admin
