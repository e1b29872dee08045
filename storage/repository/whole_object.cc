#include "storage/repository/whole_object.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "storage/base/status.h"
#include "storage/repository/store_refusal.h"

namespace mooring::storage {
namespace {

constexpr int kReadsMax = 3;

// One wrong read is not believed: the object may be an equal one that was there
// before, which others stand on.
absl::StatusOr<bool> ReadsBack(ObjectStore& objects, const OpContext& ctx, std::string_view key,
                               ByteView body) {
  for (int i = 0; i < kReadsMax; ++i) {
    const absl::StatusOr<Bytes> back = ReadWholeObject(objects, ctx, key, body.size());
    if (back.ok() && std::equal(back->begin(), back->end(), body.begin(), body.end())) return true;
    // Not there: another has removed what was torn, and is about to replace it.
    if (!back.ok() && !absl::IsDataLoss(back.status()) && !absl::IsNotFound(back.status())) {
      return back.status();
    }
  }
  return false;
}

std::string OtherBytes(std::string_view key) {
  return fmt::format("object {}: the store gave back other bytes than it was given", key);
}

}  // namespace

absl::StatusOr<Bytes> ReadWholeObject(ObjectStore& objects, const OpContext& ctx,
                                      std::string_view key, std::uint64_t bytes_max) {
  MOORING_ASSIGN_OR_RETURN(const ObjectInfo info, objects.Stat(ctx, key));
  if (info.size_bytes > bytes_max) {
    return absl::DataLossError(
        fmt::format("object {}: {} bytes, more than {}", key, info.size_bytes, bytes_max));
  }
  Bytes bytes(info.size_bytes);
  MOORING_ASSIGN_OR_RETURN(const std::size_t read, objects.ReadAt(ctx, key, 0, bytes));
  if (read != bytes.size()) return absl::DataLossError(fmt::format("object {}: truncated", key));
  return bytes;
}

absl::StatusOr<Bytes> ReadSettledObject(ObjectStore& objects, const OpContext& ctx,
                                        std::string_view key, std::uint64_t bytes_max) {
  MOORING_ASSIGN_OR_RETURN(Bytes last, ReadWholeObject(objects, ctx, key, bytes_max));
  for (int i = 1; i < kReadsMax; ++i) {
    MOORING_ASSIGN_OR_RETURN(Bytes bytes, ReadWholeObject(objects, ctx, key, bytes_max));
    if (bytes == last) return bytes;
    last = std::move(bytes);
  }
  return absl::UnavailableError(
      fmt::format("object {}: the store gives other bytes at each read", key));
}

absl::Status PutChecked(ObjectStore& objects, const OpContext& ctx, std::string_view key,
                        ByteView body) {
  MOORING_RETURN_IF_ERROR(ForCaller(objects.Put(ctx, key, body, absl::InfinitePast())));
  MOORING_ASSIGN_OR_RETURN(const bool is_good, ReadsBack(objects, ctx, key, body));
  return is_good ? absl::OkStatus() : absl::AlreadyExistsError(OtherBytes(key));
}

absl::Status ReplaceChecked(ObjectStore& objects, const OpContext& ctx, std::string_view key,
                            ByteView body) {
  MOORING_ASSIGN_OR_RETURN(const bool is_good, ReadsBack(objects, ctx, key, body));
  if (is_good) return absl::OkStatus();  // Another's, equal.
  MOORING_RETURN_IF_ERROR(objects.Remove(ctx, key));
  const absl::Status put = PutChecked(objects, ctx, key, body);
  return absl::IsAlreadyExists(put) ? absl::UnavailableError(put.message()) : put;
}

absl::Status PutAndReadBack(ObjectStore& objects, const OpContext& ctx, std::string_view key,
                            ByteView body) {
  MOORING_RETURN_IF_ERROR(ForCaller(objects.Put(ctx, key, body, absl::InfinitePast())));
  MOORING_ASSIGN_OR_RETURN(const bool is_good, ReadsBack(objects, ctx, key, body));
  if (is_good) return absl::OkStatus();
  MOORING_RETURN_IF_ERROR(objects.Remove(ctx, key));
  return absl::UnavailableError(OtherBytes(key));
}

}  // namespace mooring::storage
