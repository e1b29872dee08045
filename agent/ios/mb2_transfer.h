// The two byte streams inside a MobileBackup2 conversation: files from the
// phone (DLMessageUploadFiles) and files to it (DLMessageDownloadFiles).
//
// Upload, repeated until a zero length stands in place of a device path:
//   u32be n; device path    u32be n; host path    blocks: u32be n; u8 code; n-1 bytes
// Codes: 0x0C data, 0x00 end of file, 0x0B and 0x06 the phone's error text for
// this file; an empty 0x0B ends a good file on some versions.
// Download, per path: u32be n; path    blocks as above    and last u32be 0.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "agent/ios/phone_files.h"
#include "agent/ios/phone_stream.h"
#include "storage/base/op_context.h"

namespace mooring::agent {

// Larger frames make the phone's backup agent run out of memory.
inline constexpr std::size_t kDownloadFrameBytes = std::size_t{32} << 10;
// Files of one conversation, and blocks without content in a row. Far above any
// phone's (1.3 million files have been seen), so that an endless stream ends.
inline constexpr std::uint64_t kReceivedFilesMax = 5'000'000;
inline constexpr std::uint32_t kEmptyBlocksMax = 64;

struct TransferCounts {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
  // Files for which the other side sent an error in place of content.
  std::uint64_t failed = 0;
};

using OnMoved = std::function<void(std::uint64_t files, std::uint64_t bytes)>;

// Receives one batch, up to and including its end mark. Files with an error are
// left out of the snapshot and counted. Any error ends the conversation: what
// has been written so far lies in an overlay that is dropped. `counts` are the
// conversation's, and are added to; with them kResourceExhausted
// (CAUSE_SERVER_FULL) ends a phone that sends more than `files` has room for.
absl::Status ReceiveFiles(const OpContext& ctx, PhoneStream& stream, std::string_view udid,
                          PhoneFiles& files, TransferCounts& counts, const OnMoved& on_moved);

// One requested file: `path` is what the phone called it.
struct RequestedFile {
  std::string path;
  std::string snapshot_path;  // Empty if the path is not on the allow-list.
};
// A file that could not be sent, for the status that follows.
struct UnsentFile {
  std::string path;
  std::int64_t code = 0;
  std::string text;
};
// Sends every file that there is and an error block for each that is not.
absl::StatusOr<TransferCounts> SendFiles(const OpContext& ctx, PhoneStream& stream,
                                         const std::vector<RequestedFile>& requested,
                                         PhoneFiles& files, std::vector<UnsentFile>& unsent,
                                         const OnMoved& on_moved);

// The DeviceLink code for an errno-like status: -6 for kNotFound and so on.
std::int64_t DeviceLinkCode(const absl::Status& status);

}  // namespace mooring::agent
