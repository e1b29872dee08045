// SnapshotExporter: from an opened snapshot to files in a folder, each verified
// against the manifest that the snapshot's key opened.
//
// An iPhone's full capture becomes the standard backup folder (full/... as
// <UDID>/...) that Apple's and other open tools read; everything else keeps its
// path.
//
// Memory is bounded: the manifest is taken a batch of entries at a time, and
// within a batch the files go chunk by chunk, so that a bundle of small files
// is fetched once and a large file streams through.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "admin/cli/chunk_source.h"
#include "admin/cli/export_folder.h"
#include "storage/manifest/manifest.h"

namespace mooring::admin {

// Damaged things that are named; the rest are only counted.
inline constexpr std::size_t kDamagedNamedMax = 100;

struct ExportProgress {
  std::uint64_t files_done = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t files_total = 0;
  std::uint64_t bytes_total = 0;
};

struct ExportSummary {
  std::uint64_t file_count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t links_left_out = 0;
  // What could not be read back whole. Files among it were not written.
  std::uint64_t damaged_count = 0;
  std::vector<std::string> damaged;
};

// Where an entry of the snapshot of the phone `serial` goes. kDataLoss for a
// path that would end up among another's files.
absl::StatusOr<std::string> ExportPath(std::string_view path, std::string_view serial);

// OK for a serial number that can be the name of a folder.
absl::Status CheckSerial(std::string_view serial);

// Thread-bound.
class SnapshotExporter {
 public:
  // `serial` has passed CheckSerial.
  SnapshotExporter(const storage::Root& root, std::string serial, ChunkSource& chunks,
                   ExportFolder& folder, std::function<void(const ExportProgress&)> report);

  // Entries that are taken together; smaller in tests.
  static constexpr std::size_t kBatchEntries = 100'000;
  void set_batch_entries_for_test(std::size_t entries) { batch_entries_ = entries; }

  // Damage does not end it: the rest is exported and the summary names what is
  // missing. Errors: the folder cannot be written, the server is gone.
  absl::StatusOr<ExportSummary> Run();

 private:
  struct File;
  struct Use;
  struct Step;

  absl::Status ReadSegments();
  absl::Status TakeSegment(const format::v1::SegmentRef& segment, ByteView sealed);
  absl::Status AddEntries(std::vector<storage::PathEntry> entries);
  absl::Status FlushBatch();
  absl::Status PrepareFile(const storage::PathEntry& entry, std::vector<File>& files);
  std::vector<Step> PlanSteps(const std::vector<File>& files) const;
  absl::Status RunSteps(const std::vector<Step>& steps, std::vector<File>& files);
  absl::Status TakeChunk(const Step& step, ByteView sealed, std::vector<File>& files);
  absl::Status TakeExtent(const Use& use, const storage::OpenedChunk& chunk, File& file);
  absl::Status FinishFile(File& file);
  void MarkDamaged(const Step& step, std::vector<File>& files);
  void NoteDamaged(std::string what);
  void CheckTotals();

  const storage::Root& root_;
  const std::string serial_;
  ChunkSource& chunks_;
  ExportFolder& folder_;
  std::function<void(const ExportProgress&)> report_;
  std::size_t batch_entries_ = kBatchEntries;

  std::vector<DomainId> domains_;
  std::vector<storage::PathEntry> batch_;
  std::string last_path_;
  std::uint64_t entries_seen_ = 0;
  ExportProgress progress_;
  ExportSummary summary_;
};

}  // namespace mooring::admin
