#include "storage/repository/timestamps.h"

namespace mooring::storage {

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  const std::int64_t micros = absl::ToUnixMicros(time);
  google::protobuf::Timestamp timestamp;
  std::int64_t seconds = micros / 1'000'000;
  std::int64_t rest = micros % 1'000'000;
  if (rest < 0) {
    rest += 1'000'000;
    --seconds;
  }
  timestamp.set_seconds(seconds);
  timestamp.set_nanos(static_cast<std::int32_t>(rest * 1000));
  return timestamp;
}

absl::StatusOr<absl::Time> FromTimestamp(const google::protobuf::Timestamp& timestamp) {
  // Bounds of google.protobuf.Timestamp.
  constexpr std::int64_t kYear1 = -62'135'596'800;
  constexpr std::int64_t kYear9999End = 253'402'300'799;
  if (timestamp.seconds() < kYear1 || timestamp.seconds() > kYear9999End || timestamp.nanos() < 0 ||
      timestamp.nanos() > 999'999'999) {
    return absl::InvalidArgumentError("time out of range");
  }
  return absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
}

}  // namespace mooring::storage
