// Times between protobuf and absl.

#pragma once

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <google/protobuf/timestamp.pb.h>

namespace mooring::storage {

// To the microsecond, as the catalog keeps it.
google::protobuf::Timestamp ToTimestamp(absl::Time time);

// kInvalidArgument: outside of the years 1 to 9999, or nanoseconds out of range.
absl::StatusOr<absl::Time> FromTimestamp(const google::protobuf::Timestamp& timestamp);

}  // namespace mooring::storage
