// Small objects read and written whole.

#pragma once

#include <string_view>

#include <absl/status/statusor.h>

#include "storage/base/bytes.h"
#include "storage/objects/object_store.h"

namespace mooring::storage {

// kNotFound: no such object. kDataLoss: longer than `bytes_max`, or it changed while it was read.
absl::StatusOr<Bytes> ReadWholeObject(ObjectStore& objects, const OpContext& ctx,
                                      std::string_view key, std::uint64_t bytes_max);

// Stores `body` and reads it back: a store may say OK and hold something else.
// kAlreadyExists: the key holds other bytes. kUnavailable: it came back
// different, and has been removed.
absl::Status PutAndReadBack(ObjectStore& objects, const OpContext& ctx, std::string_view key,
                            ByteView body);

}  // namespace mooring::storage
