// Which files of a phone's shared storage are captured, and to which category of
// the policy each belongs. A data table: see storage_rules.cc.

#pragma once

#include <string_view>

#include "mooring/v1/common.pb.h"

namespace mooring::agent {

// Where the shared storage and the memory cards stand in a snapshot, by the
// phone's own names for them: storage/internal/DCIM/..., storage/sd-1234-ABCD/...
inline constexpr std::string_view kInternalRoot = "storage/internal";
inline constexpr std::string_view kCardPrefix = "storage/sd-";

// Never worth keeping, or not another app's to read: thumbnails, trash, caches,
// Android/data and Android/obb. `path` is below the storage's root.
bool IsSkippedPath(std::string_view path);

// Of a path below the root of the shared storage.
v1::Category StorageCategory(std::string_view path);

}  // namespace mooring::agent
