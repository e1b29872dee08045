// Where an S3 store is and how it is reached, as an administrator configures it.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/time/time.h>

namespace mooring::storage {

struct S3Settings {
  std::string bucket;
  std::string prefix;    // Before every key, without slashes at its ends; may be empty.
  std::string endpoint;  // https://HOST[:PORT]; empty: AWS in `region`.
  std::string region;    // Empty: us-east-1, which stores without regions take.
  // PEM file of the CAs to trust; empty: those of the system.
  std::string ca_file;
  // https://BUCKET.HOST/KEY in place of https://HOST/BUCKET/KEY.
  bool bucket_in_host = false;
  // What the store may hold, for Space(); 0: no limit is known.
  std::uint64_t quota_bytes = 0;
  // The bucket must have object lock, or the store is refused.
  bool requires_object_lock = false;

  absl::Duration connect_timeout = absl::Seconds(10);
  // A request in which no byte moves for so long has failed. Whole seconds.
  absl::Duration stall_timeout = absl::Seconds(30);
  int attempts_max = 7;
  // Before the second attempt; twice as long before each further one, up to the
  // second, and each time a random part of that.
  absl::Duration backoff_first = absl::Milliseconds(200);
  absl::Duration backoff_max = absl::Seconds(10);
};

// s3://BUCKET[/PREFIX]. kInvalidArgument says what is wrong.
struct S3Url {
  std::string bucket;
  std::string prefix;
};
bool IsS3Url(std::string_view text);
absl::StatusOr<S3Url> ParseS3Url(std::string_view text);

// Fills in the defaults. kInvalidArgument: a value that cannot be.
absl::Status CheckS3Settings(S3Settings& settings);

// What every request to the bucket begins with. Of checked settings.
struct S3Address {
  std::string origin;  // https://HOST[:PORT]
  std::string host;    // HOST[:PORT], as the Host header has it.
  std::string path;    // "" or "/BUCKET"
};
S3Address AddressOf(const S3Settings& settings);

}  // namespace mooring::storage
