// PhoneTreeList: every entry of a tree of the phone. One pass of find where the
// phone's find can print, else a walk, a request a directory.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/android/adb_device.h"
#include "agent/android/find_listing.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

struct TreeListing {
  // Directories and entries that the phone did not let us look at, below the root.
  std::vector<std::string> unreadable;
  // Something was not listed and it cannot be told what.
  bool is_partial = false;
};

// `visit` gets each entry, the root's own excepted; `descend` says whether a
// walk goes below a directory (find always does). `begin` is called before the
// first entry, and again if it starts over. kNotFound: no such tree.
absl::StatusOr<TreeListing> ListPhoneTree(const OpContext& ctx, AdbDevice& device, AdbSync& sync,
                                          const std::string& root, absl::FunctionRef<void()> begin,
                                          absl::FunctionRef<bool(std::string_view)> descend,
                                          absl::FunctionRef<absl::Status(const FoundFile&)> visit);

// What find complained of, by path below `root`; adds to `listing`.
void TakeFindErrors(std::string_view errors, std::string_view root, TreeListing& listing);

}  // namespace mooring::agent
