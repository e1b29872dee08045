// Facts: what retention's messages mean, for those who judge and those who fill them.

#pragma once

#include <string>

#include <absl/time/time.h>
#include <google/protobuf/timestamp.pb.h>

#include "mooring/v1/policy.pb.h"
#include "mooring/v1/retention.pb.h"
#include "storage/catalog/snapshot_store.h"

namespace mooring::storage {

// What retention looks at of a snapshot of the catalog.
v1::SnapshotFacts FactsOf(const SnapshotRecord& record);

// A timestamp of ours; one that is out of range is the infinite past.
absl::Time TimeOf(const google::protobuf::Timestamp& timestamp);

// "full", "photos"; empty for unspecified.
std::string CaptureName(v1::CaptureKind kind);

// Nothing where none is given, or it is no duration.
absl::Duration MinimumAge(const v1::Retention& rules);

// It has no end, or has not come to it.
bool PinStands(const v1::SnapshotPin& pin, absl::Time now);
// "pinned by ada until 2026-12-01".
std::string PinText(const v1::SnapshotPin& pin);

}  // namespace mooring::storage
