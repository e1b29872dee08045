// absl::Time as protobuf's Timestamp.

#pragma once

#include <absl/time/time.h>
#include <google/protobuf/timestamp.pb.h>

namespace mooring::agent {

inline void SetTimestamp(absl::Time time, google::protobuf::Timestamp& timestamp) {
  timestamp.set_seconds(absl::ToUnixSeconds(time));
  timestamp.set_nanos(static_cast<std::int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(timestamp.seconds()))));
}

}  // namespace mooring::agent
