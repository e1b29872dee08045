#include "storage/retention/facts.h"

#include <fmt/format.h>

#include "storage/repository/timestamps.h"
#include "storage/retention/calendar.h"
#include "storage/retention/duration.h"

namespace mooring::storage {

v1::SnapshotFacts FactsOf(const SnapshotRecord& record) {
  v1::SnapshotFacts facts;
  facts.set_snapshot_id(record.id.bytes());
  facts.set_device_id(record.device.bytes());
  facts.set_person_id(record.person.bytes());
  facts.set_lineage(record.lineage);
  facts.set_sequence(record.sequence);
  *facts.mutable_created_at() = ToTimestamp(record.created_at);
  for (const v1::Capture& capture : record.captures) {
    v1::CaptureFacts& added = *facts.add_captures();
    added.set_kind(capture.kind());
    added.set_session_id(capture.session_id());
    *added.mutable_completed_at() = capture.completed_at();
    added.set_file_count(capture.file_count());
    added.set_logical_bytes(capture.logical_bytes());
  }
  for (const v1::Capability& capability : record.device_facts.capabilities()) {
    if (capability.state() == v1::CAPABILITY_STATE_AVAILABLE) {
      facts.add_available(capability.name());
    }
  }
  facts.set_damaged_chunks(record.damaged_chunks);
  return facts;
}

absl::Time TimeOf(const google::protobuf::Timestamp& timestamp) {
  return FromTimestamp(timestamp).value_or(absl::InfinitePast());
}

std::string CaptureName(v1::CaptureKind kind) {
  switch (kind) {
    case v1::CAPTURE_KIND_FULL:
      return "full";
    case v1::CAPTURE_KIND_PHOTOS:
      return "photos";
    default:
      return "";
  }
}

absl::Duration MinimumAge(const v1::Retention& rules) {
  if (rules.minimum_age().empty()) return absl::ZeroDuration();
  return ParseDuration(rules.minimum_age()).value_or(absl::ZeroDuration());
}

bool PinStands(const v1::SnapshotPin& pin, absl::Time now) {
  return !pin.has_until() || now < TimeOf(pin.until());
}

std::string PinText(const v1::SnapshotPin& pin) {
  if (!pin.has_until()) return fmt::format("pinned by {}", pin.pinned_by());
  return fmt::format("pinned by {} until {}", pin.pinned_by(),
                     PeriodName(Period::kDay, TimeOf(pin.until())));
}

}  // namespace mooring::storage
