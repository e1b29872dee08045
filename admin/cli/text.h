// Values as people read them in tables.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>
#include <absl/time/time.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/duration.pb.h>
#include <google/protobuf/generated_enum_reflection.h>
#include <google/protobuf/timestamp.pb.h>

namespace mooring::admin {

// Cells that `text` takes on a terminal. `text` has been through CleanText.
std::size_t DisplayWidth(std::string_view text);

// At most `width` cells, with an ellipsis where something was cut.
std::string Truncate(std::string_view text, std::size_t width);

// "0 B", "900 B", "1.5 MiB".
std::string BytesText(std::uint64_t bytes);
// "3.1 GiB free of 10 GiB", or that a store has no limit that is known.
std::string RoomText(std::uint64_t free_bytes, std::uint64_t total_bytes);

// The largest unit alone: "45s", "3h", "12d", "2y".
std::string DurationText(absl::Duration duration);
std::string DurationText(const google::protobuf::Duration& duration);

absl::Time ToTime(const google::protobuf::Timestamp& time);

// "3h ago", "in 12d"; "-" for a time that was never set.
std::string AgeText(const google::protobuf::Timestamp& time, absl::Time now);

// "2026-11-23 01:10:22 UTC".
std::string TimeText(const google::protobuf::Timestamp& time);

// The first 12 hexadecimal characters; "-" for no id.
std::string ShortId(std::string_view id);

// DEVICE_STATE_NEVER_BACKED_UP as "never backed up", "-" for unspecified.
std::string EnumText(const google::protobuf::EnumDescriptor& type, int value);
template <typename Enum>
std::string EnumText(Enum value) {
  return EnumText(*google::protobuf::GetEnumDescriptor<Enum>(), static_cast<int>(value));
}

// "1 device", "2 devices".
std::string CountText(std::uint64_t count, std::string_view singular, std::string_view plural);

// A duration that a person typed: a number and s, m, h, d or w. kInvalidArgument otherwise.
absl::StatusOr<absl::Duration> ParseLifetime(std::string_view text);

}  // namespace mooring::admin
