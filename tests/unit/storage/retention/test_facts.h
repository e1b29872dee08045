// Snapshots for tests of retention.

#pragma once

#include <cstdint>
#include <string>

#include <absl/time/time.h>
#include <fmt/format.h>

#include "mooring/v1/retention.pb.h"
#include "storage/repository/timestamps.h"

namespace mooring::storage {

inline std::string TestId(char kind, std::uint64_t number) {
  return fmt::format("{}{:015}", kind, number);
}

inline void AddCapture(v1::SnapshotFacts& snapshot, v1::CaptureKind kind, std::uint64_t maker,
                       absl::Time completed_at) {
  v1::CaptureFacts& capture = *snapshot.add_captures();
  capture.set_kind(kind);
  capture.set_session_id(TestId('c', maker));
  *capture.mutable_completed_at() = ToTimestamp(completed_at);
  capture.set_file_count(1000);
  capture.set_logical_bytes(1'000'000);
}

inline v1::SnapshotFacts TestSnapshot(std::uint64_t sequence, absl::Time created_at,
                                      std::uint32_t lineage = 1) {
  v1::SnapshotFacts snapshot;
  snapshot.set_snapshot_id(TestId('s', sequence));
  snapshot.set_device_id(TestId('d', 1));
  snapshot.set_person_id(TestId('p', lineage));
  snapshot.set_lineage(lineage);
  snapshot.set_sequence(sequence);
  *snapshot.mutable_created_at() = ToTimestamp(created_at);
  return snapshot;
}

inline std::string VerdictText(const v1::RetentionVerdict& verdict) {
  std::string text = verdict.keep() ? "keep: " : "drop: ";
  for (int i = 0; i < verdict.reasons_size(); ++i) {
    text += (i == 0 ? "" : ", ") + verdict.reasons(i).text();
  }
  return text;
}

}  // namespace mooring::storage
