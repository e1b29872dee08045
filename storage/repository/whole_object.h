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

// As ReadWholeObject, for objects without a checksum of their own: read until two
// reads in a row agree, so that a byte that went wrong on its way is neither
// believed nor taken for damage. kUnavailable: they do not come to agree.
absl::StatusOr<Bytes> ReadSettledObject(ObjectStore& objects, const OpContext& ctx,
                                        std::string_view key, std::uint64_t bytes_max);

// Stores `body` and reads it back: a store may say OK and hold something else.
// kAlreadyExists: the key holds other bytes, `body` torn among them, which is left
// as it is: where several write under one key, only who holds their lock may
// remove it, or a good one that another has put in its place would go.
absl::Status PutChecked(ObjectStore& objects, const OpContext& ctx, std::string_view key,
                        ByteView body);

// The same under that lock: what differs is replaced. kUnavailable: it still differs.
absl::Status ReplaceChecked(ObjectStore& objects, const OpContext& ctx, std::string_view key,
                            ByteView body);

// As PutChecked, where nobody else writes under this key: what came back different
// again and again has been removed, and kUnavailable says so.
absl::Status PutAndReadBack(ObjectStore& objects, const OpContext& ctx, std::string_view key,
                            ByteView body);

}  // namespace mooring::storage
