// DeviceLink: the phone's half of the MobileBackup2 conversation.
//
// Messages: u32 big-endian length and a binary property list, an array whose first
// item is the verb. Files follow as raw blocks on the same stream. The phone asks,
// the host answers with DLMessageStatusResponse [verb, code, text, payload]. What the
// host gets wrong goes on record in the phone.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "tests/phones/iphone/channel.h"
#include "tests/phones/iphone/phone.h"
#include "tests/phones/iphone/plist.h"

namespace mooring::testing {

// An end of the operation with a code of MBErrorDomain, which the host is told.
absl::Status MbError(int code, std::string_view text);
std::optional<int> MbErrorCode(const absl::Status& status);

struct HostAnswer {
  std::int64_t code = 0;
  std::string text;
  Plist payload;
};

struct HostFile {
  bool is_directory = false;
  std::uint64_t size_bytes = 0;
};

// Bytes of one file on their way to the host.
class UploadSource {
 public:
  virtual ~UploadSource() = default;
  // The next piece, at most 128 KiB; empty at the end. Valid until the next call.
  virtual absl::StatusOr<std::string_view> Next() = 0;
};

struct DownloadResult {
  bool is_complete = false;
  std::string error;
};

// Where downloaded bytes go. `end` comes once for each path that the host sent whole.
struct DownloadSink {
  std::function<absl::Status(const std::string& path)> begin;
  std::function<absl::Status(std::string_view bytes)> data;
  std::function<absl::Status(const std::string& path)> end;
};

// Thread-bound. kUnavailable: the host or the cable is gone. kAborted with a code:
// the operation must end with that error. kInvalidArgument: the host broke the protocol
// beyond repair.
class DeviceLink {
 public:
  DeviceLink(Phone& phone, Channel& channel) : phone_(phone), channel_(channel) {}

  absl::Status Handshake();
  // The dictionary of the host's next request; kNotFound: it said goodbye.
  absl::StatusOr<Plist> ReceiveRequest();
  absl::Status Respond(int code, std::string_view text, Plist extra);

  // Passes a named step, where faults may wait.
  absl::Status AtStep(std::string_view step);

  absl::StatusOr<HostAnswer> Call(const Plist& message);
  absl::StatusOr<std::map<std::string, HostFile>> List(const std::string& path);
  absl::Status MakeDirectory(const std::string& path);
  absl::Status Move(const std::vector<std::pair<std::string, std::string>>& items);
  absl::Status Remove(const std::vector<std::string>& paths);
  absl::StatusOr<std::uint64_t> FreeSpace();
  absl::StatusOr<HostAnswer> PurgeSpace(std::uint64_t bytes);

  absl::Status BeginUpload(std::uint64_t total_bytes);
  // False: a planned error block ended the file early; the host must not count it.
  absl::StatusOr<bool> UploadFile(std::string_view device_path, std::string_view host_path,
                                  UploadSource& source);
  absl::Status EndUpload();

  absl::StatusOr<std::map<std::string, DownloadResult>> Download(
      const std::vector<std::string>& paths, const DownloadSink& sink);
  // One small file; nullopt if the host has none.
  absl::StatusOr<std::optional<std::string>> DownloadSmall(const std::string& path);

  Phone& phone() { return phone_; }
  Channel& channel() { return channel_; }
  std::uint64_t payload_bytes_sent() const { return payload_bytes_sent_; }
  void set_progress(double percent) { progress_ = percent; }
  // Control messages as they are, for hostile phones.
  absl::Status SendMessage(const Plist& message);

 private:
  absl::StatusOr<Plist> ReceiveMessage();
  absl::StatusOr<HostAnswer> ReceiveAnswer(std::string_view question);
  absl::Status ExpectOk(const absl::StatusOr<HostAnswer>& answer, std::string_view question);
  absl::Status SendPayload(std::string_view bytes);
  absl::Status StrikeCable(const Fault& fault);
  absl::Status Stall(const Fault& fault);
  absl::Status ReceiveFile(const std::string& path, const DownloadSink& sink,
                           DownloadResult& result);
  void Violation(std::string_view what);

  Phone& phone_;
  Channel& channel_;
  std::uint64_t payload_bytes_sent_ = 0;
  double progress_ = 0;
};

}  // namespace mooring::testing
